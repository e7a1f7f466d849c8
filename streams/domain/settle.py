"""A finished session in numbers: cost and CO2 beside charging at once, by a timer and with foresight."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from streams.contracts.forecast import Forecast
from streams.contracts.session import Amounts, Promise, SessionSettled, SettledSlot
from streams.domain.bill import itemised, total, within
from streams.domain.counterfactual import oracle, timer, unmanaged
from streams.domain.ids import stable_id
from streams.domain.meter import OpenSession, meter, soc_at
from streams.domain.planner import CostSlot, Curve, Profile, combine, price_of
from streams.domain.planning import NO_CURRENCY
from streams.domain.told import Told, believed_g

__all__ = ["OpenSession", "Profile", "meter", "oracle", "price_of", "settle", "timer", "unmanaged"]

#: Cars report whole percents: this much below the target still is the target.
ROUNDING_POINTS: Final = 1.0


class _Books(NamedTuple):
    """What the four ways cost and emitted, as far as the curves know the whole stay."""

    cost: Amounts | None = None
    carbon_g: Amounts | None = None
    slots: tuple[SettledSlot, ...] | None = None
    price_issued_at: datetime | None = None
    carbon_issued_at: datetime | None = None


def settle(
    opened: OpenSession,
    told: Told | None,
    price: Forecast | None,
    carbon: Forecast | None,
    now: datetime,
    before: SessionSettled | None = None,
) -> SessionSettled:
    """The account of a session, the one that follows `before`. Amounts are null unless the whole stay is known."""
    session, end = opened.session, opened.session.ended_at or now
    books = _books(opened, told, end, price, carbon)
    cost, carbon_g = books.cost, books.carbon_g
    promise, reason = promise_of(opened, told, end)
    revision = max(session.revision, before.revision + 1 if before else 1)
    return SessionSettled(
        id=stable_id(opened.car, session.id, "settled", revision),
        car=opened.car,
        session_id=session.id,
        revision=revision,
        session_revision=session.revision,
        plugged_at=session.plugged_at,
        ended_at=end,
        settled_at=now,
        energy_kwh=_energy_kwh(opened),
        power_kw=_power_kw(opened, told),
        start_soc_pct=opened.track[0][1] if opened.track else None,
        end_soc_pct=opened.track[-1][1] if opened.track else None,
        currency=_currency(told, price),
        cost=cost,
        carbon_g=carbon_g,
        saving=cost.unmanaged - cost.managed if cost else None,
        carbon_saved_g=carbon_g.unmanaged - carbon_g.managed if carbon_g else None,
        carbon_believed_g=believed_g(opened.energy, told),
        slots=books.slots,
        price_issued_at=books.price_issued_at,
        carbon_issued_at=books.carbon_issued_at,
        promise=promise,
        reason=reason,
    )


def promise_of(opened: OpenSession, told: Told | None, ended_at: datetime) -> tuple[Promise, str]:
    """What became of the promise, and why. A target that was in reach when promised can only be missed."""
    if told is None or told.first is None or told.latest is None:
        return Promise.NOT_MADE, "no_plan"
    latest = told.latest
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
    return (Promise.MISSED if told.first.reachable else Promise.UNREACHABLE), reason


def _books(
    opened: OpenSession, told: Told | None, end: datetime, price: Forecast | None, carbon: Forecast | None
) -> _Books:
    energy = opened.energy
    since = min([opened.session.plugged_at, *(start for start, _, _ in energy[:1])])
    until = max([end, *(stop for _, stop, _ in energy[-1:])])
    price, known_carbon = within(price, since, until), within(carbon, since, until)
    if price is None:
        return _Books()
    slots = combine(price, known_carbon, since, until)
    lines = itemised(energy, slots, carbon_known=known_carbon is not None)
    curve = Curve.of(slots)
    bills = [total(lines), *(curve.bill(way) for way in _others(opened, told, end, slots))]
    return _Books(
        cost=_amounts([cost for cost, _ in bills]),
        carbon_g=_amounts([grams for _, grams in bills]) if known_carbon else None,
        slots=lines,
        price_issued_at=price.issued_at,
        carbon_issued_at=known_carbon.issued_at if known_carbon else None,
    )


def _others(opened: OpenSession, told: Told | None, end: datetime, slots: tuple[CostSlot, ...]) -> list[Profile]:
    """Unmanaged, timer, oracle: the same energy in the same stay, by what was known of the car at plug-in."""
    base, start = opened.baseline, opened.session.plugged_at
    energy_kwh, power_kw = _energy_kwh(opened), _power_kw(opened, told)
    latest = told.latest if told else None
    best_by = end
    if latest is not None and not latest.paused and opened.energy:
        best_by = min(end, max(latest.ready_by, opened.energy[-1][1]))
    return [
        unmanaged(energy_kwh, power_kw, start, end),
        timer(energy_kwh, power_kw, start, end, base.home_zone, base.timer_at, base.timer_until),
        oracle(energy_kwh, power_kw, start, best_by, slots, latest.carbon_price_per_tonne if latest else 0.0),
    ]


def _energy_kwh(opened: OpenSession) -> float:
    return sum(kwh for _, _, kwh in opened.energy)


def _power_kw(opened: OpenSession, told: Told | None) -> float:
    """What the first plan of the session expected of the car, as learned by then; else what it is registered with."""
    return (told.power_kw if told else None) or opened.baseline.power_kw


def _amounts(values: list[float]) -> Amounts:
    managed, at_once, timed, best = values
    return Amounts(managed=managed, unmanaged=at_once, timer=timed, oracle=best)


def _currency(told: Told | None, price: Forecast | None) -> str:
    if price is not None:
        return price.unit.split("/")[0]
    return told.latest.currency if told and told.latest else NO_CURRENCY
