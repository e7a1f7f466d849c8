"""Edges of a plug session are announced once, whatever was seen in between."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts.plug_event import PlugEvent, PlugEventKind
from streams.contracts.telemetry import Plug
from streams.contracts.vehicle import Evidence, PlugSession, VehicleState
from streams.domain.ids import stable_id
from streams.domain.plug_events import edges
from streams.domain.vehicle import fold
from streams.hot import TelemetryRow, VehicleRow, encode_vehicle

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
IN, OUT, CORRECTED = PlugEventKind.PLUGGED_IN, PlugEventKind.UNPLUGGED, PlugEventKind.SESSION_CORRECTED


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def session(name: str, minutes: float, **fields: Any) -> PlugSession:
    given = {"revision": 1, "evidence": Evidence.PLUG_READING, "soc_pct": 50} | fields
    return PlugSession(id=name, plugged_at=at(minutes), seen_at=at(minutes + 1), **given)


def state(current: PlugSession | None) -> VehicleState:
    return VehicleState(
        car="a.b",
        oem="sim",
        soc_pct=60,
        at_home=True,
        car_time=at(99),
        received_time=at(100),
        session=current,
    )


def ended(minutes: float, **fields: Any) -> dict[str, Any]:
    return {"ended_at": at(minutes), "end_evidence": Evidence.TWO_READINGS} | fields


A, B = session("A", 0), session("B", 60)
A_ENDED = session("A", 0, **ended(30))
CASES: dict[str, tuple[PlugSession | None, PlugSession | None, list[tuple[PlugEventKind, str, datetime]]]] = {
    "never plugged in": (None, None, []),
    "plugged in": (None, A, [(IN, "A", at(0))]),
    "announced": (A, A, []),
    "unplugged": (A, A_ENDED, [(OUT, "A", at(30))]),
    "end announced": (A_ENDED, A_ENDED, []),
    "next session": (A_ENDED, B, [(IN, "B", at(60))]),
    "the end was never seen": (A, B, [(OUT, "A", at(60)), (IN, "B", at(60))]),
    "nothing was seen": (None, A_ENDED, [(IN, "A", at(0)), (OUT, "A", at(30))]),
    "a whole session was missed": (
        A, session("C", 90, **ended(95)), [(OUT, "A", at(90)), (IN, "C", at(90)), (OUT, "C", at(95))],
    ),
    "corrected": (A, session("A", -3, revision=2), [(CORRECTED, "A", at(-3))]),
    "replugged": (A_ENDED, session("A", 0, revision=2), [(CORRECTED, "A", at(0))]),
    "replugged and unplugged again": (
        A_ENDED, session("A", 0, revision=2, **ended(50)), [(CORRECTED, "A", at(0)), (OUT, "A", at(50))],
    ),
    "a correction already announced": (session("A", -3, revision=2), session("A", -3, revision=2), []),
    "only the state of charge came": (A, session("A", 0, soc_pct=51), []),
}  # fmt: skip


@pytest.mark.parametrize(("before", "current", "expected"), CASES.values(), ids=CASES)
def test_what_is_announced(
    before: PlugSession | None,
    current: PlugSession | None,
    expected: list[tuple[PlugEventKind, str, datetime]],
) -> None:
    events = edges(before, state(current))
    assert [(event.kind, event.session_id, event.at) for event in events] == expected
    assert edges(before, state(current)) == events


def test_an_event_tells_its_evidence_and_is_named_after_its_facts() -> None:
    (event,) = edges(None, state(session("A", 0, evidence=Evidence.CHARGING)))
    assert event.id == stable_id("a.b", "A", IN, 1)
    assert (event.evidence, event.soc_pct, event.at_home) == (Evidence.CHARGING, 50, True)
    assert (event.observed_at, event.session_revision) == (at(1), 1)
    assert event.confidence > edges(None, state(A))[0].confidence


def test_an_end_known_only_from_a_hidden_trip_says_so() -> None:
    out, _ = edges(A, state(session("B", 60, evidence=Evidence.MOVED)))
    assert (out.evidence, out.soc_pct, out.observed_at) == (Evidence.MOVED, 60, at(100))


STEPS = st.lists(st.tuples(st.integers(1, 30), st.sampled_from(Plug), st.booleans()), min_size=1, max_size=40)


@given(STEPS)
def test_events_alternate_and_never_repeat_however_seldom_one_looks(
    steps: list[tuple[int, Plug, bool]],
) -> None:
    events: list[PlugEvent] = []
    row: VehicleRow | None = None
    announced: PlugSession | None = None
    minutes = 0
    for step, plug, looks in steps:
        minutes += step
        row = fold(row, TelemetryRow(car="a.b", oem="sim", plug=plug, received_time=at(minutes)))
        if looks:
            now = VehicleState.model_validate_json(encode_vehicle(row))
            events += edges(announced, now)
            announced = now.session
    assert len({event.id for event in events}) == len(events)
    plugged: str | None = None
    started: list[str] = []
    for event in events:
        if event.kind is IN:
            assert plugged is None
            assert event.session_id not in started
            started.append(event.session_id)
        else:
            assert event.session_id == started[-1]
            assert event.kind is CORRECTED or plugged is not None
        plugged = None if event.kind is OUT else event.session_id
