"""The records of four nights (`tests/data/nights`), read without the product, and the report of them."""

import gzip
import json
from collections import defaultdict
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from agents.settings import load
from deploy.report.figures import figures, period
from deploy.report.source import store

NIGHTS = Path(__file__).parent / "data" / "nights" / "nights.jsonl.gz"
ZONE = "Europe/London"
Row = dict[str, Any]


@cache
def report() -> Row:
    """The figures of all of it."""
    with store(load(), NIGHTS) as opened:
        return figures(opened, period(opened, None, None, ZONE))


@cache
def lines() -> dict[str, list[Row]]:
    """Values by topic, in order."""
    by_topic: defaultdict[str, list[Row]] = defaultdict(list)
    with gzip.open(NIGHTS, "rt", encoding="utf-8") as text:
        for line in text:
            row = json.loads(line)
            by_topic[row["topic"]].append(row["value"])
    return by_topic


@cache
def sessions() -> list[Row]:
    """Each in its newest account."""
    newest: dict[str, Row] = {}
    for one in lines()["d2ev.session.event.v1"]:
        if one["revision"] >= newest.get(one["session_id"], one)["revision"]:
            newest[one["session_id"]] = one
    return list(newest.values())


@cache
def cars() -> dict[str, Row]:
    """Registrations by car."""
    return {one["car"]: one for one in lines()["d2ev.registration.state.v1"]}


def at(text: str) -> datetime:
    """An instant."""
    return datetime.fromisoformat(text)


def rounded(value: Any) -> Any:
    """Sums differ in their last digits by the order of their parts."""
    if isinstance(value, dict):
        return {name: rounded(below) for name, below in value.items()}
    if isinstance(value, list):
        return [rounded(below) for below in value]
    return round(value, 6) if isinstance(value, float) else value
