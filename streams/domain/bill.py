"""Energy on slots: which part of what went in is charged at which price, and what a curve knows of a whole stay."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from streams.contracts.forecast import Forecast
from streams.contracts.session import SLOTS_MAX, SettledSlot
from streams.domain.planner import CostSlot, Profile


def within(forecast: Forecast | None, start: datetime, end: datetime) -> Forecast | None:
    """The curve in [start, end), in the slots that touch it; None unless it has a value for every moment."""
    if forecast is None:
        return None
    slots = forecast.slots
    first = max(0, bisect_right(slots, start, key=lambda slot: slot.start) - 1)
    last = bisect_left(slots, end, lo=first, key=lambda slot: slot.start)
    inside = slots[first : max(first + 1, last)]
    touching = all(a.end == b.start for a, b in pairwise(inside))
    whole = inside[0].start <= start and end <= inside[-1].end and touching
    return forecast.model_copy(update={"slots": inside}) if whole else None


def itemised(energy: Profile, slots: Sequence[CostSlot], *, carbon_known: bool) -> tuple[SettledSlot, ...]:
    """The slots that energy went into; both are sorted and disjoint. Energy outside the slots is left out."""
    lines: list[SettledSlot] = []
    first = 0
    for slot in slots:
        while first < len(energy) and energy[first][1] <= slot.start:
            first += 1
        kwh = sum(_shares(energy, first, slot))
        if kwh > 0:
            carbon = slot.carbon_g if carbon_known else None
            lines.append(
                SettledSlot(start=slot.start, end=slot.end, energy_kwh=kwh, price=slot.price, carbon_g_per_kwh=carbon)
            )
    while len(lines) > SLOTS_MAX:
        lines = [joined(lines[i : i + 2]) for i in range(0, len(lines), 2)]
    return tuple(lines)


def joined(lines: Sequence[SettledSlot]) -> SettledSlot:
    """Lines as one: price and intensity are the means by energy, so the sums stay."""
    kwh = sum(line.energy_kwh for line in lines)
    grams = [line.energy_kwh * line.carbon_g_per_kwh for line in lines if line.carbon_g_per_kwh is not None]
    return SettledSlot(
        start=lines[0].start,
        end=lines[-1].end,
        energy_kwh=kwh,
        price=sum(line.energy_kwh * line.price for line in lines) / kwh,
        carbon_g_per_kwh=sum(grams) / kwh if grams else None,
    )


def total(lines: Sequence[SettledSlot]) -> tuple[float, float]:
    """(cost, carbon in g) of a bill; unknown carbon is left out."""
    return (
        sum(line.energy_kwh * line.price for line in lines),
        sum(line.energy_kwh * (line.carbon_g_per_kwh or 0.0) for line in lines),
    )


def _shares(energy: Profile, first: int, slot: CostSlot) -> list[float]:
    """What the pieces from `first` on put into the slot."""
    shares = []
    for start, end, kwh in energy[first:]:
        if start >= slot.end:
            break
        shares.append((min(end, slot.end) - max(start, slot.start)) / (end - start) * kwh)
    return shares
