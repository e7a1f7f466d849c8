"""When a car is read next: on the grid, later than now, spread over the fleet, often when it matters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts.schedule import Block, PlanInputs, PlanReason, Schedule
from streams.contracts.telemetry import Charge, Plug
from streams.contracts.vehicle import Evidence, PlugSession, VehicleState
from streams.domain.polling import PollPolicy, next_poll

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
POLICY = PollPolicy()
FIVE_MINUTES = PollPolicy(grid=timedelta(minutes=5))


def session(minutes_ago: float, **fields: Any) -> PlugSession:
    plugged_at = NOW - timedelta(minutes=minutes_ago)
    given = {"id": "s", "revision": 1, "evidence": Evidence.PLUG_READING} | fields
    return PlugSession(plugged_at=plugged_at, seen_at=plugged_at, **given)


def state(**fields: Any) -> VehicleState:
    return VehicleState(car="a.b", oem="sim", **({"car_time": NOW, "received_time": NOW} | fields))


def schedule(start: float, session_id: str = "s") -> Schedule:
    """A plan with one block of an hour that starts in `start` minutes."""
    begin = NOW + timedelta(minutes=start)
    return Schedule(
        car="a.b", session_id=session_id, revision=1, energy_kwh=1, cost=1, currency="GBP", carbon_g=1,
        objective=1, blocks=(Block(start=begin, end=begin + timedelta(hours=1), energy_kwh=1),),
        reachable=True, shortfall_kwh=0, reason=PlanReason.CHEAPEST, sentence="", inputs=PlanInputs(now=NOW),
    )  # fmt: skip


PLUGGED = {"plug": Plug.PLUGGED, "session": session(60), "at_home": True}
ENDED = session(60, ended_at=NOW, end_evidence=Evidence.TWO_READINGS)
CASES: dict[str, tuple[VehicleState | None, bool, timedelta, str]] = {
    "never read": (None, False, POLICY.after_change, "after_change"),
    "away": (state(at_home=False), False, POLICY.away, "away"),
    "plugged in away": (state(**PLUGGED | {"at_home": False}), False, POLICY.away, "away"),
    "at home": (state(at_home=True), False, POLICY.home_idle, "home_idle"),
    "home unknown": (state(), False, POLICY.home_idle, "home_idle"),
    "unplugged": (state(at_home=True, session=ENDED), False, POLICY.home_idle, "home_idle"),
    "just plugged in": (state(session=session(5)), False, POLICY.after_change, "after_change"),
    "plugged in a while ago": (state(**PLUGGED), False, POLICY.plugged_waiting, "plugged_waiting"),
    "maybe unplugged": (
        state(**PLUGGED, unplug_suspected_at=NOW), False, POLICY.after_change, "after_change",
    ),
    "charging": (state(**PLUGGED, charge=Charge.CHARGING), False, POLICY.charging, "charging"),
    "a command waits for proof": (state(**PLUGGED), True, POLICY.command_pending, "command_pending"),
}  # fmt: skip


@pytest.mark.parametrize(("known", "pending", "interval", "reason"), CASES.values(), ids=CASES)
def test_how_soon_a_car_is_read(known: VehicleState | None, pending: bool, interval: timedelta, reason: str) -> None:
    instant, why = next_poll("a.b", known, None, pending, NOW, POLICY)
    again, _ = next_poll("a.b", known, None, pending, instant, POLICY)
    assert why == reason
    assert NOW < instant <= NOW + interval
    assert again - instant == interval


EDGES: dict[str, tuple[Schedule | None, str]] = {
    "a block begins soon": (schedule(2), "block_edge"),
    "a block ends soon": (schedule(-58), "block_edge"),
    "a block of another session": (schedule(2, "old"), "plugged_waiting"),
    "a block begins much later": (schedule(300), "plugged_waiting"),
    "no plan": (None, "plugged_waiting"),
}


@pytest.mark.parametrize(("plan", "reason"), EDGES.values(), ids=EDGES)
def test_a_car_is_read_soon_after_the_edge_of_a_block(plan: Schedule | None, reason: str) -> None:
    policy = PollPolicy(plugged_waiting=timedelta(hours=1))
    car = next(
        f"a.{number}"
        for number in range(99)
        if next_poll(f"a.{number}", state(**PLUGGED), None, False, NOW, policy)[0] > NOW + timedelta(minutes=9)
    )
    instant, why = next_poll(car, state(**PLUGGED), plan, False, NOW, policy)
    assert why == reason
    if reason == "block_edge":
        assert instant == NOW + timedelta(minutes=2) + policy.command_pending


def test_a_fleet_is_spread_over_the_interval() -> None:
    instants = {next_poll(f"a.{number}", state(), None, False, NOW, POLICY)[0] for number in range(300)}
    assert len(instants) > 200
    assert max(instants) - min(instants) > POLICY.home_idle * 0.9


@given(
    st.integers(0, 10**9),
    st.sampled_from([POLICY, FIVE_MINUTES]),
    st.sampled_from(sorted(CASES)),
    st.none() | st.integers(-70, 70),
    st.integers(0, 999),
)
def test_every_read_is_later_than_now_and_on_the_grid(
    seconds: int, policy: PollPolicy, case: str, start: int | None, car: int
) -> None:
    now = EPOCH + timedelta(seconds=seconds, microseconds=seconds % 7)
    known, pending, _, _ = CASES[case]
    plan = None if start is None else schedule(start)
    instant, reason = next_poll(f"a.{car}", known, plan, pending, now, policy)
    assert instant > now
    assert (instant - EPOCH) % policy.grid == timedelta(0)
    assert next_poll(f"a.{car}", known, plan, pending, now, policy) == (instant, reason)
