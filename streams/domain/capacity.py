"""Adders for a region: its cap and what its cars need, put on a grid of half hours from now on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from streams.contracts.capacity import AdderSlot, Cohort, CurveName, RegionAdder, RegionCap, RegionDemand
from streams.contracts.forecast import Forecast, ForecastKind, Slot
from streams.domain.caps import DITHER, Grid, Needs, dither, relieve
from streams.domain.caps.needs import Column
from streams.domain.market import Market
from streams.domain.planner.curve import EPOCH, MINUTE_US, instant
from streams.domain.planning import NO_CURRENCY

SLOT: Final = timedelta(minutes=30)
#: Cars that stay longer count as leaving then.
AHEAD: Final = timedelta(days=3)
#: Adders this close to those in force are not worth re-planning for: the dither hides the difference.
_SAME: Final = DITHER / 4
_HOUR: Final = timedelta(hours=1)

Markets = Callable[[str], Market | None]


@dataclass(frozen=True, slots=True)
class _Times:
    """Half hours from the one that runs on; the first begins now."""

    now: datetime
    starts: tuple[datetime, ...]

    @classmethod
    def until(cls, now: datetime, last: datetime) -> _Times:
        """As many as it takes to reach `last`, at least one."""
        first = now - (now - EPOCH) % SLOT
        count = max(1, -((first - last) // SLOT))
        return cls(now, tuple(first + n * SLOT for n in range(count)))

    def edges(self) -> Column:
        """In hours from now."""
        return np.array([0.0, *((start + SLOT - self.now) / _HOUR for start in self.starts)])

    def mean(self, spans: Iterable[tuple[datetime, datetime, float]], otherwise: float) -> Column:
        """What holds on average in each half hour that `spans` touch; `otherwise` in the others."""
        total, covered = np.zeros(len(self.starts)), np.zeros(len(self.starts))
        for start, end, value in spans:
            for n in range(max(0, (start - self.starts[0]) // SLOT), len(self.starts)):
                overlap = (min(end, self.starts[n] + SLOT) - max(start, self.starts[n])) / _HOUR
                if overlap <= 0:
                    break
                total[n] += overlap * value
                covered[n] += overlap
        return np.where(covered > 0, total / np.maximum(covered, 1e-12), otherwise)


def adders_for(cap: RegionCap, demands: Iterable[RegionDemand], market: Markets, now: datetime) -> RegionAdder:
    """Adders that hold `cap` for all the cars in `demands`; `market` gives that of a tariff in the region.

    Cars without a market charge at once, as planning has it. A region's tariffs share a currency.
    """
    demands = [*demands]
    cars = [(demand.curves[one.curve], one) for demand in demands for one in demand.cohorts]
    ends = [_end(one, now) for _, one in cars]
    times = _Times.until(now, max(ends, default=now))
    curves = sorted({curve for curve, _ in cars})
    costs = {curve: _costs(curve, market(curve.tariff), times) for curve in curves}
    needs = _needs(cars, ends, costs, now)
    most_kw = float(needs.power_kw.sum()) + 1.0
    spans = ((slot.start, slot.end, slot.cap_kw) for slot in cap.slots)
    cap_kw = np.minimum(times.mean(spans, most_kw), most_kw)
    rows = [np.zeros(len(times.starts)) if row is None else row for row in costs.values()]
    rates = np.array(rows or [np.zeros(len(times.starts))])
    found = relieve(needs, Grid(times.edges(), rates, cap_kw, dither(times.starts)))
    known = [market(curve.tariff) for curve in curves]
    return RegionAdder(
        region=cap.region,
        currency=next((one.currency for one in known if one is not None), NO_CURRENCY),
        issued_at=now,
        slots=tuple(
            AdderSlot(
                start=start,
                end=start + SLOT,
                adder=round(float(found.adders[n]), 6),
                cap_kw=float(cap_kw[n]) if cap_kw[n] < most_kw else None,
                load_kw=round(float(found.load_kw[n]), 3),
                uncapped_kw=round(float(found.uncapped_kw[n]), 3),
            )
            for n, start in enumerate(times.starts)
        ),
        cars=sum(one.cars for _, one in cars),
        gap_pct=round(100 * found.gap_share, 3),
        over_kwh=round(float(found.over_kwh.sum()), 3),
    )


def lifted(issued: RegionAdder, now: datetime) -> RegionAdder:
    """The same slots without adders: the cap is gone."""
    slots = tuple(slot.model_copy(update={"adder": 0.0, "cap_kw": None}) for slot in issued.slots)
    return issued.model_copy(update={"issued_at": now, "slots": slots, "gap_pct": 0.0, "over_kwh": 0.0})


def differs(new: RegionAdder, issued: RegionAdder | None) -> bool:
    """Would cars plan otherwise by `new` than by what is in force?"""
    old = {slot.start: slot.adder for slot in issued.slots} if issued else {}
    return any(abs(slot.adder - old.get(slot.start, 0.0)) > _SAME for slot in new.slots)


def as_forecast(adders: RegionAdder) -> Forecast:
    """Adders as the forecast that every partition plans by."""
    return Forecast(
        kind=ForecastKind.ADDER,
        key=adders.region,
        unit=f"{adders.currency}/kWh",
        issued_at=adders.issued_at,
        source="capacity",
        known_until=adders.slots[-1].end,
        slots=tuple(Slot(start=slot.start, end=slot.end, value=slot.adder) for slot in adders.slots),
    )


def _end(one: Cohort, now: datetime) -> datetime:
    """When a cohort is done at the latest."""
    until = max(instant(one.until_minute * MINUTE_US), now + one.hours * _HOUR)
    return min(until, now + AHEAD)


def _costs(curve: CurveName, market: Market | None, times: _Times) -> Column | None:
    """What a kWh costs in each half hour, carbon included; where it is not known, as much as on average."""
    known = market.curve(curve.carbon_price_per_tonne, times.now, times.starts[-1] + SLOT) if market else None
    if known is None:
        return None
    spans = [(slot.start, slot.end, rate / 1e6) for slot, rate in zip(known.slots, known.rates, strict=True)]
    first = times.starts[0]
    ahead = [(max(start, first), end, rate) for start, end, rate in spans if end > first]
    return times.mean(ahead, sum(rate for *_, rate in ahead) / len(ahead))


def _needs(
    cars: list[tuple[CurveName, Cohort]], ends: list[datetime], costs: dict[CurveName, Column | None], now: datetime
) -> Needs:
    place = {curve: n for n, curve in enumerate(costs)}
    hours = np.array([one.hours for _, one in cars])
    return Needs(
        curve=np.array([place[curve] for curve, _ in cars], dtype=np.int64),
        group=np.array([one.group for _, one in cars], dtype=np.int64),
        start=np.zeros(len(cars)),
        end=np.array([(end - now) / _HOUR for end in ends]),
        hours=hours,
        at_once=np.array([one.hours if costs[curve] is None else one.at_once_hours for curve, one in cars]),
        power_kw=np.array([one.power_kw for _, one in cars]),
    )
