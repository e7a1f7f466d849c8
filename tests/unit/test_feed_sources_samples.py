"""Every recorded answer is read to asserted values, or refused with an asserted reason; none is left out."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agents.feeds import source as ends
from agents.feeds.source import Answer, Curve
from agents.feeds.sources import SOURCES
from streams.contracts.forecast import Slot

TESTS = Path(__file__).parents[1]
DATA = TESTS / "data" / "feeds"
CASES: list[dict[str, Any]] = json.loads((TESTS / "cases" / "feeds" / "samples.json").read_text(encoding="utf-8"))


def named(case: dict[str, Any]) -> str:
    return "-".join([Path(case["file"]).name, case["source"], *case["params"].values()])


def read(case: dict[str, Any]) -> Curve:
    source = SOURCES[case["source"]]
    return source.parse(Answer((DATA / case["file"]).read_bytes()), source.asked(case["params"]))


def at(slot: datetime) -> str:
    return f"{slot:%Y-%m-%dT%H:%MZ}"


def told(curve: Curve) -> dict[str, Any]:
    values = [slot.value for slot in curve.slots]
    middle: Slot = curve.slots[len(values) // 2]
    return {
        "unit": curve.unit,
        "count": len(values),
        "start": at(curve.slots[0].start),
        "end": at(curve.slots[-1].end),
        "first": values[0],
        "last": values[-1],
        "min": min(values),
        "max": max(values),
        "middle": [at(middle.start), middle.value],
        "total": round(sum(values), 6),
        "basis": curve.basis,
        "issued_at": f"{curve.issued_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if curve.issued_at else None,
        "final": curve.final,
        "notes": list(curve.notes),
    }


def test_nothing_recorded_is_unaccounted_for() -> None:
    recorded = {str(path.relative_to(DATA)) for folder in ("prices", "carbon") for path in (DATA / folder).iterdir()}
    assert recorded == {case["file"] for case in CASES}


@pytest.mark.parametrize("case", [case for case in CASES if "expect" in case], ids=named)
def test_a_recorded_answer_is_read_to_its_values(case: dict[str, Any]) -> None:
    silent: dict[str, Any] = {"basis": None, "issued_at": None, "final": True, "notes": []}
    assert told(read(case)) == {**silent, **case["expect"]}


@pytest.mark.parametrize("case", [case for case in CASES if "error" in case], ids=named)
def test_a_recorded_answer_is_refused_for_its_reason(case: dict[str, Any]) -> None:
    with pytest.raises(getattr(ends, case["error"])) as trouble:
        read(case)
    assert case["why"] in str(trouble.value)
    assert type(trouble.value).__name__ == case["error"]


def test_two_files_of_the_same_rates_tell_the_same() -> None:
    params = {"vat": "exc"}
    table = SOURCES["recorded-prices"]
    csv = table.parse(Answer((DATA / "prices/gb_agile_dst_2026-03-28.csv").read_bytes()), table.asked(params))
    octopus = SOURCES["octopus"]
    asked = octopus.asked({**params, "product": "P", "tariff": "T"})
    assert octopus.parse(Answer((DATA / "prices/gb_agile_dst_2026-03-28.json").read_bytes()), asked) == csv
