"""`d2ev plan`: a line in, a line out, in order; what is wrong is named, and the rest goes on."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.plan_lines import answer
from tests.command_line import Ran, run

CASES = Path(__file__).parents[1] / "cases"
PLANS = json.loads((CASES / "plan_lines.json").read_text())
ERRORS = json.loads((CASES / "plan_lines_errors.json").read_text())
FIELDS = [
    "id", "blocks", "energy_kwh", "cost", "carbon_g", "objective", "reachable", "shortfall_kwh", "expected_soc_pct",
    "ready_at", "known_until", "provisional", "reason",
]  # fmt: skip
Capture = pytest.CaptureFixture[str]


def line(changes: dict[str, Any] | None = None, drop: list[str] | None = None) -> dict[str, Any]:
    """42 % to 80 % of 60 kWh in three half hours and a dozen more of which nothing is known, with changes by path."""
    made: dict[str, Any] = json.loads(json.dumps(PLANS["line"]))
    for path in drop or []:
        *way, last = path.split(".")
        del _down(made, way)[last]
    for path, value in (changes or {}).items():
        *way, last = path.split(".")
        into = _down(made, way)
        into[int(last) if isinstance(into, list) else last] = value
    return made


def _down(into: Any, way: list[str]) -> Any:
    for step in way:
        into = into[int(step)] if isinstance(into, list) else into[step]
    return into


def answered(changes: dict[str, Any]) -> dict[str, Any]:
    """What `d2ev plan` would print for a line, back from JSON."""
    import msgspec

    back: dict[str, Any] = json.loads(msgspec.json.encode(answer(json.dumps(line(changes)).encode(), 1)))
    return back


def plan_of(capsys: Capture, monkeypatch: pytest.MonkeyPatch, text: str | bytes) -> Ran:
    """`d2ev plan` with this on stdin."""
    raw = text if isinstance(text, bytes) else text.encode()
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(raw)))
    return run(capsys, "plan")


@pytest.mark.parametrize("case", [pytest.param(case, id=case["says"]) for case in PLANS["cases"]])
def test_a_plan_reads_as_it_should(case: dict[str, Any]) -> None:
    made = answered(case["set"])
    assert list(made) == FIELDS
    assert {name: made[name] for name in case["gives"]} == case["gives"]


@pytest.mark.parametrize("case", [pytest.param(case, id=case["says"]) for case in ERRORS])
def test_what_is_wrong_is_named_with_its_value_and_the_remedy(case: dict[str, Any]) -> None:
    said = answer(json.dumps(line(case.get("set"), case.get("drop"))).encode(), 3)
    assert said == {
        "id": case.get("id", "a"), "error": case["error"], "line": 3, "field": case["field"], "value": case["value"]
    }  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "field", "value", "error"),
    [
        (b"nope", None, "nope", "line 1: nope is not JSON: invalid character (byte 4)"),
        (b'{"id": "a"', None, '{"id": "a"', 'line 1: {"id": "a" is not JSON: Input data was truncated'),
        (b"[1, 2]", None, [1, 2], "line 1: [1, 2] does not fit; give an object"),
        (b'"\xff"', None, '"\ufffd"', None),
        (b"[" * 100_000, None, "[" * 120 + " …", None),
    ],
    ids=["words", "cut off", "a list", "no UTF-8", "too deep"],
)
def test_a_line_that_is_no_object_is_said_to_be_none(raw: bytes, field: None, value: Any, error: str | None) -> None:
    said = answer(raw, 1)
    assert (said["id"], said["field"], said["value"]) == (None, field, value)
    assert error is None or said["error"] == error


@pytest.mark.parametrize(("number", "value"), [("NaN", "NaN"), ("-Infinity", "-Infinity"), ("1e999", "Infinity")])
def test_numbers_that_are_none_are_named(number: str, value: str) -> None:
    raw = json.dumps(line({"vehicle.power_kw": 7.125})).replace("7.125", number).encode()
    said = answer(raw, 1)
    assert (said["id"], said["field"], said["value"]) == ("a", "vehicle.power_kw", value)
    assert said["error"] == f"line 1: vehicle.power_kw: {value} is no number; give more than 0, up to 1000"


def test_bad_lines_are_answered_in_their_place_and_the_rest_goes_on(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = json.dumps(line({"id": 7})), json.dumps(line({"vehicle.soc_pct": 142}))
    ended = plan_of(capsys, monkeypatch, f"{good}\n\n{bad}\nnope\n  \n{good}")
    rows = [json.loads(row) for row in ended.out.splitlines()]
    assert [row.get("line") for row in rows] == [None, 3, 4, None]
    assert [row["id"] for row in rows] == [7, "a", None, 7]
    assert rows[0] == rows[3]
    assert (ended.code, ended.err) == (2, "d2ev: 2 of 4 lines could not be planned\n")


def test_no_lines_no_answers(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    assert plan_of(capsys, monkeypatch, "\n") == Ran(0, "", "")


def test_a_line_is_answered_before_the_next_is_asked_for() -> None:
    command = [sys.executable, "-m", "deploy.cli", "plan"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for name in ("a", "b"):
            process.stdin.write(json.dumps(line({"id": name})) + "\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["id"] == name
        process.stdin.close()
        assert process.wait(30) == 0


def test_a_reader_that_has_seen_enough_is_no_trouble(tmp_path: Path) -> None:
    lines = tmp_path / "lines.jsonl"
    lines.write_text((json.dumps(line()) + "\n") * 500)
    command = [sys.executable, "-m", "deploy.cli", "plan"]
    with (
        lines.open() as given,
        subprocess.Popen(command, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process,
    ):
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 0


def test_a_curve_is_never_taken_for_another() -> None:
    """Slots that were seen are kept prepared: by their bytes and by the carbon price."""
    first = answered({})
    assert answered({"policy": {"carbon_price_per_tonne": 900}}) != first
    assert answered({"slots.0.price_per_kwh": 0.01}) != first
    assert answered({}) == first


def test_an_offset_is_the_same_instant() -> None:
    moved = {"now": "2023-05-14T19:10:00+02:00", "ready_by": "2023-05-15T08:00:00+02:00"}
    assert answered({**moved, "slots.4.end": "2023-05-15T08:30:00+02:00"}) == answered({})


START = datetime(2023, 5, 14, 17, tzinfo=UTC)


@given(
    soc=st.none() | st.floats(0, 100),
    target=st.floats(0, 100),
    least=st.floats(0, 100),
    power=st.floats(0.5, 50),
    usable=st.floats(1, 120),
    minutes=st.integers(-600, 3000),
    count=st.integers(0, 40),
    first=st.integers(-20, 10),
    prices=st.lists(st.floats(-1, 3), min_size=1, max_size=6),
    policy=st.fixed_dictionaries(
        {},
        optional={
            "max_blocks": st.integers(1, 4),
            "start_penalty": st.floats(0, 2),
            "min_block_minutes": st.integers(0, 60),
            "min_pause_minutes": st.integers(0, 60),
            "edge_delay_seconds": st.integers(0, 1800),
            "margin_minutes": st.integers(0, 60),
        },
    ),
    charging=st.booleans(),
)
def test_whatever_is_asked_there_is_a_plan_that_adds_up(
    soc: float | None, target: float, least: float, power: float, usable: float, minutes: int, count: int, first: int,
    prices: list[float], policy: dict[str, Any], charging: bool,
) -> None:  # fmt: skip
    begin = START + timedelta(minutes=30 * first)
    slots = [
        {
            "start": (begin + timedelta(minutes=30 * i)).isoformat(),
            "end": (begin + timedelta(minutes=30 * i + 30)).isoformat(),
            "price_per_kwh": prices[i % len(prices)],
        }
        for i in range(count)
    ]
    vehicle = {
        "soc_pct": soc, "target_soc_pct": target, "min_soc_pct": least, "usable_kwh": usable, "power_kw": power,
        "charging_now": charging,
    }  # fmt: skip
    ready_by = START + timedelta(minutes=minutes)
    asked = {"id": 1, "now": START.isoformat(), "ready_by": ready_by.isoformat(), "slots": slots}
    made = answer(json.dumps({**asked, "vehicle": vehicle, "policy": policy}).encode(), 1)
    assert list(made) == FIELDS
    need = max(0.0, target - (soc or 0)) / 100 * usable / 0.9
    room = max(0, minutes) / 60 * power
    assert made["shortfall_kwh"] == pytest.approx(max(0, need - room), abs=1e-5)
    assert made["reachable"] == (made["shortfall_kwh"] == 0)
    assert sum(b["energy_kwh"] for b in made["blocks"]) == pytest.approx(made["energy_kwh"], abs=1e-5)
    assert made["energy_kwh"] == pytest.approx(min(need, room) if room else need, abs=1e-5)
    assert bool(made["blocks"]) == (need * 3.6e9 / power >= 0.5), "never no plan"
    assert all(b["start"] >= START and b["start"] < b["end"] for b in made["blocks"])
    assert room == 0 or all(b["end"] <= ready_by for b in made["blocks"])
    if soc is None:
        assert made["expected_soc_pct"] is None
        assert not made["blocks"] or made["blocks"][0]["start"] == START
    elif made["reachable"]:
        assert made["expected_soc_pct"] == pytest.approx(max(soc, target), abs=1e-4)
    assert (made["cost"] is None) == (not slots and bool(made["blocks"])), "no price is not a price of 0"
