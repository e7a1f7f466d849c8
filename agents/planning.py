"""vehicle state, wishes and forecasts -> schedules: the plan in force for every car, published when it changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import inf
from typing import Any

from agents.engine.stage import Record, Stage, StoreDamaged, Work
from agents.observe import observer
from streams.contracts.forecast import Forecast, ForecastKind
from streams.contracts.preference import Preference
from streams.contracts.registration import Registration
from streams.contracts.vehicle import VehicleState
from streams.domain.caps import dithered, group_of
from streams.domain.case import PlanRules
from streams.domain.forecasts import forecast_key, merge
from streams.domain.market import Market
from streams.domain.planner.columns import Columns
from streams.domain.planning import (
    PlanningState,
    decide,
    observe_preference,
    observe_registration,
    observe_schedule,
    observe_state,
    watched,
)
from streams.topics import PREFERENCE, REGISTRATION, REPLAN, SCHEDULE, VEHICLE
from tables import CURVES, PLANS

_observe: Callable[[PlanningState, object], PlanningState] = observer(
    {Registration: observe_registration, Preference: observe_preference, VehicleState: observe_state}
)


def stage(rules: PlanRules) -> Stage:
    """The stage, planning by `rules`."""
    planner = Planner(rules)
    return Stage(
        "planning",
        reads=(REGISTRATION, PREFERENCE, VEHICLE, REPLAN),
        writes=(SCHEDULE,),
        tables=(PLANS, CURVES),
        step=planner.step,
        restore=planner.restore,
    )


class Planner:
    """Plans a car when something about it changes, and whom a new vintage matters to when it arrives."""

    def __init__(self, rules: PlanRules) -> None:
        self._rules = rules
        #: Adders level out what slots cost: there is next to nothing left to save, but only moving keeps the cap.
        self._afresh = replace(rules, worthwhile=-inf)

    def restore(self, work: Work) -> None:
        """The plans in force as columns, from the table."""
        for car, planning in work.items(PLANS):
            self._watch(work, car, planning)

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
        rules = self._afresh if vintage.kind is ForecastKind.ADDER else self._rules
        for car in sorted(self._concerned(work, vintage)):
            planning = work.get(PLANS, car)
            if planning is not None:
                self._plan_or_put_off(work, planning, rules)

    def _concerned(self, work: Work, vintage: Forecast) -> Iterator[str]:
        """The cars that may get another plan by the vintage: judged all at once, so perhaps some that do not."""
        is_price = vintage.kind is ForecastKind.PRICE
        columns, now = _columns(work), work.now
        for name in columns.curves:
            if vintage.key == (name.tariff if is_price else name.region):
                market = None if _capped(work, name.region) else _market(work, name.tariff, name.region)
                curve = market.curve(name.carbon_price, now, now) if market else None
                yield from columns.reconsider(name, curve, int(now.timestamp()), self._rules.policy())

    def _plan_or_put_off(self, work: Work, planning: PlanningState, rules: PlanRules) -> None:
        """A car whose rule fails keeps its plan; it must not cost the others their prices."""
        try:
            self._plan(work, planning, planning, rules)
        except StoreDamaged:
            raise
        except Exception as error:
            work.put_off.append(error)

    def _plan(self, work: Work, before: PlanningState, planning: PlanningState, rules: PlanRules | None = None) -> None:
        enrolled = planning.registration
        if enrolled is not None:
            market = _market(work, enrolled.tariff, enrolled.region, enrolled.car)
            schedule = decide(planning, market, work.now, rules or self._rules)
            if schedule is not None:
                planning = observe_schedule(planning, schedule)
                work.send(SCHEDULE, planning.car, schedule)
        if planning is not before:
            work.put(PLANS, planning.car, planning)
            self._watch(work, planning.car, planning)

    def _watch(self, work: Work, car: str, planning: PlanningState) -> None:
        row = watched(planning, self._rules)
        if row is None:
            _columns(work).drop(car)
        else:
            _columns(work).put(car, row)


def _columns(work: Work) -> Columns:
    columns: Columns = work.memory.scratch.setdefault("columns", Columns())
    return columns


def _capped(work: Work, region: str) -> bool:
    """Are adders in force that keep a cap? Then each car sees its own group's costs, and is judged alone."""
    adders: Forecast | None = work.get(CURVES, f"adder:{region}")
    return adders is not None and any(slot.value for slot in adders.slots if slot.end > work.now)


def _market(work: Work, tariff: str, region: str, car: str = "") -> Market | None:
    """The market that a car sees, made once for all that see the same: anew when any of its curves is another."""
    price = work.get(CURVES, f"price:{tariff}")
    if price is None:
        return None
    carbon = work.get(CURVES, f"carbon:{region}")
    adders = work.get(CURVES, f"adder:{region}")
    group = group_of(car) if _capped(work, region) else None
    made_of = (price, carbon, adders)
    markets: dict[Any, tuple[Any, Market]] = work.memory.scratch.setdefault("markets", {})
    known = markets.get((tariff, region, group))
    if known is None or known[0] != made_of:
        seen = adders if group is None or adders is None else dithered(adders, group)
        known = markets[tariff, region, group] = (made_of, Market(price, carbon, seen))
    return known[1]


def _forget(work: Work, record: Record) -> None:
    """A tombstone of the registration erases the car; of anything else, it says nothing here."""
    if record.topic == REGISTRATION.name and work.get(PLANS, record.key) is not None:
        work.delete(PLANS, record.key)
        _columns(work).drop(record.key)
        work.send(SCHEDULE, record.key, None)
