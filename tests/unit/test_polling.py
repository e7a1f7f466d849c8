"""When a car is read next, and what for: on the grid, later than now, spread over the fleet, often when it matters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts.command import Action, CommandEvent, CommandPhase
from streams.contracts.schedule import Block, PlanInputs, PlanReason, Schedule
from streams.contracts.telemetry import Charge, Plug
from streams.contracts.vehicle import Evidence, PlugSession, VehicleState
from streams.domain.habit import Habit, look_interval
from streams.domain.polling import PollPolicy, Worth, next_poll, worth
from streams.domain.watched import Watched, observe_command, observe_schedule, observe_state

NOW = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)  # a Monday night, in which nobody plugs in
EVENING = NOW.replace(hour=17)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOME = ZoneInfo("Europe/London")
POLICY = PollPolicy()
FIVE_MINUTES = PollPolicy(grid=timedelta(minutes=5))


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def session(minutes_ago: float, **fields: Any) -> PlugSession:
    plugged_at = NOW - minutes(minutes_ago)
    given = {"id": "s", "revision": 1, "evidence": Evidence.PLUG_READING, "soc_pct": 40.0} | fields
    return PlugSession(plugged_at=plugged_at, seen_at=plugged_at, **given)


def seen(watched: Watched = Watched(), **fields: Any) -> Watched:  # noqa: B008 - frozen
    state = VehicleState(car="a.b", oem="sim", **({"car_time": NOW, "received_time": NOW} | fields))
    return observe_state(watched, state, HOME)


def planned(watched: Watched, start: float, session_id: str = "s") -> Watched:
    """A plan with one block of an hour that starts in `start` minutes."""
    begin = NOW + minutes(start)
    schedule = Schedule(
        car="a.b", session_id=session_id, revision=1, energy_kwh=1, cost=1, currency="GBP", carbon_g=1,
        objective=1, blocks=(Block(start=begin, end=begin + timedelta(hours=1), energy_kwh=1),),
        reachable=True, shortfall_kwh=0, reason=PlanReason.CHEAPEST, sentence="", inputs=PlanInputs(now=NOW),
    )  # fmt: skip
    return observe_schedule(watched, schedule)


def command(phase: CommandPhase, action: Action = Action.STOP) -> CommandEvent:
    return CommandEvent(
        id="c", car="a.b", session_id="s", plan_revision=1, action=action, phase=phase, at=NOW, decided_at=NOW,
        not_after=NOW, reason="",
    )  # fmt: skip


PLUGGED = seen(plug=Plug.PLUGGED, session=session(60), at_home=True)
CHARGING = seen(plug=Plug.PLUGGED, session=session(60), at_home=True, charge=Charge.CHARGING)
ENDED = session(60, ended_at=NOW, end_evidence=Evidence.TWO_READINGS)
STOPPED = command(CommandPhase.CONFIRMED)
CASES: dict[str, tuple[Watched, Worth, timedelta]] = {
    "never read": (Watched(), Worth.NEW_SESSION, POLICY.after_change),
    "plugged in away": (seen(session=session(60), at_home=False), Worth.AWAY, POLICY.plugged_waiting),
    "just plugged in": (seen(session=session(5)), Worth.NEW_SESSION, POLICY.after_change),
    "just stopped, but how full is it?": (
        observe_command(seen(session=session(5, soc_pct=None)), STOPPED), Worth.NEW_SESSION, POLICY.after_change,
    ),
    "just stopped": (observe_command(seen(session=session(5)), STOPPED), Worth.WAITING, POLICY.plugged_waiting),
    "plugged in a while ago": (PLUGGED, Worth.WAITING, POLICY.plugged_waiting),
    "maybe unplugged": (
        seen(session=session(60), unplug_suspected_at=NOW), Worth.NEW_SESSION, POLICY.after_change,
    ),
    "charging": (CHARGING, Worth.CHARGING, POLICY.charging),
    "a command waits for proof": (
        observe_command(PLUGGED, command(CommandPhase.SENT)), Worth.COMMAND_PENDING, POLICY.command_pending,
    ),
    "came home": (seen(seen(at_home=False), at_home=True), Worth.PLUG_IN_LIKELY, POLICY.soonest),
}  # fmt: skip


@pytest.mark.parametrize(("known", "value", "interval"), CASES.values(), ids=CASES)
def test_what_a_reading_is_for_and_how_soon_it_is_made(known: Watched, value: Worth, interval: timedelta) -> None:
    instant = next_poll("a.b", known, NOW, POLICY, HOME)
    assert worth(known, NOW, POLICY, HOME) is value
    assert NOW < instant <= NOW + interval
    # On one's own lattice, so that the instants do not depend on when one asks.
    assert next_poll("a.b", known, instant - timedelta(microseconds=1), POLICY, HOME) == instant


@pytest.mark.parametrize(
    ("known", "at", "value"),
    [
        (seen(at_home=True), NOW, Worth.IDLE),
        (seen(), NOW, Worth.IDLE),
        (seen(at_home=False), NOW, Worth.AWAY),
        (seen(at_home=True, session=ENDED), NOW, Worth.IDLE),
        (seen(at_home=True), EVENING, Worth.PLUG_IN_LIKELY),
        (seen(at_home=False), EVENING, Worth.PLUG_IN_LIKELY),
    ],
)
def test_a_car_without_a_cable_is_looked_for_when_it_is_plugged_in_as_a_rule(
    known: Watched, at: datetime, value: Worth
) -> None:
    assert worth(known, at, POLICY, HOME) is value
    due = next_poll("a.b", known, at, POLICY, HOME)
    assert at < due <= at + (POLICY.idle if value is Worth.PLUG_IN_LIKELY else POLICY.rarest)


def test_a_rare_look_does_not_reach_into_the_hours_of_close_ones() -> None:
    policy = PollPolicy(idle=minutes(60), rarest=timedelta(hours=9))
    known = seen(at_home=True).model_copy(update={"habit": Habit(working_days=(36,) * 20)})
    close = look_interval(known.habit, six := NOW.replace(hour=18), HOME, policy.idle)
    assert close < minutes(20)
    for number in range(50):
        due = NOW.replace(hour=9)
        while due < six:
            due = next_poll(f"a.{number}", known, due, policy, HOME)
        assert due <= six + close


EDGES: dict[str, tuple[Watched, Worth, float | None]] = {
    "a block begins in ten minutes": (planned(PLUGGED, 10), Worth.WAITING, 8),
    "a block begins now": (planned(PLUGGED, 1), Worth.SLOT_EDGE, 1.5),
    "a block ends now": (planned(CHARGING, -59), Worth.SLOT_EDGE, 1.5),
    "the target is near": (planned(CHARGING, -52), Worth.TARGET_NEAR, 6),
    "a block of another session": (planned(PLUGGED, 10, "old"), Worth.WAITING, None),
    "a block begins much later": (planned(PLUGGED, 300), Worth.WAITING, None),
}


@pytest.mark.parametrize(("known", "value", "soon"), EDGES.values(), ids=EDGES)
def test_a_car_is_read_before_and_after_the_edge_of_a_block(known: Watched, value: Worth, soon: float | None) -> None:
    policy = PollPolicy(plugged_waiting=timedelta(hours=9), charging=timedelta(hours=9))
    assert worth(known, NOW, policy, HOME) is value
    car = next(f"a.{n}" for n in range(99) if next_poll(f"a.{n}", PLUGGED, NOW, policy, HOME) > NOW + minutes(60))
    due = next_poll(car, known, NOW, policy, HOME)
    assert due == NOW + minutes(soon) if soon is not None else due > NOW + minutes(60)


def test_a_burst_ends_when_its_time_is_over() -> None:
    known = seen(session=session(0, soc_pct=None))
    assert worth(known, NOW + POLICY.burst - minutes(1), POLICY, HOME) is Worth.NEW_SESSION
    assert worth(known, NOW + POLICY.burst, POLICY, HOME) is Worth.WAITING


def test_a_reading_with_nothing_that_matters_changes_nothing() -> None:
    later = {"car_time": NOW + minutes(5), "received_time": NOW + minutes(6), "soc_pct": 41.0, "power_kw": 7.1}
    assert (
        seen(CHARGING, plug=Plug.PLUGGED, session=session(60), at_home=True, charge=Charge.CHARGING, **later)
        is CHARGING
    )
    assert planned(planned(PLUGGED, 10), 10) == planned(PLUGGED, 10)


def test_a_plug_in_away_from_home_teaches_no_habit() -> None:
    assert seen(session=session(0), at_home=False).habit == Watched().habit
    assert seen(session=session(0), at_home=True).habit.working_days == (6,)


def test_a_fleet_is_spread_over_the_interval() -> None:
    instants = {next_poll(f"a.{number}", PLUGGED, NOW, POLICY, HOME) for number in range(300)}
    assert len(instants) > 200
    assert max(instants) - min(instants) > POLICY.plugged_waiting * 0.9


@given(
    st.integers(0, 10**9),
    st.sampled_from([POLICY, FIVE_MINUTES, PollPolicy(idle=timedelta(hours=1), rarest=timedelta(hours=3))]),
    st.sampled_from(sorted(CASES)),
    st.none() | st.integers(-70, 70),
    st.integers(0, 999),
)
def test_every_read_is_later_than_now_on_the_grid_and_not_too_late(
    seconds: int, policy: PollPolicy, case: str, start: int | None, car: int
) -> None:
    now = EPOCH + timedelta(seconds=seconds, microseconds=seconds % 7)
    known = CASES[case][0] if start is None else planned(CASES[case][0], start)
    instant = next_poll(f"a.{car}", known, now, policy, HOME)
    assert now < instant <= now + policy.rarest + policy.plugged_waiting
    assert (instant - EPOCH) % policy.grid == timedelta(0)
