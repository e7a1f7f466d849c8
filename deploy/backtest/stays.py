"""Recorded sessions put on the days for which prices are known: one car, one stay, one wish, in UTC."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from deploy.backtest.insight import AHEAD, Outturn
from deploy.backtest.sessions import Recorded, Sessions
from streams.contracts.preference import Preference
from streams.contracts.registration import Registration
from streams.domain.ids import spread_seconds
from streams.domain.ready import local_instant, ready_by

_DAY: Final = timedelta(days=1)
_YEAR: Final = timedelta(weeks=52)
#: A stay is followed at most so long after its ready-by: late beats never.
_LATE: Final = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is assumed of cars and drivers where the recording does not say."""

    power_kw: float = 7.4
    usable_kwh: float = 60.0
    efficiency: float = 0.9
    target_soc_pct: float = 80.0
    min_soc_pct: float = 20.0
    carbon_price_per_tonne: float = 50.0
    margin_minutes: int = 20
    #: None: the driver asks for the true departure.
    ready_at: time | None = None
    #: How far cars may draw less than they say, as a share; they then also tell whole percents only.
    power_error: float = 0.1


class Stay(NamedTuple):
    """One stay as it will be driven. `power_kw`: what the car really draws at the wall."""

    id: str
    day: date
    plugged_at: datetime
    end: datetime
    ready_by: datetime
    left_early: bool
    energy_kwh: float
    power_kw: float
    soc_pct: float
    registration: Registration
    preference: Preference

    @property
    def feasible(self) -> bool:
        """Can the energy be had before ready-by at all, from plug-in at the real power?"""
        hours = (min(self.ready_by, self.end) - self.plugged_at) / timedelta(hours=1)
        return self.energy_kwh <= self.power_kw * hours + 1e-6


class Placed(NamedTuple):
    """The stays in order of plug-in, how the sessions got there, and what was left out."""

    stays: tuple[Stay, ...]
    moved: bool
    left_out: Counter[str]


def place(found: Sessions, outturn: Outturn, wishes: Wishes, seed: int, days: int | None = None) -> Placed:
    """The sessions on their own days; when none of those has prices, moved by whole weeks onto days that have.

    Weekday and wall time stay. Whole years first, so that seasons stay too; else week after week in turn, with a new
    set of cars for each turn. `days`: only the first so many.
    """
    zone = ZoneInfo(found.zone)
    known = _known_days(outturn, zone)
    open_days = set(known[:days])
    moved = not any(one.plugged.date() in set(known) for one in found.usable)
    calendar = _Calendar(known, found.usable[0].plugged.date()) if moved and known and found.usable else None
    left_out = Counter(found.left_out)
    stays: list[Stay] = []
    for one in found.usable:
        day, turn = calendar.place(one.plugged.date()) if calendar else (one.plugged.date(), 0)
        stay = _stay(one, day - one.plugged.date(), _name(one.car, turn), zone, wishes, seed)
        if day not in open_days or not outturn.covers(stay.plugged_at, max(stay.end, stay.ready_by)):
            left_out["outside the days asked for" if day in known else "no prices or carbon for its time"] += 1
        else:
            stays.append(stay)
    return Placed(tuple(sorted(stays, key=lambda stay: (stay.plugged_at, stay.id))), moved, left_out)


class _Calendar:
    """Where days go that have no prices."""

    def __init__(self, known: Sequence[date], first: date) -> None:
        self._known = set(known)
        self._by_weekday: defaultdict[int, list[date]] = defaultdict(list)
        for day in known:
            self._by_weekday[day.weekday()].append(day)
        self._monday = first - timedelta(days=first.weekday())

    def place(self, day: date) -> tuple[date, int]:
        """The known day for a recorded one, and in which turn of the cars."""
        for years in range(-20, 21):
            if (moved := day + years * _YEAR) in self._known:
                return moved, years
        days = self._by_weekday[day.weekday()]
        if not days:
            return day, 0
        turn, place = divmod((day - self._monday).days // 7, len(days))
        return days[place], 100 + turn


def _known_days(outturn: Outturn, zone: ZoneInfo) -> list[date]:
    """Local days on which a stay may begin: known until the end of the day after."""
    days: list[date] = []
    for start, end in outturn.stretches:
        day = (start.astimezone(zone) + _DAY).date()
        while local_instant(day + 2 * _DAY, time(1), zone) <= end:
            days.append(day)
            day += _DAY
    return days


def _stay(one: Recorded, shift: timedelta, car: str, zone: ZoneInfo, wishes: Wishes, seed: int) -> Stay:
    plugged_at, unplugged_at = (_instant(at + shift, zone) for at in (one.plugged, one.unplugged))
    usual_kw = one.power_kw or wishes.power_kw
    least_kw = one.energy_kwh / max(0.1, (unplugged_at - plugged_at) / timedelta(hours=1))
    draw = 1 - wishes.power_error * spread_seconds(seed, car, "power", spread=1000) / 1000
    power_kw = max(usual_kw * draw, min(least_kw, 50.0))
    registered_kw = max(usual_kw, power_kw)
    soc_pct, target_pct, usable_kwh = _battery(one, wishes)
    key = f"backtest.{car}"
    registration = Registration(
        car=key,
        driver=car,
        oem="recorded",
        vehicle=car,
        model="recorded",
        usable_kwh=usable_kwh,
        power_kw=registered_kw,
        efficiency=wishes.efficiency,
        home_zone=zone.key,
        region="recorded",
        tariff="recorded",
        registered_at=plugged_at - _DAY,
    )
    wished = one.ready + shift if one.ready else None
    preference = Preference(
        car=key,
        ready_by=wishes.ready_at or (wished or one.unplugged + shift).time().replace(second=0),
        target_soc_pct=target_pct,
        min_soc_pct=wishes.min_soc_pct,
        carbon_price_per_tonne=wishes.carbon_price_per_tonne,
        margin_minutes=wishes.margin_minutes,
        updated_at=plugged_at - _DAY,
    )
    due = ready_by(preference, zone.key, plugged_at)
    stated = wishes.ready_at is not None or wished is not None
    end = min(unplugged_at, due + _LATE, plugged_at + AHEAD)
    return Stay(
        id=f"{car}.{plugged_at:%Y%m%dT%H%M}",
        day=(one.plugged + shift).date(),
        plugged_at=plugged_at,
        end=end,
        ready_by=due,
        left_early=stated and unplugged_at < due,
        energy_kwh=one.energy_kwh,
        power_kw=power_kw,
        soc_pct=soc_pct,
        registration=registration,
        preference=preference,
    )


def _name(car: str, turn: int) -> str:
    return f"{re.sub('[^A-Za-z0-9_-]', '-', car)}-{turn}"


def _battery(one: Recorded, wishes: Wishes) -> tuple[float, float, float]:
    """State of charge at plug-in, target, usable kWh: as recorded, else so that the recorded energy fits."""
    stored_kwh = one.energy_kwh * wishes.efficiency
    usable_kwh = max(one.capacity_kwh or wishes.usable_kwh, stored_kwh / 0.95)
    points = stored_kwh / usable_kwh * 100
    if one.soc_pct is not None:
        start = min(one.soc_pct, 100 - points)
        return start, start + points, usable_kwh
    target = wishes.target_soc_pct if points <= wishes.target_soc_pct - 5 else 100.0
    return target - points, target, usable_kwh


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    return local_instant(wall.date(), wall.time(), zone)
