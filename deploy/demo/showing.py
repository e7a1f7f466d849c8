"""What terminal and page say alike: in which state a car is, who starts next, prices in everyday units."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from deploy.demo.live import Car, Live
from streams.contracts.driver_status import StatusReason
from streams.contracts.notification import NotificationPhase
from streams.contracts.session import Promise
from streams.contracts.telemetry import Charge


class CarState(StrEnum):
    """The states a person tells apart at a glance, in the order they are shown."""

    CHARGING = "charging"
    WAITING = "waiting"
    DONE = "done"
    ATTENTION = "needs attention"
    UNPLUGGED = "unplugged"
    UNKNOWN = "not heard yet"


_STATES: Final = {
    StatusReason.UNPLUGGED: CarState.UNPLUGGED,
    StatusReason.AWAY: CarState.UNPLUGGED,
    StatusReason.WAITING_FOR_CHEAP: CarState.WAITING,
    StatusReason.ADVICE_ONLY: CarState.WAITING,
    StatusReason.PLANNING: CarState.WAITING,
    StatusReason.STOPPING: CarState.WAITING,
    StatusReason.PAUSED: CarState.WAITING,
    StatusReason.STARTING: CarState.CHARGING,
    StatusReason.CHARGING_AS_PLANNED: CarState.CHARGING,
    StatusReason.CHARGING_BOOST: CarState.CHARGING,
    StatusReason.CHARGING_BY_DRIVER: CarState.CHARGING,
    StatusReason.STOPPED_BY_DRIVER: CarState.WAITING,
    StatusReason.OWN_SCHEDULE: CarState.WAITING,
    StatusReason.AT_RISK: CarState.ATTENTION,
    StatusReason.AT_TARGET: CarState.DONE,
    StatusReason.CANNOT_CONTROL: CarState.ATTENTION,
    StatusReason.CANNOT_BE_READY: CarState.ATTENTION,
    StatusReason.LINK_LOST: CarState.ATTENTION,
    StatusReason.UNKNOWN: CarState.UNKNOWN,
}
_SMALL_COIN: Final = {"EUR": "ct", "GBP": "p", "USD": "¢"}


class Money(NamedTuple):
    """How prices per kWh of a currency are written: `unit`, and what to multiply the amount with."""

    unit: str
    factor: float


@dataclass(frozen=True)
class SettledSoFar:
    """Sums over the sessions settled from telemetry so far; amounts only of those with a price and a carbon value."""

    sessions: int
    cost: float
    cost_unmanaged: float
    carbon_kg: float
    carbon_kg_unmanaged: float
    promises: dict[str, int]


def state_of(car: Car) -> CarState:
    """The car's state at a glance."""
    if car.status is None:
        return CarState.UNKNOWN
    if car.status.reason is StatusReason.ADVICE_ONLY and car.status.charge is Charge.CHARGING:
        return CarState.CHARGING
    return _STATES[car.status.reason]


def states(live: Live) -> dict[CarState, int]:
    """Cars per state, every state named, in the order shown."""
    count = Counter(map(state_of, live.cars.values()))
    return {state: count[state] for state in CarState}


def next_starts(live: Live, limit: int) -> list[tuple[datetime, Car]]:
    """The next announced starts, soonest first."""
    announced = [
        (car.status.next_start, car)
        for car in live.cars.values()
        if car.status and car.status.next_start and car.status.next_start > live.now
    ]
    return sorted(announced, key=lambda start: (start[0], start[1].key))[:limit]


def pushes_sent(live: Live) -> int:
    """How many pushes reached a driver, of those still kept per car."""
    return sum(push.phase is NotificationPhase.SENT for car in live.cars.values() for push in car.pushes)


def local_time(at: datetime, zone: str) -> str:
    """Weekday, date, wall time and the zone's short name, which tells two equal wall times apart."""
    return f"{at.astimezone(ZoneInfo(zone)):%a %d %b %H:%M %Z}"


def per_kwh(currency: str) -> Money:
    """Prices per kWh in the small coin people know, where there is one."""
    coin = _SMALL_COIN.get(currency)
    return Money(f"{coin}/kWh", 100.0) if coin else Money(f"{currency}/kWh", 1.0)


def saving_pct(instead: float, paid: float) -> float | None:
    """How much less was paid than it would have been instead, in percent; None where there was nothing to pay."""
    return 100 * (instead - paid) / instead if instead > 0 else None


def settled_so_far(live: Live) -> SettledSoFar:
    """The books so far, as drivers are told them. The summary's come from the meters instead."""
    latest = {s.session_id: s for car in live.cars.values() for s in car.sessions}.values()
    costs = [s.cost for s in latest if s.cost]
    carbon = [s.carbon_g for s in latest if s.carbon_g]
    promises = Counter(s.promise for s in latest)
    return SettledSoFar(
        sessions=len(latest),
        cost=sum(c.managed for c in costs),
        cost_unmanaged=sum(c.unmanaged for c in costs),
        carbon_kg=sum(c.managed for c in carbon) / 1000,
        carbon_kg_unmanaged=sum(c.unmanaged for c in carbon) / 1000,
        promises={promise.value: promises[promise] for promise in Promise},
    )
