"""When in the local day a driver plugs the car in, and how a day's looks for it are best shared out.

The mean delay until a plug-in is seen is least when each half-hour gets looks in proportion to the square root of
the chance of a plug-in in it. Chances start from what drivers do at home and follow this driver's own plug-ins,
working days and weekends apart, the newest weighing most.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from math import sqrt
from typing import Final, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from streams.contracts.base import Instant
from streams.contracts.vehicle import PlugSession

HALF_HOUR: Final = timedelta(minutes=30)
_HALVES: Final = 48
#: Plug-ins remembered of working days, and as many of weekends; each weighs this much less than the next.
_KEPT: Final = 24
_FADES: Final = 0.95
#: A plug-in speaks for the half-hours around it as well, up to two and a half hours away.
_REACH: Final = 5
#: What is taken for granted weighs as much as so many plug-ins of one's own.
_TAKEN_FOR_GRANTED: Final = 5.0
#: Chances at home by the hour, in parts; rounded from 4,807 recorded stays of 158 drivers (deploy/demo/data).
_WORKING_DAY: Final = (1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 3, 5, 9, 12, 9, 10, 10, 10, 9, 7, 4)
_WEEKEND: Final = (3, 2, 1, 1, 1, 1, 1, 1, 1, 2, 2, 4, 5, 5, 7, 8, 8, 10, 8, 9, 7, 6, 5, 4)
#: A half-hour is likely when its chance is so many times the average one's.
_LIKELY: Final = 1.5

HalfHour = int


class Habit(BaseModel):
    """The half-hours of the local day (0 to 47) in which the car was plugged in, newest last."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    working_days: tuple[HalfHour, ...] = ()
    weekends: tuple[HalfHour, ...] = ()
    session_id: str | None = Field(default=None, description="the newest session learned")
    plugged_at: Instant | None = None


def learn(habit: Habit, session: PlugSession, zone: ZoneInfo) -> Habit:
    """The habit after a plug-in; the same object when it was learned before, or is older than the last one learned."""
    last = habit.plugged_at
    if session.id == habit.session_id or (last is not None and session.plugged_at <= last):
        return habit
    local = session.plugged_at.astimezone(zone)
    days: Literal["weekends", "working_days"] = "weekends" if _is_weekend(local) else "working_days"
    recent = (*getattr(habit, days), _half_hour(local))[-_KEPT:]
    return habit.model_copy(update={days: recent, "session_id": session.id, "plugged_at": session.plugged_at})


def look_interval(habit: Habit, at: datetime, zone: ZoneInfo, mean: timedelta) -> timedelta:
    """Time between looks in the half-hour of `at`, when all looks of a day are `mean` apart on average."""
    chances, roots = _day_of(habit, local := at.astimezone(zone))
    return mean * (roots / (_HALVES * sqrt(chances[_half_hour(local)])))


def likely(habit: Habit, at: datetime, zone: ZoneInfo) -> bool:
    """Is this a half-hour in which the car is often plugged in?"""
    chances, _ = _day_of(habit, local := at.astimezone(zone))
    return chances[_half_hour(local)] * _HALVES >= _LIKELY


def half_hour_end(at: datetime, zone: ZoneInfo) -> datetime:
    """When the local half-hour of `at` is over."""
    local = at.astimezone(zone)
    return at + HALF_HOUR - timedelta(minutes=local.minute % 30, seconds=local.second, microseconds=local.microsecond)


def _day_of(habit: Habit, local: datetime) -> tuple[tuple[float, ...], float]:
    weekend = _is_weekend(local)
    return _chances(habit.weekends if weekend else habit.working_days, weekend)


@lru_cache(maxsize=4096)
def _chances(recent: tuple[HalfHour, ...], weekend: bool) -> tuple[tuple[float, ...], float]:
    """The chance of each half-hour (they add up to 1), and the sum of their square roots."""
    hours = _WEEKEND if weekend else _WORKING_DAY
    parts = [_TAKEN_FOR_GRANTED * hours[half // 2] / (2 * sum(hours)) for half in range(_HALVES)]
    weight = 1.0
    for plugged in reversed(recent):
        for off in range(1 - _REACH, _REACH):
            parts[(plugged + off) % _HALVES] += weight * (_REACH - abs(off)) / _REACH**2
        weight *= _FADES
    total = sum(parts)
    chances = tuple(part / total for part in parts)
    return chances, sum(map(sqrt, chances))


def _half_hour(local: datetime) -> HalfHour:
    return local.hour * 2 + local.minute // 30


def _is_weekend(local: datetime) -> bool:
    return local.weekday() >= 5
