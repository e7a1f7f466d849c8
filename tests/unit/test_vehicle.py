"""One state and the same plug sessions from readings in any order, however often they come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts.telemetry import Charge, Plug
from streams.contracts.vehicle import Evidence
from streams.domain.ids import stable_id
from streams.domain.vehicle import fold, sample_time
from streams.hot import SessionRow, TelemetryRow, VehicleRow

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
P, U, Q = Plug.PLUGGED, Plug.UNPLUGGED, Plug.UNKNOWN


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def reading(minutes: float, plug: Plug = Q, **fields: Any) -> TelemetryRow:
    given = {"car_time": at(minutes), "received_time": at(minutes + 0.5)} | fields
    return TelemetryRow(car="acc.v1", oem="sim", plug=plug, **given)


def folded(*readings: TelemetryRow, state: VehicleRow | None = None) -> VehicleRow:
    for each in readings:
        state = fold(state, each)
    assert state is not None
    return state


def session_of(state: VehicleRow) -> SessionRow:
    assert state.session is not None
    return state.session


def is_open(state: VehicleRow) -> bool:
    return state.session is not None and state.session.ended_at is None


TIMES = {
    "the car's own": ({"car_time": at(0), "received_time": at(3)}, at(0)),
    "ours when it gave none": ({"car_time": None, "received_time": at(3)}, at(3)),
    "ours when its clock is ahead": ({"car_time": at(9), "received_time": at(3)}, at(3)),
}


@pytest.mark.parametrize(("fields", "expected"), TIMES.values(), ids=TIMES)
def test_the_time_of_a_sample(fields: dict[str, Any], expected: datetime) -> None:
    assert sample_time(reading(0, **fields)) == expected


ENDINGS: dict[str, tuple[list[TelemetryRow], bool]] = {
    "one unplugged reading is a suspicion": ([reading(9, U)], True),
    "two samples decide": ([reading(9, U), reading(10, U)], False),
    "an unknown in between changes nothing": ([reading(9, U), reading(10), reading(11, U)], False),
    "a plugged reading in between clears the suspicion": (
        [reading(9, U), reading(10, P), reading(11, U)],
        True,
    ),
    "charging in between clears it too": (
        [reading(9, U), reading(10, U, charge=Charge.CHARGING), reading(11, U)],
        True,
    ),
    "one sample told twice is one": ([reading(9, U), reading(9, U, received_time=at(20))], True),
    "unplugged and moved": ([reading(9, U, odometer_km=102.0)], False),
    "unplugged and gone": ([reading(9, U, at_home=False)], False),
    "a rounding odometer is no movement": ([reading(9, U, odometer_km=100.4)], True),
    "unknown never ends it": ([reading(minutes) for minutes in range(9, 99)], True),
    "away with an unknown plug is not unplugged": ([reading(9, at_home=False)], True),
    "a trip ends it whatever the plug word": ([reading(9, odometer_km=120.0, soc_pct=40)], False),
    "a fault is not unplugged": (
        [reading(9, charge=Charge.FAULT), reading(10, charge=Charge.NO_POWER)],
        True,
    ),
}


@pytest.mark.parametrize(("readings", "still_open"), ENDINGS.values(), ids=ENDINGS)
def test_what_ends_a_session(readings: list[TelemetryRow], still_open: bool) -> None:
    start = folded(reading(0, P, soc_pct=50, odometer_km=100.0, at_home=True))
    after = folded(*readings, state=start)
    assert is_open(after) is still_open
    assert (after.plug is P) is still_open
    assert session_of(after).id == session_of(start).id


def test_a_session_that_two_readings_ended_ended_at_the_first_of_them() -> None:
    session = session_of(folded(reading(0, P), reading(9, U), reading(10, U)))
    assert (session.ended_at, session.end_evidence) == (at(9), Evidence.TWO_READINGS)


BEGINNINGS: dict[str, tuple[TelemetryRow, Evidence | None]] = {
    "plugged": (reading(0, P), Evidence.PLUG_READING),
    "charging proves it": (reading(0, Q, charge=Charge.CHARGING), Evidence.CHARGING),
    "starting proves it": (reading(0, Q, charge=Charge.STARTING), Evidence.CHARGING),
    "charging outweighs the plug word": (reading(0, U, charge=Charge.CHARGING), Evidence.CHARGING),
    "complete does not": (reading(0, Q, charge=Charge.COMPLETE), None),
    "unplugged": (reading(0, U), None),
    "unknown": (reading(0, Q), None),
}


@pytest.mark.parametrize("seen_before", [True, False], ids=["known car", "first reading"])
@pytest.mark.parametrize(("first", "evidence"), BEGINNINGS.values(), ids=BEGINNINGS)
def test_what_begins_a_session(first: TelemetryRow, evidence: Evidence | None, seen_before: bool) -> None:
    state = fold(folded(reading(-30, U)) if seen_before else None, first)
    if evidence is None:
        assert state.session is None
    else:
        session = session_of(state)
        assert (session.id, session.plugged_at, session.evidence, session.revision) == (
            stable_id("acc.v1", at(0)), at(0), evidence, 1,
        )  # fmt: skip


REPLUGS: dict[str, tuple[list[TelemetryRow], bool]] = {
    "within five minutes": ([reading(10, U), reading(11, U), reading(14, P)], True),
    "later": ([reading(10, U), reading(11, U), reading(15.5, P)], False),
    "within five minutes, but moved": ([reading(10, U, odometer_km=103.0), reading(14, P)], False),
    "a hidden trip": ([reading(60, P, odometer_km=110.0, soc_pct=45)], False),
    "an odometer that answers late": ([reading(60, P, odometer_km=110.0, soc_pct=55)], True),
    "a falling state of charge without movement": ([reading(60, P, odometer_km=100.0, soc_pct=45)], True),
}


@pytest.mark.parametrize(("readings", "same"), REPLUGS.values(), ids=REPLUGS)
def test_when_a_plug_in_continues_the_session(readings: list[TelemetryRow], same: bool) -> None:
    start = folded(reading(0, P, soc_pct=50, odometer_km=100.0))
    after = folded(*readings, state=start)
    assert is_open(after)
    assert (session_of(after).id == session_of(start).id) is same


def test_a_replugged_session_is_corrected_not_new() -> None:
    session = session_of(folded(reading(0, P), reading(10, U), reading(11, U), reading(14, P)))
    assert (session.revision, session.evidence, session.plugged_at) == (2, Evidence.REPLUGGED, at(0))


LATE: dict[str, tuple[float, datetime, int]] = {
    "four minutes before": (6, at(6), 2),
    "five minutes before": (5, at(10), 1),
    "hours before": (-200, at(10), 1),
    "after the beginning": (11, at(10), 1),
}


@pytest.mark.parametrize(("minutes", "plugged_at", "revision"), LATE.values(), ids=LATE)
def test_a_late_plugged_reading_only_moves_the_beginning_back(
    minutes: float, plugged_at: datetime, revision: int
) -> None:
    before = folded(reading(0, U), reading(10, P), reading(12, P))
    session = session_of(fold(before, reading(minutes, P)))
    assert (session.plugged_at, session.revision) == (plugged_at, revision)
    assert session.id == session_of(before).id


def test_a_reading_from_before_a_hidden_trip_never_corrects_the_session_after_it() -> None:
    first = reading(0, P, soc_pct=50, odometer_km=100.0)
    state = folded(first, reading(3, P, soc_pct=48, odometer_km=104.0))
    assert session_of(fold(state, first)) == session_of(state)


def test_a_late_unplugged_reading_changes_no_session() -> None:
    state = folded(reading(0, P), reading(30, P))
    late = [reading(10, U), reading(11, U, odometer_km=9.0)]
    assert is_open(folded(*late, state=state))
    assert folded(*late, state=state).unplug_suspected_at is None


def test_silence_never_overwrites_what_is_known() -> None:
    known = reading(0, P, soc_pct=50, limit_pct=80, odometer_km=10.0, at_home=True, charge=Charge.IDLE)
    state = folded(known, reading(5))
    assert (state.soc_pct, state.soc_time, state.limit_pct) == (50, at(0), 80)
    assert (state.odometer_km, state.at_home, state.plug, state.charge) == (10.0, True, P, Charge.IDLE)
    assert state.car_time == at(5)


def test_a_late_reading_says_only_what_no_newer_one_said() -> None:
    state = folded(reading(0, P, soc_pct=50), reading(10, P, charge=Charge.IDLE, at_home=True))
    late = reading(5, U, soc_pct=55, limit_pct=80, at_home=False, charge=Charge.CHARGING)
    after = fold(state, late)
    assert (after.soc_pct, after.soc_time, after.limit_pct) == (55, at(5), 80)
    assert (after.at_home, after.charge, after.plug, after.car_time) == (True, Charge.IDLE, P, at(10))


POWER: dict[str, tuple[TelemetryRow, Charge, float | None]] = {
    "kept while the word stays": (reading(5, charge=Charge.CHARGING), Charge.CHARGING, 7.4),
    "kept in silence": (reading(5), Charge.CHARGING, 7.4),
    "not kept for another word": (reading(5, charge=Charge.IDLE), Charge.IDLE, None),
    "replaced": (reading(5, charge=Charge.CHARGING, power_kw=3.6), Charge.CHARGING, 3.6),
    "neither word nor power outlive the unplug": (reading(5, U, at_home=False), Charge.UNKNOWN, None),
}


@pytest.mark.parametrize(("later", "charge", "power_kw"), POWER.values(), ids=POWER)
def test_power_belongs_to_its_charge_word(later: TelemetryRow, charge: Charge, power_kw: float | None) -> None:
    state = folded(reading(0, P, charge=Charge.CHARGING, power_kw=7.4, at_home=True), later)
    assert (state.charge, state.power_kw) == (charge, power_kw)


def test_the_first_state_of_charge_of_a_session_is_one_sampled_in_it() -> None:
    state = folded(reading(-60, U, soc_pct=70), reading(0, P), reading(5, P, soc_pct=41), reading(9, P, soc_pct=45))
    assert session_of(state).soc_pct == 41


@pytest.mark.parametrize("minutes", [0, -20], ids=["the same", "an older one"])
def test_nothing_new_is_the_very_same_state(minutes: float) -> None:
    old = reading(-20, P, soc_pct=49, limit_pct=80, odometer_km=1.0, at_home=True)
    state = folded(old, reading(0, P, soc_pct=50))
    again = old if minutes else reading(0, P, soc_pct=50, received_time=at(90))
    assert fold(state, again) is state


STAYS = st.lists(st.tuples(st.integers(2, 5), st.integers(2, 5)), min_size=1, max_size=4)


def _days(stays: list[tuple[int, int]]) -> list[list[TelemetryRow]]:
    """Runs of readings with one plug word, ten minutes apart: away, plugged, away, plugged ..."""
    runs, minutes, soc_pct = [], 0.0, 90.0
    for away, plugged in stays:
        for word, count in ((U, away), (P, plugged)):
            run = []
            for _ in range(count):
                minutes, soc_pct = minutes + 10, soc_pct - 1 if word is U else min(soc_pct + 1, 100)
                run.append(reading(minutes, word, soc_pct=soc_pct))
            runs.append(run)
    return runs


def _sessions(readings: list[TelemetryRow]) -> tuple[list[str], VehicleRow]:
    ids: list[str] = []
    state: VehicleRow | None = None
    for each in readings:
        state = fold(state, each)
        if state.session is not None and state.session.id not in ids:
            ids.append(state.session.id)
    assert state is not None
    return ids, state


@st.composite
def _deliveries(draw: st.DrawFn) -> tuple[list[TelemetryRow], list[TelemetryRow]]:
    """A history and a delivery of it: repeats at any later time; late, what makes no edge."""
    runs = _days(draw(STAYS))
    history = [each for run in runs for each in run]
    delivered: list[tuple[float, int, TelemetryRow]] = []
    for run in runs:
        for index, each in enumerate(run):
            place = history.index(each)
            late = draw(st.integers(0, 12)) if index >= 2 else 0
            delays = [late, *draw(st.lists(st.integers(late, 30), max_size=2))]
            delivered += [(place + delay + (0.5 if delay else 0), place, each) for delay in delays]
    return history, [each for _, _, each in sorted(delivered, key=lambda item: item[:2])]


@given(_deliveries())
def test_late_and_repeated_delivery_gives_the_same_sessions(
    case: tuple[list[TelemetryRow], list[TelemetryRow]],
) -> None:
    history, delivered = case
    ids, state = _sessions(history)
    assert _sessions(delivered) == (ids, state)


@given(STAYS)
def test_every_reading_three_times_gives_the_same_state(stays: list[tuple[int, int]]) -> None:
    history = [each for run in _days(stays) for each in run]
    assert _sessions([each for each in history for _ in range(3)]) == _sessions(history)
    assert _sessions(history + history + history) == _sessions(history)


@given(st.permutations([6.0, 7.0, 8.0, 9.0, 10.0]), st.integers(1, 3))
def test_a_shuffled_plug_in_is_one_session_with_the_earliest_beginning(order: list[float], times: int) -> None:
    readings = [reading(minutes, P) for minutes in order]
    ids, state = _sessions([reading(0, U), *readings * times])
    assert len(ids) == 1
    assert session_of(state).plugged_at == at(6)


@given(st.lists(st.tuples(st.integers(0, 40), st.sampled_from(Plug), st.sampled_from(Charge)), min_size=1))
def test_folding_what_was_folded_changes_nothing(history: list[tuple[int, Plug, Charge]]) -> None:
    readings = [reading(minutes, plug, charge=charge) for minutes, plug, charge in history]
    state = folded(*readings)
    assert fold(state, readings[-1]) is state


@given(st.lists(st.tuples(st.integers(1, 6), st.sampled_from(Plug), st.sampled_from(Charge)), min_size=1))
def test_a_replayed_history_gives_the_same_sessions(steps: list[tuple[int, Plug, Charge]]) -> None:
    minutes, history = 0, []
    for step, plug, charge in steps:
        minutes += step
        history.append(reading(minutes, plug, charge=charge))
    assert _sessions(history + history) == _sessions(history)


@given(st.lists(st.sampled_from([Q, P]), min_size=1, max_size=30), st.data())
def test_unknown_plug_and_charge_never_end_a_session(words: list[Plug], data: st.DataObject) -> None:
    state = folded(reading(0, P))
    for minutes, word in enumerate(words, start=1):
        state = fold(state, reading(minutes, word, charge=data.draw(st.sampled_from(Charge))))
    assert is_open(state)


@pytest.mark.parametrize(
    ("readings", "charge", "charge_time"),
    [
        pytest.param([reading(0, P)], Charge.UNKNOWN, None, id="never said"),
        pytest.param([reading(0, P, charge=Charge.CHARGING)], Charge.CHARGING, at(0), id="said at first"),
        pytest.param([reading(0, P, charge=Charge.CHARGING), reading(5, P)], Charge.CHARGING, at(0), id="silent since"),
        pytest.param(
            [reading(0, P, charge=Charge.CHARGING), reading(5, P, charge=Charge.CHARGING)],
            Charge.CHARGING,
            at(5),
            id="said again",
        ),
        pytest.param(
            [reading(0, P, charge=Charge.CHARGING), reading(5, P), reading(9, P, charge=Charge.IDLE)],
            Charge.IDLE,
            at(9),
            id="another word",
        ),
    ],
)
def test_the_word_on_charging_has_an_age_of_its_own(
    readings: list[TelemetryRow], charge: Charge, charge_time: datetime | None
) -> None:
    state = folded(*readings)
    assert (state.charge, state.charge_time) == (charge, charge_time)
    assert state.car_time == readings[-1].car_time


@pytest.mark.parametrize(
    ("readings", "at_home"),
    [
        pytest.param([reading(0, P, at_home=True), reading(5, P)], True, id="it stays where it was plugged in"),
        pytest.param([reading(0, P, at_home=True), reading(5, U), reading(6, U)], None, id="it has left"),
        pytest.param(
            [reading(0, P, at_home=True), reading(5, U), reading(6, U), reading(60, P)], None, id="plugged in somewhere"
        ),
        pytest.param(
            [reading(0, P, at_home=True), reading(5, U), reading(6, U), reading(50, U, at_home=True), reading(60, P)],
            True,
            id="it told that it came back",
        ),
        pytest.param(
            [reading(0, P, at_home=True), reading(5, U), reading(6, U), reading(50, U, at_home=False), reading(60, P)],
            False,
            id="it told that it is elsewhere",
        ),
        pytest.param([reading(0, U, at_home=True), reading(5, P)], True, id="told before the cable"),
    ],
)
def test_where_a_car_is_that_says_it_seldom(readings: list[TelemetryRow], at_home: bool | None) -> None:
    assert folded(*readings).at_home is at_home
