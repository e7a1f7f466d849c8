"""A finished session in numbers: cost and CO2 beside charging at once, by a timer and with foresight."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from streams.contracts.forecast import Forecast
from streams.contracts.session import Amounts, Promise, SessionSettled
from streams.domain.counterfactual import oracle, timer, unmanaged
from streams.domain.ids import stable_id
from streams.domain.meter import OpenSession, meter, soc_at
from streams.domain.planner import CostSlot, Profile, combine, price_of
from streams.domain.planning import NO_CURRENCY

__all__ = ["OpenSession", "Profile", "meter", "oracle", "price_of", "settle", "timer", "unmanaged"]

#: Cars report whole percents: this much below the target still is the target.
ROUNDING_POINTS: Final = 1.0
#: Energy that may lie outside the known slots before an amount counts as unknown.
_UNKNOWN_SHARE: Final = 0.01


def settle(opened: OpenSession, price: Forecast | None, carbon: Forecast | None, now: datetime) -> SessionSettled:
    """The account of a session. Amounts are null unless the forecast covers all four ways to charge."""
    start, end = opened.session.plugged_at, opened.session.ended_at or now
    slots = combine(price, carbon, start, end) if price else ()
    ways = _ways(opened, start, end, slots)
    bills = [price_of(way, slots) for way in ways]
    promise, reason = promise_of(opened, end)
    return SessionSettled(
        id=stable_id(opened.car, opened.session.id, "settled", opened.session.revision),
        car=opened.car,
        session_id=opened.session.id,
        revision=opened.session.revision,
        plugged_at=start,
        ended_at=end,
        settled_at=now,
        energy_kwh=sum(kwh for _, _, kwh in opened.energy),
        start_soc_pct=opened.track[0][1] if opened.track else None,
        end_soc_pct=opened.track[-1][1] if opened.track else None,
        currency=_currency(opened, price),
        cost=_amounts([cost for cost, _ in bills]) if _covers(price, ways) else None,
        carbon_g=_amounts([grams for _, grams in bills]) if slots and _covers(carbon, ways) else None,
        promise=promise,
        reason=reason,
    )


def promise_of(opened: OpenSession, ended_at: datetime) -> tuple[Promise, str]:
    """What became of the promise, and why. A target that was in reach when promised can only be missed."""
    first, latest = opened.first, opened.latest
    if first is None or latest is None:
        return Promise.NOT_MADE, "no_plan"
    if latest.paused:
        return Promise.NOT_MADE, "paused"
    left_early = ended_at < latest.ready_by
    reached_pct = soc_at(opened, min(ended_at, latest.ready_by))
    if reached_pct is None:
        return Promise.NOT_MADE, "soc_unknown"
    if reached_pct >= latest.target_pct - ROUNDING_POINTS:
        return Promise.MET, "target_reached"
    reason = f"soc_{reached_pct:.0f}_of_{latest.target_pct:.0f}"
    if left_early:
        return Promise.LEFT_EARLY, reason
    return (Promise.MISSED if first.reachable else Promise.UNREACHABLE), reason


def _ways(opened: OpenSession, start: datetime, end: datetime, slots: tuple[CostSlot, ...]) -> list[Profile]:
    """Managed, unmanaged, timer, oracle: the same energy four ways."""
    energy_kwh, power_kw = sum(kwh for _, _, kwh in opened.energy), opened.power_kw
    carbon_price = opened.latest.carbon_price_per_tonne if opened.latest else 0.0
    return [
        opened.energy,
        unmanaged(energy_kwh, power_kw, start, end),
        timer(energy_kwh, power_kw, start, end, opened.home_zone),
        oracle(energy_kwh, power_kw, start, end, slots, carbon_price),
    ]


def _amounts(values: list[float]) -> Amounts:
    managed, at_once, timed, best = values
    return Amounts(managed=managed, unmanaged=at_once, timer=timed, oracle=best)


def _covers(forecast: Forecast | None, ways: list[Profile]) -> bool:
    """Is (nearly) all energy of every way inside known slots?"""
    if forecast is None:
        return False
    flat = [CostSlot(slot.start, slot.end, 1.0, 0.0) for slot in forecast.slots]
    return all(_inside_kwh(way, flat) >= (1 - _UNKNOWN_SHARE) * sum(kwh for _, _, kwh in way) for way in ways)


def _inside_kwh(way: Profile, slots: list[CostSlot]) -> float:
    shares = (
        (min(end, slot.end) - max(start, slot.start)) / (end - start) * kwh
        for start, end, kwh in way
        for slot in slots
        if slot.start < end and start < slot.end
    )
    return sum(shares)


def _currency(opened: OpenSession, price: Forecast | None) -> str:
    if price is not None:
        return price.unit.split("/")[0]
    return opened.latest.currency if opened.latest else NO_CURRENCY
