"""Recorded drivers: when they plugged in and out at home, moved onto a window, and when they need the car."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from deploy.demo.recorded import Window, read_extract
from streams.domain.ids import stable_id
from streams.domain.ready import local_instant

_SHORTEST_STAY = timedelta(minutes=30)
_EARLIEST_READY, _USUAL_READY, _LATEST_READY = time(5), time(7), time(9, 30)


class Visit(NamedTuple):
    """One stay of the cable in the car and the energy at the wall; naive wall times of the home, or UTC."""

    plug_in: datetime
    plug_out: datetime
    energy_kwh: float


def weeks(window: Window, seed: int) -> list[list[Visit]]:
    """Recorded (driver, week) pairs moved by whole weeks onto the window, in an order the seed sets.

    Wall time; weekdays stay weekdays; a window holds up to 7 days. Only drivers who charge at night: two
    thirds or more of the visits of that week are nights.
    """
    first = window.start.astimezone(ZoneInfo(window.zone)).date()
    found: defaultdict[tuple[str, date], list[Visit]] = defaultdict(list)
    for user, visit in _sessions():
        day = visit.plug_in.date()
        anchor = day - timedelta(days=(day.weekday() - first.weekday()) % 7)
        found[user, anchor].append(shifted(visit, first - anchor))
    usable = {
        week: visits
        for week, visits in found.items()
        if 3 * sum(map(_is_night, visits)) >= 2 * len(visits) and in_window(visits, window)
    }
    return [usable[week] for week in sorted(usable, key=lambda week: stable_id(seed, "week", *week))]


def shifted(visit: Visit, by: timedelta) -> Visit:
    """The same visit, earlier or later on the clock on the wall."""
    return Visit(visit.plug_in + by, visit.plug_out + by, visit.energy_kwh)


def in_window(visits: list[Visit], window: Window) -> list[Visit]:
    """The visits inside the window, in UTC, half an hour or longer, none overlapping the one before."""
    zone = ZoneInfo(window.zone)
    stays: list[Visit] = []
    free_from = window.start
    for visit in visits:
        start, end = to_utc(visit.plug_in, zone), to_utc(visit.plug_out, zone)
        if free_from <= start and end <= window.end and end - start >= _SHORTEST_STAY:
            stays.append(Visit(start, end, visit.energy_kwh))
            free_from = end
    return stays


def to_utc(wall: datetime, zone: ZoneInfo) -> datetime:
    """The instant of a wall time: the first of two; of a skipped one the next that exists."""
    return local_instant(wall.date(), wall.time(), zone)


def ready_by(visits: list[Visit]) -> time:
    """When a driver with these visits (wall time) needs the car: the earliest morning unplug after a night.

    A night holds 03:00 of the day it ends on and ends by noon. Rounded down to 15 minutes, kept within 05:00
    and 09:30; 07:00 when there is no night.
    """
    mornings = [visit.plug_out.time() for visit in visits if _is_night(visit)]
    if not mornings:
        return _USUAL_READY
    first = min(mornings)
    return min(max(first.replace(minute=first.minute // 15 * 15), _EARLIEST_READY), _LATEST_READY)


def _is_night(visit: Visit) -> bool:
    day = visit.plug_out.date()
    return visit.plug_in < datetime.combine(day, time(3)) < visit.plug_out <= datetime.combine(day, time(12))


@cache
def _sessions() -> tuple[tuple[str, Visit], ...]:
    return tuple(
        (
            row["user"],
            Visit(
                datetime.fromisoformat(row["plug_in_local"]),
                datetime.fromisoformat(row["plug_out_local"]),
                float(row["energy_kwh"]),
            ),
        )
        for row in read_extract("home_sessions.csv")
    )
