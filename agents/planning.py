"""vehicle state, wishes and forecasts -> schedules: the plan in force for every car, published when it changes."""

from __future__ import annotations

from collections.abc import Callable

from agents.engine.stage import Record, Stage, Work
from agents.observe import observer
from streams.contracts.forecast import Forecast, ForecastKind
from streams.contracts.preference import Preference
from streams.contracts.registration import Registration
from streams.contracts.vehicle import VehicleState
from streams.domain.case import PlanRules
from streams.domain.forecasts import forecast_key, merge
from streams.domain.market import Market
from streams.domain.planning import (
    PlanningState,
    decide,
    observe_preference,
    observe_registration,
    observe_schedule,
    observe_state,
)
from streams.topics import PREFERENCE, REGISTRATION, REPLAN, SCHEDULE, VEHICLE
from tables import CURVES, PLANS

_observe: Callable[[PlanningState, object], PlanningState] = observer(
    {Registration: observe_registration, Preference: observe_preference, VehicleState: observe_state}
)


def stage(rules: PlanRules) -> Stage:
    """The stage, planning by `rules`."""
    return Stage(
        "planning",
        reads=(REGISTRATION, PREFERENCE, VEHICLE, REPLAN),
        writes=(SCHEDULE,),
        tables=(PLANS, CURVES),
        step=Planner(rules).step,
    )


class Planner:
    """Plans a car when something about it changes, and all cars of a tariff or region when a vintage arrives."""

    def __init__(self, rules: PlanRules) -> None:
        self._rules = rules

    def step(self, work: Work) -> None:
        for record in work:
            if isinstance(record.value, Forecast):
                self._new_vintage(work, record.value)
            elif record.value is None:
                _forget(work, record)
            else:
                known = work.get(PLANS, record.key) or PlanningState(car=record.key)
                self._plan(work, known, _observe(known, record.value))

    def _new_vintage(self, work: Work, vintage: Forecast) -> None:
        key = forecast_key(vintage)
        known = work.get(CURVES, key)
        curve = merge(known, vintage)
        if curve == known:
            return
        work.put(CURVES, key, curve)
        is_price = vintage.kind is ForecastKind.PRICE
        for car, stored in work.items(PLANS):
            planning = work.get(PLANS, car) or stored
            enrolled = planning.registration
            if enrolled is not None and vintage.key == (enrolled.tariff if is_price else enrolled.region):
                self._plan(work, planning, planning)

    def _plan(self, work: Work, before: PlanningState, planning: PlanningState) -> None:
        enrolled = planning.registration
        if enrolled is not None:
            schedule = decide(planning, _market(work, enrolled), work.now, self._rules)
            if schedule is not None:
                planning = observe_schedule(planning, schedule)
                work.send(SCHEDULE, planning.car, schedule)
        if planning is not before:
            work.put(PLANS, planning.car, planning)


def _market(work: Work, enrolled: Registration) -> Market | None:
    """The market of a tariff and region, made once for all its cars: anew when any of its curves is another."""
    price = work.get(CURVES, f"price:{enrolled.tariff}")
    if price is None:
        return None
    carbon = work.get(CURVES, f"carbon:{enrolled.region}")
    adders = work.get(CURVES, f"adder:{enrolled.region}")
    markets: dict[tuple[str, str], Market] = work.memory.scratch.setdefault("markets", {})
    market = markets.get((enrolled.tariff, enrolled.region))
    if market is None or (market.price, market.carbon, market.adders) != (price, carbon, adders):
        market = markets[enrolled.tariff, enrolled.region] = Market(price, carbon, adders)
    return market


def _forget(work: Work, record: Record) -> None:
    """A tombstone of the registration erases the car; of anything else, it says nothing here."""
    if record.topic == REGISTRATION.name and work.get(PLANS, record.key) is not None:
        work.delete(PLANS, record.key)
        work.send(SCHEDULE, record.key, None)
