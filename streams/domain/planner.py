"""The cheapest way to put a given energy into a car before a given time: one sort and one pass, exact.

Power is on or off, so any minute can be bought or left: if a plan used a slot while a cheaper one had room,
moving a minute over would not cost more. At most one slot is therefore used in part. No solver, no clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from streams.contracts.forecast import Forecast

#: (start, end, energy at the wall in kWh), sorted and disjoint.
Profile = tuple[tuple[datetime, datetime, float], ...]

_SLACK_S: Final = 1e-6  # datetimes resolve microseconds; a shorter shortfall is rounding
_Span = tuple[datetime, datetime, float]  # start, end, seconds


@dataclass(frozen=True, slots=True)
class CostSlot:
    """[start, end) with a known price per kWh and carbon intensity in g per kWh."""

    start: datetime
    end: datetime
    price: float
    carbon_g: float


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """One car, one deadline. Energies and power at the wall; sorted disjoint slots, gaps are unknown.

    `need_kwh` reaches the target; its first `min_need_kwh` are charged at once, whatever they cost.
    """

    now: datetime
    ready_by: datetime
    slots: tuple[CostSlot, ...]
    need_kwh: float
    min_need_kwh: float
    power_kw: float
    carbon_price_per_tonne: float
    charging_now: bool
    margin: timedelta


@dataclass(frozen=True, slots=True)
class Plan:
    """When to charge. Energies at the wall; `objective` = cost + carbon price x carbon.

    Energy in time without a known price counts at the average known price. `provisional`: part of the window
    has no price yet. `ready_at` is when the target is reached, after `ready_by` if it is not reachable.
    """

    blocks: Profile
    energy_kwh: float
    cost: float
    carbon_g: float
    objective: float
    reachable: bool
    shortfall_kwh: float
    ready_at: datetime
    known_until: datetime | None
    provisional: bool


def plan(request: PlanRequest) -> Plan:
    """The cheapest plan that meets the target; when none can, everything from now. ValueError: no power."""
    if request.power_kw <= 0:
        raise ValueError("power_kw must be positive")
    need_s = max(0.0, request.need_kwh) / request.power_kw * 3600
    room_s = max(0.0, (request.ready_by - request.now).total_seconds())
    if need_s <= _SLACK_S:
        return _finish(request, [], 0.0, provisional=False)
    if need_s > room_s + _SLACK_S:
        everything = [(request.now, request.ready_by, room_s)] if room_s else []
        return _finish(request, everything, need_s, provisional=False)
    fits_margin = need_s <= room_s - request.margin.total_seconds() + _SLACK_S
    deadline = request.ready_by - request.margin if fits_margin else request.ready_by
    return _within(request, need_s, deadline)


def price_of(profile: Profile, slots: Sequence[CostSlot]) -> tuple[float, float]:
    """(cost, carbon in g) of a sorted profile. Energy outside the slots counts at their average."""
    cost = carbon_g = outside_kwh = 0.0
    first = 0
    for start, end, energy_kwh in profile:
        whole = end - start
        inside = 0.0
        while first < len(slots) and slots[first].end <= start:
            first += 1
        for slot in islice(slots, first, None):
            if slot.start >= end:
                break
            share = (min(end, slot.end) - max(start, slot.start)) / whole
            inside += share
            cost += share * energy_kwh * slot.price
            carbon_g += share * energy_kwh * slot.carbon_g
        outside_kwh += max(0.0, 1 - inside) * energy_kwh
    if outside_kwh > 1e-9 and slots:
        price, carbon = _average(slots)
        return cost + outside_kwh * price, carbon_g + outside_kwh * carbon
    return cost, carbon_g


def combine(price: Forecast, carbon: Forecast | None, start: datetime, end: datetime) -> tuple[CostSlot, ...]:
    """Price and carbon inside [start, end), cut at the edges of both. No price: no slot. No carbon: 0 g."""
    grid = carbon.slots if carbon else ()
    slots: list[CostSlot] = []
    first = 0
    for paid in price.slots:
        at, stop = max(paid.start, start), min(paid.end, end)
        while at < stop:
            while first < len(grid) and grid[first].end <= at:
                first += 1
            if first == len(grid) or grid[first].start > at:
                until, value = (stop if first == len(grid) else min(stop, grid[first].start)), 0.0
            else:
                until, value = min(stop, grid[first].end), grid[first].value
            slots.append(CostSlot(at, until, paid.value, value))
            at = until
    return tuple(slots)


def _average(slots: Sequence[CostSlot]) -> tuple[float, float]:
    hours = [(slot.end - slot.start) / timedelta(hours=1) for slot in slots]
    price = sum(h * slot.price for h, slot in zip(hours, slots, strict=True)) / sum(hours)
    return price, sum(h * slot.carbon_g for h, slot in zip(hours, slots, strict=True)) / sum(hours)


def _within(request: PlanRequest, need_s: float, deadline: datetime) -> Plan:
    """Minimum first, then the cheapest known time; the unknown only as far as needed, as late as possible."""
    soon_s = min(need_s, max(0.0, request.min_need_kwh) / request.power_kw * 3600)
    soon = request.now + _seconds(soon_s)
    spans: list[_Span] = [(request.now, soon, soon_s)] if soon_s > _SLACK_S else []
    left_s = need_s - soon_s
    known, costs = _known(request, soon, deadline)
    known_s = sum(span[2] for span in known)
    unknown_s = (deadline - soon).total_seconds() - known_s
    if not known:  # nothing to choose by: charging proceeds
        spans.append((soon, soon + _seconds(left_s), left_s))
    elif left_s <= known_s + _SLACK_S:
        spans += _cheapest(known, costs, left_s, joined=request.charging_now or bool(spans))
    else:
        spans += sorted(known + _latest(_gaps(known, soon, deadline), left_s - known_s))
    return _finish(request, spans, need_s, provisional=unknown_s > _SLACK_S)


def _known(request: PlanRequest, start: datetime, end: datetime) -> tuple[list[_Span], list[int]]:
    """The known time in [start, end), its cost in millionths of the currency: less decides nothing."""
    spans: list[_Span] = []
    costs: list[int] = []
    weight = request.carbon_price_per_tonne
    for slot in request.slots:
        a, b = slot.start, slot.end
        if a < start or b > end:
            a, b = max(a, start), min(b, end)
        if a < b:
            spans.append((a, b, (b - a).total_seconds()))
            costs.append(round(slot.price * 1e6 + weight * slot.carbon_g))
    return spans, costs


def _cheapest(known: list[_Span], costs: list[int], need_s: float, *, joined: bool) -> list[_Span]:
    """The cheapest `need_s` seconds of the known spans, in time order; equal cost: the earlier."""
    taken = [False] * len(known)
    for i in sorted(range(len(known)), key=costs.__getitem__):
        if need_s <= _SLACK_S:
            break
        if need_s < known[i][2] - _SLACK_S:
            left = taken[i - 1] and known[i - 1][1] == known[i][0] if i else joined
            right = i + 1 < len(known) and taken[i + 1] and known[i + 1][0] == known[i][1]
            known[i] = _part(known[i], need_s, late=right and not left)
            need_s = 0.0
        else:
            need_s -= known[i][2]
        taken[i] = True
    return [span for span, use in zip(known, taken, strict=True) if use]


def _part(span: _Span, need_s: float, *, late: bool) -> _Span:
    start, end, _ = span
    return (end - _seconds(need_s), end, need_s) if late else (start, start + _seconds(need_s), need_s)


def _gaps(known: list[_Span], start: datetime, end: datetime) -> list[_Span]:
    edges = [start, *(edge for a, b, _ in known for edge in (a, b)), end]
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return [(a, b, (b - a).total_seconds()) for a, b in pairs if a < b]


def _latest(gaps: list[_Span], need_s: float) -> list[_Span]:
    spans: list[_Span] = []
    for gap in reversed(gaps):
        if need_s <= _SLACK_S:
            break
        spans.append(_part(gap, need_s, late=True) if need_s < gap[2] else gap)
        need_s -= gap[2]
    return spans


def _finish(request: PlanRequest, spans: list[_Span], need_s: float, *, provisional: bool) -> Plan:
    """Spans that touch become one block; what they cost is read off the slots."""
    merged: list[_Span] = []
    for start, end, seconds in spans:
        if merged and merged[-1][1] == start:
            merged[-1] = (merged[-1][0], end, merged[-1][2] + seconds)
        elif seconds > 0:
            merged.append((start, end, seconds))
    blocks = tuple((start, end, seconds * request.power_kw / 3600) for start, end, seconds in merged)
    cost, carbon_g = price_of(blocks, request.slots)
    missing_s = max(0.0, need_s - sum(seconds for _, _, seconds in merged))
    reachable = missing_s <= 2 * _SLACK_S
    return Plan(
        blocks=blocks,
        energy_kwh=sum(energy_kwh for _, _, energy_kwh in blocks),
        cost=cost,
        carbon_g=carbon_g,
        objective=cost + request.carbon_price_per_tonne * carbon_g * 1e-6,
        reachable=reachable,
        shortfall_kwh=0.0 if reachable else missing_s * request.power_kw / 3600,
        ready_at=(blocks[-1][1] if blocks else request.now) if reachable else request.now + _seconds(need_s),
        known_until=request.slots[-1].end if request.slots else None,
        provisional=provisional,
    )


def _seconds(value: float) -> timedelta:
    return timedelta(seconds=value)
