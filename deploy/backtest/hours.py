"""The day by the clock at home: when energy went in, managed and unmanaged, and what it cost then on average."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from deploy.backtest.run import Line
from streams.contracts.forecast import Slot
from streams.domain.planner import Profile

_HOUR: Final = timedelta(hours=1)


class Hour(NamedTuple):
    """One local hour of the day: mean price per kWh, kWh managed, kWh unmanaged."""

    hour: int
    price: float | None
    managed_kwh: float
    unmanaged_kwh: float


def by_hour(lines: Sequence[Line], prices: Sequence[Slot], zone: ZoneInfo) -> list[Hour]:
    """The 24 hours, prices over the days of the stays."""
    managed, unmanaged = [0.0] * 24, [0.0] * 24
    for line in lines:
        _add(managed, line.outcome.profile, zone)
        _add(unmanaged, line.at_once, zone)
    paid: list[list[float]] = [[] for _ in range(24)]
    days = {line.stay.day for line in lines}
    for slot in prices:
        local = slot.start.astimezone(zone)
        if local.date() in days:
            paid[local.hour].append(slot.value)
    means = [sum(values) / len(values) if values else None for values in paid]
    return [Hour(hour, means[hour], managed[hour], unmanaged[hour]) for hour in range(24)]


def _add(sums: list[float], profile: Profile, zone: ZoneInfo) -> None:
    for start, end, kwh in profile:
        at = start
        while at < end:
            until = min(end, _next_hour(at))
            sums[at.astimezone(zone).hour] += kwh * ((until - at) / (end - start))
            at = until


def _next_hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0) + _HOUR
