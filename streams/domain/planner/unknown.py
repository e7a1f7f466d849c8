"""Prices that are not published yet: what waiting for them is worth.

After the next publication the best n hours of what then lies ahead cost the sum of its n smallest prices. Their
expectation is the sum of averaged order statistics: sort the prices of each past day, then average rank by rank. Plain
averages would overstate the price of waiting, for the least of many is less than their mean.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import accumulate, pairwise
from typing import Final

from streams.contracts.forecast import Forecast, Slot
from streams.domain.planner.curve import CostSlot

DAY: Final = timedelta(days=1)
#: How many past days serve as scenarios.
SCENARIOS: Final = 7


def next_publication(price: Forecast, now: datetime) -> datetime:
    """When more prices are due: vintages come at the same time every day."""
    ahead = max(1, -((price.issued_at - now) // DAY)) if price.issued_at <= now else 0
    at = price.issued_at + ahead * DAY
    return at if at > now else at + DAY


def expected(price: Forecast, until: datetime) -> tuple[Slot, ...]:
    """Slots from the last published price until `until`, with the mean of the same hour of past days.

    Empty without a whole day of history.
    """
    known = price.slots
    first = known[-1].end
    pattern = [slot for slot in known if slot.start >= first - DAY]
    if not pattern or pattern[0].start > first - DAY or not _days(known, first):
        return ()
    slots: list[Slot] = []
    days = 0
    while first + days * DAY < until:
        days += 1
        for slot in pattern:
            start, end = slot.start + days * DAY, min(slot.end + days * DAY, until)
            if start < end:
                past = _past(known, start)
                slots.append(Slot(start=start, end=end, value=sum(past) / len(past)))
    return tuple(slots)


def worth_waiting(
    slots: Sequence[CostSlot], price: Forecast, carbon_price_per_tonne: float, reveal: datetime
) -> tuple[CostSlot, ...]:
    """The slots, those from `reveal` on with the adder that makes their costs averaged order statistics.

    Published prices enter every scenario as they are. Raises ValueError when an estimated slot has no past.
    """
    before = [slot for slot in slots if slot.start < reveal]
    after = [slot for slot in slots if slot.start >= reveal]
    if not any(slot.estimated for slot in after):
        return tuple(slots)
    carbon = [carbon_price_per_tonne * slot.carbon_g * 1e-6 for slot in after]
    lengths = [(slot.end - slot.start).total_seconds() for slot in after]
    pasts = [_past(price.slots, slot.start) if slot.estimated else [slot.price] * SCENARIOS for slot in after]
    scenarios = [
        [past[d] + grams for past, grams in zip(pasts, carbon, strict=True)] for d in range(min(map(len, pasts)))
    ]
    ranked = sorted(range(len(after)), key=lambda i: after[i].price + carbon[i])
    edges = [0.0, *accumulate(lengths[i] for i in ranked)]
    means = [0.0] * len(after)
    for costs in scenarios:
        for k, cost in enumerate(_sorted_costs(costs, lengths, edges)):
            means[ranked[k]] += cost / len(scenarios)
    return (
        *before,
        *(
            replace(slot, adder=slot.adder + mean - slot.price - grams)
            for slot, mean, grams in zip(after, means, carbon, strict=True)
        ),
    )


def _sorted_costs(costs: Sequence[float], lengths: Sequence[float], edges: Sequence[float]) -> list[float]:
    """The costs in rising order, averaged over each piece between `edges` of the time they fill."""
    order = sorted(range(len(costs)), key=costs.__getitem__)
    ends = list(accumulate(lengths[i] for i in order))
    paid = [0.0, *accumulate(costs[i] * lengths[i] for i in order)]

    def upto(at: float) -> float:
        k = min(bisect_right(ends, at), len(order) - 1)
        begun = ends[k] - lengths[order[k]]
        return paid[k] + costs[order[k]] * (at - begun)

    return [(upto(b) - upto(a)) / (b - a) for a, b in pairwise(edges)]


def _past(known: Sequence[Slot], at: datetime) -> list[float]:
    """Published prices at the same time of the days before the last published price, the newest first."""
    last = known[-1].end
    while at >= last:
        at -= DAY
    found = []
    starts = [slot.start for slot in known]
    for _ in range(SCENARIOS):
        i = bisect_right(starts, at) - 1
        if i < 0 or known[i].end <= at:
            break
        found.append(known[i].value)
        at -= DAY
    return found


def _days(known: Sequence[Slot], end: datetime) -> int:
    """How many whole days before `end` are published without a gap at their start."""
    return len(_past(known, end - DAY))
