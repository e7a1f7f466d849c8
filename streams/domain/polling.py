"""When to read a car next: often when something may happen, seldom otherwise, never all cars at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Final
from zoneinfo import ZoneInfo

from streams.domain.habit import half_hour_end, likely, look_interval
from streams.domain.ids import spread_seconds
from streams.domain.watched import Watched

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TICK: Final = timedelta(microseconds=1)


class Worth(IntEnum):
    """What a reading is for; the one worth most comes first."""

    COMMAND_PENDING = 1
    SLOT_EDGE = 2
    NEW_SESSION = 3
    TARGET_NEAR = 4
    PLUG_IN_LIKELY = 5
    CHARGING = 6
    WAITING = 7
    IDLE = 8
    AWAY = 9


#: Readings that look whether a car was plugged in.
LOOKS: Final = frozenset({Worth.PLUG_IN_LIKELY, Worth.IDLE, Worth.AWAY})
#: A car at rest, for which no command is near: left alone, it falls asleep.
AT_REST: Final = LOOKS | {Worth.WAITING}
#: Worth waking a car that sleeps.
WORTH_A_WAKE: Final = frozenset(
    {Worth.COMMAND_PENDING, Worth.SLOT_EDGE, Worth.NEW_SESSION, Worth.TARGET_NEAR, Worth.PLUG_IN_LIKELY}
)


@dataclass(frozen=True, slots=True)
class PollPolicy:
    """Intervals between reads by what the car is doing. An OEM's policy allows for its limits and its cars' sleep."""

    #: On average over a day, while no cable is in; shared out by the driver's habit within these bounds.
    idle: timedelta = timedelta(minutes=10)
    soonest: timedelta = timedelta(minutes=1)
    rarest: timedelta = timedelta(hours=1)
    plugged_waiting: timedelta = timedelta(minutes=30)
    charging: timedelta = timedelta(minutes=15)
    #: After a change at the plug, for at most `burst`: a fresh state of charge is worth most just then.
    after_change: timedelta = timedelta(minutes=1)
    burst: timedelta = timedelta(minutes=10)
    command_pending: timedelta = timedelta(seconds=30)
    #: Extra readings around a slot edge: a decision is made on what is fresh, and its effect is seen.
    around_edge: tuple[timedelta, ...] = (timedelta(minutes=-2), timedelta(seconds=30))
    edge_near: timedelta = timedelta(minutes=5)
    target_near: timedelta = timedelta(minutes=10)
    #: Left alone this long, a car at rest falls asleep; does a reading wake it again?
    sleeps_after: timedelta | None = None
    reads_wake: bool = False
    #: Reads happen on this grid only; a simulated fleet uses its own step.
    grid: timedelta = timedelta(seconds=1)


def worth(watched: Watched, now: datetime, policy: PollPolicy, zone: ZoneInfo) -> Worth:
    """What a reading of the car now would be for."""
    usual = _usual_worth(watched, now, policy, zone)
    near = any(abs(edge - now) <= policy.edge_near for edge in _edges(watched))
    return min(usual, Worth.SLOT_EDGE) if near else usual


def next_poll(car: str, watched: Watched, now: datetime, policy: PollPolicy, zone: ZoneInfo) -> datetime:
    """The next instant (later than `now`, on the grid) to read the car."""
    regular = _regular(car, watched, now, policy, zone)
    around = (_up(edge + off, policy.grid) for edge in _edges(watched) for off in policy.around_edge)
    return min((at for at in around if now < at < regular), default=regular)


def _usual_worth(watched: Watched, now: datetime, policy: PollPolicy, zone: ZoneInfo) -> Worth:
    if watched.pending:
        return Worth.COMMAND_PENDING
    if not watched.known or watched.doubtful or _is_new(watched, now, policy):
        return Worth.NEW_SESSION
    if watched.session_id is None and (_just_home(watched, now, policy) or likely(watched.habit, now, zone)):
        return Worth.PLUG_IN_LIKELY
    if watched.at_home is False:
        return Worth.AWAY
    if watched.session_id is None:
        return Worth.IDLE
    return _plugged_worth(watched, now, policy)


def _plugged_worth(watched: Watched, now: datetime, policy: PollPolicy) -> Worth:
    if not watched.charging:
        return Worth.WAITING
    near = any(now <= end <= now + policy.target_near for end in _edges(watched)[-1:])
    return Worth.TARGET_NEAR if near else Worth.CHARGING


def _regular(car: str, watched: Watched, now: datetime, policy: PollPolicy, zone: ZoneInfo) -> datetime:
    usual = _usual_worth(watched, now, policy, zone)
    if usual in LOOKS and watched.session_id is None:
        return _next_look(car, watched, now, policy, zone)
    intervals = {
        Worth.COMMAND_PENDING: policy.command_pending,
        Worth.NEW_SESSION: policy.after_change,
        Worth.TARGET_NEAR: policy.charging,
        Worth.CHARGING: policy.charging,
    }
    return _next_on_lattice(car, intervals.get(usual, policy.plugged_waiting), now, policy.grid)


def _next_look(car: str, watched: Watched, now: datetime, policy: PollPolicy, zone: ZoneInfo) -> datetime:
    """Every half-hour has an interval of its own, so a long one must not reach into where looks are close."""
    if _just_home(watched, now, policy):
        return _next_on_lattice(car, policy.soonest, now, policy.grid)
    at = now
    while at < now + policy.rarest:
        wanted = look_interval(watched.habit, at, zone, policy.idle)
        look = _next_on_lattice(car, min(max(wanted, policy.soonest), policy.rarest), at, policy.grid)
        if look <= (end := half_hour_end(at, zone)):
            return look
        at = end
    return _up(now + policy.rarest, policy.grid)


def _edges(watched: Watched) -> tuple[datetime, ...]:
    """The edges of the plan for the session going on."""
    session = watched.session_id
    return watched.edges if session is not None and session == watched.planned_session else ()


def _is_new(watched: Watched, now: datetime, policy: PollPolicy) -> bool:
    """Was the car just plugged in, and is its state of charge unknown or its first switch not confirmed?"""
    if watched.seen_at is None or now >= watched.seen_at + policy.burst:
        return False
    return not watched.has_soc or watched.switched_session != watched.session_id


def _just_home(watched: Watched, now: datetime, policy: PollPolicy) -> bool:
    home = watched.came_home_at
    return home is not None and watched.at_home is True and now < home + policy.burst


def _next_on_lattice(car: str, interval: timedelta, now: datetime, grid: timedelta) -> datetime:
    """The first instant after `now` at a whole number of intervals, plus the car's phase, from the epoch."""
    seconds = max(int(interval.total_seconds()), 1)
    whole = timedelta(seconds=seconds)
    phase = timedelta(seconds=spread_seconds(car, "poll", spread=seconds - 1)) // grid * grid
    turns = (now - _EPOCH - phase) // whole + 1
    return _up(_EPOCH + phase + turns * whole, grid)


def _up(at: datetime, grid: timedelta) -> datetime:
    return _EPOCH + (at - _EPOCH + grid - _TICK) // grid * grid
