"""One backtest: every stay under the live rule, beside the other ways, entered line by line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from deploy.backtest.insight import Outturn, Vintages
from deploy.backtest.recording import Recording
from deploy.backtest.regret import IDEAL, split, steps
from deploy.backtest.stays import Stay
from deploy.backtest.visit import Conduct, Outcome, visit
from deploy.backtest.ways import Bill, bill, others
from streams.contracts.session import Promise
from streams.domain.case import PlanRules
from streams.domain.counterfactual import unmanaged
from streams.domain.planner import Profile
from streams.domain.settle import ROUNDING_POINTS


@dataclass(frozen=True, slots=True)
class Line:
    """One stay in the books. `regret`: by cause, in the currency with carbon priced in."""

    stay: Stay
    outcome: Outcome
    promise: Promise
    bills: dict[str, Bill]
    regret: dict[str, float]
    #: How long a car charges before it can be stopped.
    leak: timedelta

    @property
    def at_once(self) -> Profile:
        """The delivered energy from plug-in on."""
        return unmanaged(self.outcome.energy_kwh, self.stay.power_kw, self.stay.plugged_at, self.stay.end)

    def objective(self, way: str) -> float:
        """Cost with carbon priced in."""
        return self.bills[way].objective(self.stay.preference.carbon_price_per_tonne)


class Setting(NamedTuple):
    """What all stays of a run share."""

    price: Recording
    carbon: Recording | None
    conduct: Conduct
    rules: PlanRules


def drive(setting: Setting, stays: Sequence[Stay], done: Callable[[], None]) -> list[Line]:
    """Every stay under the live rule, in order of plug-in; `done` is called after each."""
    books = _Books(setting)
    lines = []
    for stay in stays:
        lines.append(books.line(stay))
        done()
    return lines


class _Books:
    def __init__(self, setting: Setting) -> None:
        self._vintages = Vintages(setting.price, setting.carbon)
        self._outturn = Outturn(setting.price, setting.carbon)
        self._steps = steps(setting.conduct, self._vintages, self._outturn, setting.rules)
        self._leak = setting.conduct.detection + setting.conduct.command
        #: What each car was seen to draw, by step: no run learns from another.
        self._learned: list[dict[str, float | None]] = [{} for _ in self._steps]

    def line(self, stay: Stay) -> Line:
        """One stay, every way."""
        outcomes = [self._drive(stay, n) for n in range(len(self._steps))]
        managed = outcomes[-1]
        carbon_price = stay.preference.carbon_price_per_tonne
        curve = self._outturn.curve(stay.plugged_at, carbon_price)
        bills = others(stay, managed.profile, self._outturn, self._vintages, curve)
        runs = [_scaled(bill(one.profile, curve), one, managed) for one in outcomes]
        bills |= {"managed": runs[-1], "ideal": runs[IDEAL]}
        return Line(
            stay=stay,
            outcome=managed,
            promise=_promise(stay, managed),
            bills=bills,
            leak=self._leak,
            regret=split(bills["oracle"].objective(carbon_price), [one.objective(carbon_price) for one in runs]),
        )

    def _drive(self, stay: Stay, n: int) -> Outcome:
        step, learned = self._steps[n], self._learned[n]
        car = stay.registration.car
        outcome = visit(stay, step.conduct, step.insight, step.rules, learned.get(car))
        learned[car] = outcome.learned_kw
        return outcome


def _scaled(bill: Bill, outcome: Outcome, managed: Outcome) -> Bill:
    """A run's bill for as much energy as managed charging delivered: a rounded percent more or less is no regret."""
    share = managed.energy_kwh / outcome.energy_kwh if outcome.energy_kwh > 0 else 1.0
    return Bill(bill.cost * share, bill.carbon_g * share, bill.blocks)


def _promise(stay: Stay, outcome: Outcome) -> Promise:
    """As settled live: by what the car tells. Feasible and not met is missed."""
    if outcome.ready_pct >= stay.preference.target_soc_pct - ROUNDING_POINTS:
        return Promise.MET
    if stay.left_early:
        return Promise.LEFT_EARLY
    return Promise.MISSED if stay.feasible else Promise.UNREACHABLE
