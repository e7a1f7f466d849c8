"""What energy costs when: slots prepared once for all cars of one tariff, region and carbon price.

Inside, time is whole microseconds since 1970 and the cost that decides is whole millionths of the currency per kWh:
sums are exact, so equal costs are equal and a tie is broken by rule, never by rounding.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from streams.contracts.forecast import Forecast

#: (start, end, energy at the wall in kWh), sorted and disjoint.
Profile = tuple[tuple[datetime, datetime, float], ...]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
HOUR_US: Final = 3_600_000_000
MINUTE_US: Final = 60_000_000


def us(at: datetime) -> int:
    """Whole microseconds since 1970."""
    return (at - EPOCH) // MICROSECOND


def instant(at_us: int) -> datetime:
    """The instant so many microseconds after 1970, in UTC. Exact until the year 2242."""
    return datetime.fromtimestamp(at_us / 1e6, UTC)


@dataclass(frozen=True, slots=True)
class CostSlot:
    """[start, end) with a price per kWh and a carbon intensity in g per kWh.

    `adder` (currency per kWh) counts when a plan is chosen and never as cost: a regional cap, or what it is worth to
    wait for prices. `estimated`: the price is expected, not published.
    """

    start: datetime
    end: datetime
    price: float
    carbon_g: float
    adder: float = 0.0
    estimated: bool = False


class Curve:
    """Sorted, disjoint slots with everything a plan asks of them worked out. Gaps are unknown."""

    __slots__ = (
        "_carbon",
        "_covered",
        "_edges",
        "_known",
        "_price",
        "_weight",
        "carbon_price",
        "ends",
        "known_until",
        "order",
        "rates",
        "slots",
        "starts",
    )

    def __init__(self, slots: Sequence[CostSlot], carbon_price_per_tonne: float) -> None:
        self.slots = tuple(slots)
        self.carbon_price = carbon_price_per_tonne
        self.starts = [us(slot.start) for slot in self.slots]
        self.ends = [us(slot.end) for slot in self.slots]
        #: What decides, in millionths of the currency per kWh.
        self.rates = [
            round((slot.price + slot.adder) * 1e6 + carbon_price_per_tonne * slot.carbon_g) for slot in self.slots
        ]
        by_cost = sorted(range(len(self.slots)), key=self.rates.__getitem__)
        #: (start, end) from the cheapest slot to the dearest; equal: the earlier first.
        self.order = [(self.starts[i], self.ends[i]) for i in by_cost]
        published = [slot.end for slot in self.slots if not slot.estimated]
        self.known_until = published[-1] if published else None
        touching = all(a == b for a, b in zip(self.ends, self.starts[1:], strict=False))
        self._covered = (self.starts[0], us(published[-1])) if published and touching else (0, 0)
        lengths = [end - start for start, end in zip(self.starts, self.ends, strict=True)]
        self._known = _sums(lengths, [1.0] * len(lengths))
        self._price = _sums(lengths, [slot.price for slot in self.slots])
        self._carbon = _sums(lengths, [slot.carbon_g for slot in self.slots])
        self._weight = _sums(lengths, [rate * 1e-6 for rate in self.rates])
        self._edges = {us(at): self._edge(us(at)) for slot in self.slots for at in (slot.start, slot.end)}

    @classmethod
    def of(cls, slots: Sequence[CostSlot], carbon_price_per_tonne: float = 0.0) -> Curve:
        """The curve of `slots`, carbon weighed at so much currency per tonne."""
        return cls(slots, carbon_price_per_tonne)

    def covers(self, start_us: int, end_us: int) -> bool:
        """Is there a published price for all of [start, end)? A curve with a gap covers nothing for sure."""
        return self._covered[0] <= start_us and end_us <= self._covered[1]

    def fill(self, spans: Iterable[tuple[int, int]], power_kw: float) -> tuple[Profile, float, float, float]:
        """Blocks, energy in kWh, cost and carbon in g of spans of known time at a constant power."""
        at_edge, between, per_us = self._edges.get, self._edge, power_kw / HOUR_US
        energy_kwh = price = carbon_g = 0.0
        blocks = []
        for start, end in spans:
            begin, p0, c0 = at_edge(start) or between(start)
            finish, p1, c1 = at_edge(end) or between(end)
            price += p1 - p0
            carbon_g += c1 - c0
            kwh = (end - start) * per_us
            energy_kwh += kwh
            blocks.append((begin, finish, kwh))
        return tuple(blocks), energy_kwh, price * per_us, carbon_g * per_us

    def _edge(self, at_us: int) -> tuple[datetime, float, float]:
        """An instant with the sums of price and carbon until then. For the edges of slots it is there already."""
        i = bisect_right(self.starts, at_us) - 1
        inside = at_us - self.starts[i]
        p0, price, _ = self._price[i]
        c0, carbon_g, _ = self._carbon[i]
        return instant(at_us), p0 + price * inside, c0 + carbon_g * inside

    def bill(self, profile: Profile) -> tuple[float, float]:
        """(cost, carbon in g) of a profile. Energy outside the slots counts at their average."""
        return self._sum(self._price, profile), self._sum(self._carbon, profile)

    def weigh(self, profile: Profile) -> float:
        """What decides between profiles of the same energy, in currency: cost, carbon at its price, and the adders."""
        return self._sum(self._weight, profile)

    def _sum(self, sums: _Sums, profile: Profile) -> float:
        """Energy times a rate, over a profile; the average rate outside the slots."""
        total = outside_kwh = 0.0
        for start, end, kwh in profile:
            a, b = us(start), us(end)
            i, j = bisect_right(self.starts, a) - 1, bisect_right(self.starts, b) - 1
            total += (_upto(sums, self.starts, j, b) - _upto(sums, self.starts, i, a)) * kwh / (b - a)
            if a < self._covered[0] or b > self._covered[1]:
                known_us = _upto(self._known, self.starts, j, b) - _upto(self._known, self.starts, i, a)
                outside_kwh += kwh * (1 - known_us / (b - a))
        if outside_kwh > 1e-9 and self.slots:
            total += outside_kwh * sums[-1][0] / self._known[-1][0]
        return total


#: Per slot: the sum before it, its rate, its length; last, the whole sum.
_Sums = list[tuple[float, float, int]]


def _sums(lengths: Sequence[int], rates: Sequence[float]) -> _Sums:
    sums: _Sums = []
    upto = 0.0
    for length, rate in zip(lengths, rates, strict=True):
        sums.append((upto, rate, length))
        upto += length * rate
    return [*sums, (upto, 0.0, 0)]


def _upto(sums: _Sums, starts: Sequence[int], i: int, at_us: int) -> float:
    """The sum until an instant in or after slot `i`, or before all slots (-1)."""
    if i < 0:
        return 0.0
    before, rate, length = sums[i]
    inside = at_us - starts[i]
    return before + rate * (min(length, inside))


def price_of(profile: Profile, slots: Sequence[CostSlot]) -> tuple[float, float]:
    """(cost, carbon in g) of a profile. Energy outside the slots counts at their average."""
    return Curve(slots, 0.0).bill(profile)


def combine(price: Forecast, carbon: Forecast | None, start: datetime, end: datetime) -> tuple[CostSlot, ...]:
    """Price and carbon inside [start, end), cut at the edges of both. No price: no slot.

    Where carbon is unknown it counts as the mean of what is known, so that it decides nothing; 0 g if nothing is.
    """
    grid = carbon.slots if carbon else ()
    usual = sum(slot.value for slot in grid) / len(grid) if grid else 0.0
    slots: list[CostSlot] = []
    first = 0
    for paid in price.slots:
        at, stop = max(paid.start, start), min(paid.end, end)
        while at < stop:
            while first < len(grid) and grid[first].end <= at:
                first += 1
            if first == len(grid) or grid[first].start > at:
                until, value = (stop if first == len(grid) else min(stop, grid[first].start)), usual
            else:
                until, value = min(stop, grid[first].end), grid[first].value
            slots.append(CostSlot(at, until, paid.value, value))
            at = until
    return tuple(slots)
