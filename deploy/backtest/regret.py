"""Why managed charging cost more than foresight: one cause after the other is switched on, so the parts add up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, NamedTuple

from deploy.backtest.insight import Insight, Outturn
from deploy.backtest.visit import Conduct
from streams.domain.case import PlanRules

#: The step that has real forecasts and nothing else of reality.
IDEAL: Final = 1

_NOW: Final = timedelta(0)


class Step(NamedTuple):
    """One more piece of reality, and the run of the live rule that has it."""

    cause: str
    conduct: Conduct
    insight: Insight
    rules: PlanRules


def steps(conduct: Conduct, vintages: Insight, outturn: Outturn, rules: PlanRules) -> list[Step]:
    """From a perfect world to the one that was run; the last step is the managed run itself.

    The first differs from the oracle by the rules alone: blocks, pauses, margin, offsets, minimum first, kept plans.
    """
    ideal = Conduct(detection=_NOW, command=_NOW, rough=False)
    car = Conduct(detection=_NOW, command=_NOW, rough=conduct.rough)
    late = Conduct(detection=_NOW, command=conduct.command, rough=conduct.rough)
    return [
        Step("block_and_delay_policy", ideal, outturn, rules),
        Step("forecast_error", ideal, vintages, rules),
        Step("power_and_soc_model", car, vintages, rules),
        Step("late_commands", late, vintages, rules),
        Step("detection_leak", conduct, vintages, rules),
    ]


def split(oracle: float, runs: Sequence[float]) -> dict[str, float]:
    """The regret of one stay by cause, from the objective of the oracle and of each step's run; sums to the whole."""
    before = (oracle, *runs)
    return {cause: after - earlier for cause, earlier, after in zip(CAUSES, before, runs, strict=False)}


CAUSES: Final = (
    "block_and_delay_policy",
    "forecast_error",
    "power_and_soc_model",
    "late_commands",
    "detection_leak",
)
