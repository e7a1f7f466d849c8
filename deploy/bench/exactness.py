"""The planner against its judges, problem by problem; what differs is a line that `d2ev plan` can be given."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from deploy.bench import brute, highs
from deploy.bench.problems import problem
from deploy.bench.statement import TINY, Statement
from deploy.plan_lines import read
from streams.domain.planner import plan

#: Currency: two plans that differ by less cost the same.
BOUND: Final = 1e-6
_GRID_MINUTES: Final = (5, 1)
_HOUR: Final = timedelta(hours=1)


@dataclass
class Verdict:
    """What the judges say of many problems."""

    problems: int = 0
    worst: float = 0.0
    mismatches: list[str] = field(default_factory=list)

    def add(self, line: dict[str, Any]) -> None:
        """Judge one more problem."""
        difference, faults = judge(line)
        self.problems += 1
        self.worst = max(self.worst, difference)
        if faults:
            self.mismatches.append(f"{'; '.join(faults)}: {json.dumps(line)}")


def verdict(variant: str, seeds: Iterable[int]) -> Verdict:
    """What the judges say of these problems of a variant."""
    found = Verdict()
    for seed in seeds:
        found.add({"id": f"{variant}-{seed}", **problem(variant, seed)})
    return found


def judge(line: dict[str, Any]) -> tuple[float, list[str]]:
    """How far the plan for a line is from the optimum in currency, and what is wrong with it."""
    stated = Statement.of(line)
    request = read(json.dumps(line).encode()).request
    made = plan(request)
    hours = [((a - request.now) / _HOUR, (b - request.now) / _HOUR, kwh) for a, b, kwh in made.blocks]
    faults = stated.faults(hours)
    room = highs.most_kwh(stated)
    short = 0.0 if stated.vehicle.get("taper") else max(0.0, stated.need - room)
    if abs(made.shortfall_kwh - short) > TINY or made.reachable != (short <= TINY):
        faults.append(f"{made.shortfall_kwh} kWh short instead of {short}")
    if abs(made.energy_kwh - (stated.need - short)) > TINY:
        faults.append(f"{made.energy_kwh} kWh instead of {stated.need - short}")
    if abs(made.objective - stated.bill(hours, deciding=False)) > BOUND:
        faults.append(f"the objective is {stated.bill(hours, deciding=False)}, not {made.objective}")
    if short > TINY:
        return abs(made.shortfall_kwh - short), faults
    least = _optimum(stated)(stated)
    difference = abs(stated.bill(hours, deciding=True) - least)
    if difference > BOUND:
        faults.append(f"it costs {stated.bill(hours, deciding=True)} instead of {least}")
    return difference, faults


def _optimum(stated: Statement) -> Callable[[Statement], float]:
    """Who judges: the simplest judge whose programme can say what is asked."""
    if stated.vehicle.get("taper"):
        return brute.least_cost_of_all
    if stated.min_block or stated.min_pause:
        return lambda given: highs.least_cost_on_a_grid(given, _step(given))
    if stated.max_blocks is not None or stated.penalty:
        return highs.least_cost_of_blocks
    return highs.least_cost


def _step(stated: Statement) -> float:
    """The widest grid in hours on which everything lies."""
    lengths = [stated.deadline, stated.need / stated.power, stated.min_block, stated.min_pause]
    values = [*lengths, *(edge for slot in stated.slots for edge in (slot.start, slot.end))]
    for minutes in _GRID_MINUTES:
        if all(abs(v * 60 / minutes - round(v * 60 / minutes)) < 1e-6 for v in values):
            return minutes / 60
    raise ValueError("judged on whole minutes only")
