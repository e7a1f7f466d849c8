"""Recorded charging sessions as wall times of a home, from whichever file, with what had to be left out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from deploy.backtest.rows import Row, read, unknown_columns

_SHORTEST: Final = timedelta(minutes=10)
_LEAST_KWH: Final = 0.1
#: No home charges faster.
_MOST_KW: Final = 45.0


@dataclass(frozen=True, slots=True)
class Recorded:
    """One stay of the cable in the car; naive wall times of its home. None: the recording does not say."""

    car: str
    plugged: datetime
    unplugged: datetime
    energy_kwh: float
    power_kw: float | None = None
    soc_pct: float | None = None
    capacity_kwh: float | None = None
    ready: datetime | None = None

    @property
    def hours(self) -> float:
        """Length of the stay by the clock on the wall."""
        return (self.unplugged - self.plugged) / timedelta(hours=1)


class Sessions(NamedTuple):
    """The usable sessions in order of plug-in, the zone of their wall times, and why others were left out."""

    usable: tuple[Recorded, ...]
    zone: str
    left_out: Counter[str]


class _Format(NamedTuple):
    columns: str
    zone: str | None
    needs: frozenset[str]
    make: Callable[[Row, ZoneInfo], Recorded | str]


def sessions(path: Path, zone: str | None) -> Sessions:
    """The sessions of a file; BadFile when it cannot be used. `zone`: of wall times that do not say, default UTC."""
    columns, rows = read(path)
    form = next((form for form in _FORMATS if form.needs <= columns), None)
    if form is None:
        raise unknown_columns(path, columns, [form.columns for form in _FORMATS])
    own = form.zone or zone or "UTC"
    found = [form.make(row, ZoneInfo(own)) for row in rows]
    left_out = Counter(one for one in found if isinstance(one, str))
    whole: list[Recorded] = []
    for one in found:
        if isinstance(one, Recorded):
            trouble = _trouble(one)
            left_out.update([trouble] if trouble else [])
            whole += [] if trouble else [one]
    usable = sorted(_disjoint(whole, left_out), key=lambda one: (one.plugged, one.car))
    return Sessions(tuple(usable), zone or own, left_out)


def _trouble(one: Recorded) -> str | None:
    if one.unplugged - one.plugged < _SHORTEST:
        return "shorter than 10 minutes, or ended before it began"
    if one.energy_kwh < _LEAST_KWH:
        return "less than 0.1 kWh"
    return "more than 45 kW on average" if one.energy_kwh / one.hours > _MOST_KW else None


def _disjoint(found: Iterable[Recorded], left_out: Counter[str]) -> list[Recorded]:
    """Without those that overlap an earlier one of the same car."""
    free_from: defaultdict[str, datetime] = defaultdict(lambda: datetime.min)  # noqa: DTZ901 - wall times
    kept = []
    for one in sorted(found, key=lambda one: one.plugged):
        if one.plugged < free_from[one.car]:
            left_out["overlaps another session of the car"] += 1
        else:
            free_from[one.car] = one.unplugged
            kept.append(one)
    return kept


def _wall(at: datetime, zone: ZoneInfo) -> datetime:
    return (at if at.tzinfo is None else at.astimezone(zone).replace(tzinfo=None)).replace(microsecond=0)


def _norway(row: Row, zone: ZoneInfo) -> Recorded | str:
    if not row.cells["plugout_time"]:
        return "no time of unplugging"
    plugged, unplugged = (_wall(row.time(name), zone) for name in ("plugin_time", "plugout_time"))
    return Recorded(row.cells["user_id"], plugged, unplugged, row.number("energy_session"))


def _extract(row: Row, zone: ZoneInfo) -> Recorded | str:
    plugged, unplugged = (_wall(row.time(name), zone) for name in ("plug_in_local", "plug_out_local"))
    return Recorded(row.cells["user"], plugged, unplugged, row.number("energy_kwh"))


def _acn(row: Row, zone: ZoneInfo) -> Recorded | str:
    if row.cells["claimed"].lower() != "true":
        return "not claimed: the driver stated no departure"
    names = ("arrival", "departure", "estimated_departure")
    plugged, unplugged, stated = (_wall(row.time(name), zone) for name in names)
    energy_kwh = row.number("delivered_energy (kWh)")
    one = Recorded(f"station-{row.cells['station_id']}", plugged, unplugged, energy_kwh)
    return replace(one, ready=stated) if stated > plugged + _SHORTEST else "departure stated before arrival"


def _dundee(row: Row, zone: ZoneInfo) -> Recorded | str:
    if not row.cells["End Time"] or not row.cells["End Date"]:
        return "no time of unplugging"
    plugged, unplugged = (_day_first(row, f"{name} Date", f"{name} Time") for name in ("Start", "End"))
    return Recorded(f"{row.cells['CP ID']}-{row.cells['Connector']}", plugged, unplugged, row.number("Total kWh"))


def _day_first(row: Row, day: str, clock: str) -> datetime:
    text = f"{row.cells[day]} {row.cells[clock][:5]}"
    try:
        return datetime.strptime(text, "%d/%m/%Y %H:%M")  # noqa: DTZ007 - wall time, its zone is the home's
    except ValueError:
        raise row.bad(f"{day} and {clock} are {text!r}; write 31/12/2017 and 23:59") from None


def _generic(row: Row, zone: ZoneInfo) -> Recorded | str:
    if not row.cells["unplugged_at"]:
        return "no time of unplugging"
    plugged, unplugged = (_wall(row.time(name), zone) for name in ("plugged_at", "unplugged_at"))
    return Recorded(
        car=row.cells.get("car") or f"line-{row.line}",
        plugged=plugged,
        unplugged=unplugged,
        energy_kwh=row.number("energy_kwh"),
        power_kw=row.optional("power_kw"),
        soc_pct=row.optional("soc_pct"),
        capacity_kwh=row.optional("capacity_kwh"),
        ready=_wall(row.time("ready_by"), zone) if row.cells.get("ready_by") else None,
    )


def _format(columns: str, zone: str | None, make: Callable[[Row, ZoneInfo], Recorded | str]) -> _Format:
    return _Format(columns, zone, frozenset(columns.partition("[")[0].split(",")), make)


_FORMATS: Final = (
    _format("plugged_at,unplugged_at,energy_kwh[,car,power_kw,soc_pct,capacity_kwh,ready_by]", None, _generic),
    _format("user_id,plugin_time,plugout_time,energy_session", "Europe/Oslo", _norway),
    _format("user,plug_in_local,plug_out_local,energy_kwh", "Europe/Oslo", _extract),
    _format("arrival,departure,estimated_departure,delivered_energy (kWh),claimed", "America/Los_Angeles", _acn),
    _format("CP ID,Connector,Start Date,Start Time,End Date,End Time,Total kWh", "Europe/London", _dundee),
)
