"""The records and schemas of released versions, as they lie in this folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from streams.contracts.vehicle import VehicleState
from streams.topics import TOPICS
from tables import TABLES

HERE = Path(__file__).parent
RECORDS, SCHEMAS = "records.jsonl", "schemas.json"


@dataclass(frozen=True)
class Golden:
    """A value as a released version wrote it: on a topic, or as a row of a table."""

    version: str
    place: str
    value: str


def versions() -> list[str]:
    """The released versions, oldest first."""
    return sorted(
        (path.parent.name for path in HERE.glob(f"*/{SCHEMAS}")), key=lambda name: tuple(map(int, name.split(".")))
    )


def records(version: str) -> Iterator[Golden]:
    """What that version wrote."""
    for line in (HERE / version / RECORDS).read_text().splitlines():
        record = json.loads(line)
        yield Golden(version, record["place"], record["value"])


@cache
def frozen(version: str) -> Mapping[str, Any]:
    """The schemas of that version, by topic or `table NAME`."""
    found: Mapping[str, Any] = json.loads((HERE / version / SCHEMAS).read_text())
    return found


def models() -> Mapping[str, type[BaseModel]]:
    """What is written today, by topic or `table NAME`."""
    topics: dict[str, type[BaseModel]] = {topic.name: topic.model for topic in TOPICS}
    # A row of vehicle states is the contract's compiled mirror.
    tables = {
        f"table {table.name}": table.model if issubclass(table.model, BaseModel) else VehicleState for table in TABLES
    }
    return topics | tables


@cache
def schemas() -> dict[str, Any]:
    """The schemas of today."""
    return {place: model.model_json_schema() for place, model in models().items()}
