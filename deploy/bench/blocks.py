"""What two blocks keep of the saving that any number of them would bring: recorded prices, recorded home sessions.

The saving is against charging at once, and all prices are known: what is measured is the limit on blocks alone.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from deploy.bench.make_extracts import DATA
from deploy.demo.drivers import to_utc
from deploy.demo.recorded import WINDOWS, read_extract, settlement_slots
from streams.domain.planner import CostSlot, Curve, PlanRequest, Policy, plan

CARBON_PRICE: Final = 100.0
POWER_KW: Final = 7.4
SESSIONS: Final = 400
LIVE: Final = Policy(max_blocks=2, min_block=timedelta(minutes=10), min_pause=timedelta(minutes=10))
POLICIES: Final = {"two": Policy(max_blocks=2), "live": LIVE, "one": Policy(max_blocks=1)}
_LONGEST_STAY: Final = timedelta(hours=24)
_MINUTE: Final = timedelta(minutes=1)


def measure(sessions: int = SESSIONS) -> dict[str, float]:
    """Percent of the unconstrained saving kept, by grid and policy; `sessions` a night and grid at most."""
    kept = {}
    for grid, nights in {"half_hour": half_hours(), "agile": _agile(), "quarter_hour": _quarter_hours()}.items():
        asked = [request for night in nights for request in requests(*night, sessions)]
        for name, share in shares(asked).items():
            kept[f"blocks_{grid}_{name}_kept_pct"] = round(100 * share, 2)
        kept[f"blocks_{grid}_sessions"] = len(asked)
    return kept


def shares(asked: Sequence[PlanRequest]) -> dict[str, float]:
    """By policy the share of the saving kept, as a ratio of sums."""
    at_once = sum(_objective(request, request.curve.bill((_unmanaged(request),))) for request in asked)
    saved = {
        name: at_once - sum(plan(replace(request, policy=policy)).objective for request in asked)
        for name, policy in {"any": Policy(max_blocks=None), **POLICIES}.items()
    }
    return {name: saved[name] / saved["any"] for name in POLICIES}


def half_hours() -> Iterator[tuple[Curve, ZoneInfo, date]]:
    """Every night of the demo's windows: hourly prices with half-hourly carbon, weighed."""
    for window in WINDOWS.values():
        prices, carbon = settlement_slots(window)
        slots = [CostSlot(p.start, p.end, p.value, c.value) for p, c in zip(prices, carbon, strict=True)]
        zone = ZoneInfo(window.zone)
        first = window.start.astimezone(zone).date()
        for day in range(window.days):
            yield Curve.of(slots, CARBON_PRICE), zone, first + timedelta(days=day)


def _agile() -> Iterator[tuple[Curve, ZoneInfo, date]]:
    """A half-hourly tariff in the night of a clock change."""
    yield Curve.of(_prices("prices_half_hourly_gb.csv"), 0.0), ZoneInfo("Europe/London"), date(2026, 3, 28)


def _quarter_hours() -> Iterator[tuple[Curve, ZoneInfo, date]]:
    """The one recorded day of quarter hours, taken to follow itself, so that it has a night."""
    day = _prices("prices_quarter_hourly_se3.csv")
    after = [replace(slot, start=slot.start + _LONGEST_STAY, end=slot.end + _LONGEST_STAY) for slot in day]
    yield Curve.of([*day, *after], 0.0), ZoneInfo("Europe/Stockholm"), date(2025, 10, 1)


def requests(curve: Curve, zone: ZoneInfo, day: date, most: int) -> list[PlanRequest]:
    """Recorded stays with at least an hour to spare, plugged in on `day`, where prices are known; evenly chosen."""
    found = []
    known = curve.slots[0].start, curve.slots[-1].end
    for row in read_extract("home_sessions.csv"):
        begin, end = (datetime.fromisoformat(row[column]) for column in ("plug_in_local", "plug_out_local"))
        moved = timedelta(days=(day - begin.date()).days)
        start, stop = to_utc(begin + moved, zone), to_utc(end + moved, zone)
        minutes = round(float(row["energy_kwh"]) / POWER_KW * 60)
        spare = stop - start - minutes * _MINUTE
        if known[0] <= start and stop <= known[1] and timedelta(hours=1) <= spare and stop - start <= _LONGEST_STAY:
            found.append(PlanRequest(start, stop, curve, minutes * POWER_KW / 60, POWER_KW))
    return found[:: max(1, -(-len(found) // most))]


def _unmanaged(request: PlanRequest) -> tuple[datetime, datetime, float]:
    hours = request.need_kwh / request.power_kw
    return request.now, request.now + timedelta(hours=hours), request.need_kwh


def _objective(request: PlanRequest, bill: tuple[float, float]) -> float:
    return bill[0] + request.curve.carbon_price * bill[1] * 1e-6


def _prices(name: str) -> list[CostSlot]:
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        CostSlot(
            datetime.fromisoformat(row["start"]), datetime.fromisoformat(row["end"]), float(row["price_per_kwh"]), 0.0
        )
        for row in rows
    ]
