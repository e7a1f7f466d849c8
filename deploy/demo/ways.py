"""What the same energy in the same stay costs as metered, at once, by a 00:30 timer, or by an oracle."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from streams.contracts.forecast import Slot
from streams.domain.planner import CostSlot
from streams.domain.settle import Profile, oracle, price_of, timer, unmanaged

#: The ways, beside one another.
WAYS = ("managed", "unmanaged", "timer", "oracle")


class Totals(NamedTuple):
    """What some charging cost, in the currency of the prices, and emitted."""

    cost: float
    carbon_g: float

    def objective(self, carbon_price_per_tonne: float) -> float:
        """Cost with carbon priced in."""
        return self.cost + carbon_price_per_tonne * self.carbon_g / 1e6


@dataclass(frozen=True)
class Span:
    """Room to charge: [start, end) of a home in `zone` at no more than `power_kw` at the wall."""

    start: datetime
    end: datetime
    power_kw: float
    zone: str


class Settlement:
    """Final prices and actual carbon on one grid of slots without gaps."""

    def __init__(self, prices: Sequence[Slot], carbon: Sequence[Slot]) -> None:
        """Raises ValueError unless both have the same slots, each beginning where the one before ends."""
        if [(s.start, s.end) for s in prices] != [(s.start, s.end) for s in carbon] or not prices:
            raise ValueError("settlement needs price and carbon slots with the same edges, at least one")
        if any(earlier.end != later.start for earlier, later in pairwise(prices)):
            raise ValueError("settlement slots must follow each other without a gap")
        self._slots = [
            CostSlot(paid.start, paid.end, paid.value, emitted.value)
            for paid, emitted in zip(prices, carbon, strict=True)
        ]
        self._starts = [slot.start for slot in self._slots]

    def covers(self, start: datetime, end: datetime) -> bool:
        """Is every moment of [start, end) settled?"""
        return self._slots[0].start <= start and end <= self._slots[-1].end

    def within(self, start: datetime, end: datetime) -> tuple[CostSlot, ...]:
        """The slots that [start, end) touches."""
        return tuple(self._slots[bisect_right(self._starts, start) - 1 : bisect_left(self._starts, end)])


def four_ways(metered: Profile, span: Span, carbon_price_per_tonne: float, settlement: Settlement) -> dict[str, Totals]:
    """The totals of each of the `WAYS` to charge what was metered inside a settled span."""
    energy_kwh = sum(kwh for _, _, kwh in metered)
    slots = settlement.within(span.start, span.end)
    best = oracle(energy_kwh, span.power_kw, span.start, span.end, slots, carbon_price_per_tonne)
    at_once = unmanaged(energy_kwh, span.power_kw, span.start, span.end)
    profiles = (metered, at_once, timer(energy_kwh, span.power_kw, span.start, span.end, span.zone), best)
    return {way: Totals(*price_of(profile, slots)) for way, profile in zip(WAYS, profiles, strict=True)}
