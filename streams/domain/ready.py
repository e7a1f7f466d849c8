"""When must the car be ready? Ready-by is wall time at home; this makes it one instant, on DST nights too."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from streams.contracts.preference import Preference

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_WEEKDAYS: Final[tuple[Weekday, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def ready_by(preference: Preference, home_zone: str, after: datetime) -> datetime:
    """The next ready-by strictly after `after`, in UTC.

    A local time that the clock skips becomes the next instant that exists; one that happens twice, its first.
    Raises `zoneinfo.ZoneInfoNotFoundError` for an unknown zone.
    """
    zone = ZoneInfo(home_zone)
    day = after.astimezone(zone).date()
    while (instant := local_instant(day, _wall_time(preference, day), zone)) <= after:
        day += timedelta(days=1)
    return instant


def next_local(at: time, zone_name: str, after: datetime) -> datetime:
    """The next instant strictly after `after` at which clocks in the zone show `at`, in UTC."""
    zone = ZoneInfo(zone_name)
    day = after.astimezone(zone).date()
    while (instant := local_instant(day, at, zone)) <= after:
        day += timedelta(days=1)
    return instant


def local_instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The UTC instant at which clocks in `zone` first show `at` on `day`, or else the next that exists."""
    wall = datetime.combine(day, at.replace(tzinfo=None, fold=0))
    instant = wall.replace(tzinfo=zone).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == wall:
        return instant
    return _end_of_gap(wall.replace(fold=1, tzinfo=zone).astimezone(UTC), instant, zone)


def _wall_time(preference: Preference, day: date) -> time:
    return preference.ready_by_days.get(_WEEKDAYS[day.weekday()], preference.ready_by)


def _end_of_gap(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The whole second in (before, after] at which the clock is put forward."""
    offset = after.astimezone(zone).utcoffset()
    low, high = int(before.timestamp()), int(after.timestamp())
    while high - low > 1:
        middle = (low + high) // 2
        shifted = datetime.fromtimestamp(middle, zone).utcoffset() == offset
        low, high = (low, middle) if shifted else (middle, high)
    return datetime.fromtimestamp(high, UTC)
