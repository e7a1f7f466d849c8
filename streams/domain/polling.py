"""When to read a car next: often when something may happen, seldom otherwise, never all cars at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from streams.contracts.schedule import Schedule
from streams.contracts.telemetry import Charge
from streams.contracts.vehicle import PlugSession, VehicleState
from streams.domain.ids import spread_seconds

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TICK: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class PollPolicy:
    """Intervals between reads by what the car is doing."""

    away: timedelta = timedelta(minutes=30)
    home_idle: timedelta = timedelta(minutes=10)
    plugged_waiting: timedelta = timedelta(minutes=30)
    charging: timedelta = timedelta(minutes=15)
    #: After a change at the plug, for `burst`: a fresh state of charge is worth most just then.
    after_change: timedelta = timedelta(minutes=1)
    burst: timedelta = timedelta(minutes=10)
    command_pending: timedelta = timedelta(seconds=30)
    #: Reads happen on this grid only; a simulated fleet uses its own step.
    grid: timedelta = timedelta(seconds=1)


def next_poll(
    car: str,
    state: VehicleState | None,
    schedule: Schedule | None,
    command_pending: bool,
    now: datetime,
    policy: PollPolicy,
) -> tuple[datetime, str]:
    """The next instant (later than `now`, on the grid) to read the car, and why."""
    interval, reason = _interval(state, command_pending, now, policy)
    regular = _next_on_lattice(car, interval, now, policy.grid)
    session = open_session(state)
    edge = None if session is None else _edge(schedule, session, now, regular)
    if edge is not None and (soon := _up(edge + policy.command_pending, policy.grid)) < regular:
        return soon, "block_edge"
    return regular, reason


def open_session(state: VehicleState | None) -> PlugSession | None:
    """The plug session that is going on, if any."""
    session = None if state is None else state.session
    return None if session is None or session.ended_at is not None else session


def _interval(
    state: VehicleState | None, command_pending: bool, now: datetime, policy: PollPolicy
) -> tuple[timedelta, str]:
    if command_pending:
        return policy.command_pending, "command_pending"
    if state is None or state.unplug_suspected_at is not None or _changed(state, now, policy):
        return policy.after_change, "after_change"
    if state.at_home is False:
        return policy.away, "away"
    if open_session(state) is None:
        return policy.home_idle, "home_idle"
    if state.charge in {Charge.CHARGING, Charge.STARTING}:
        return policy.charging, "charging"
    return policy.plugged_waiting, "plugged_waiting"


def _changed(state: VehicleState, now: datetime, policy: PollPolicy) -> bool:
    session = open_session(state)
    return session is not None and now < session.seen_at + policy.burst


def _edge(schedule: Schedule | None, session: PlugSession, now: datetime, before: datetime) -> datetime | None:
    """The first start or end of a planned block in (now, before)."""
    if schedule is None or schedule.session_id != session.id:
        return None
    instants = (at for block in schedule.blocks for at in (block.start, block.end))
    return min((at for at in instants if now < at < before), default=None)


def _next_on_lattice(car: str, interval: timedelta, now: datetime, grid: timedelta) -> datetime:
    """The first instant after `now` at a whole number of intervals, plus the car's phase, from the epoch."""
    seconds = max(int(interval.total_seconds()), 1)
    phase = timedelta(seconds=spread_seconds(car, "poll", spread=seconds - 1)) // grid * grid
    turns = (now - _EPOCH - phase) // interval + 1
    return _up(_EPOCH + phase + turns * interval, grid)


def _up(at: datetime, grid: timedelta) -> datetime:
    return _EPOCH + (at - _EPOCH + grid - _TICK) // grid * grid
