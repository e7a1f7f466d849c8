"""One car, in process: how long a plan takes on a prepared curve, beside HiGHS' linear programme."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from itertools import pairwise
from math import log
from random import Random
from statistics import median, quantiles
from time import perf_counter_ns
from typing import Any, Final

from deploy.bench.blocks import LIVE
from streams.domain.planner import CostSlot, Curve, PlanRequest, Policy, plan

NOT_INSTALLED: Final = "scipy is not installed: make setup-dev"
_ROUNDS: Final = 5
_BESIDE: Final = 200
_START: Final = datetime(2023, 5, 14, 12, tzinfo=UTC)
_MINUTE: Final = timedelta(minutes=1)


def measure(calls: int = 10_000) -> dict[str, float | str]:
    """Microseconds per plan: median and 99th percentile of `calls` different cars, in the calmest of five rounds."""
    asked = requests(calls)
    blocks = [replace(request, policy=LIVE) for request in asked]
    with _no_collector():
        free_us, blocks_us = _calmest(asked), _calmest(blocks)
        return {
            "planner_us_p50": _percentile(free_us, 50),
            "planner_us_p99": _percentile(free_us, 99),
            "planner_blocks_us_p50": _percentile(blocks_us, 50),
            "planner_blocks_us_p99": _percentile(blocks_us, 99),
            **_beside_highs(asked[:_BESIDE]),
        }


def requests(count: int) -> list[PlanRequest]:
    """Cars of one tariff with 48 half hours to choose from, seeded; the first and the last begin or end amid a slot."""
    r = Random(20230514)
    half_hours = [_START + 30 * n * _MINUTE for n in range(49)]
    slots = [
        CostSlot(start, end, r.randrange(-200, 4000) / 1e4, float(r.randrange(40, 320)))
        for start, end in pairwise(half_hours)
    ]
    curve = Curve.of(slots, 100.0)
    return [
        PlanRequest(
            now=_START + r.randrange(1, 30) * _MINUTE,
            ready_by=_START + r.randrange(1411, 1440) * _MINUTE,
            curve=curve,
            need_kwh=7.4 * round(min(45.0, max(2.0, r.lognormvariate(log(10), 0.6))) / 7.4 * 60) / 60,
            power_kw=7.4,
            policy=Policy(max_blocks=None),
        )
        for _ in range(count)
    ]


def _calmest(asked: Sequence[PlanRequest]) -> list[float]:
    """Microseconds of every call in the round that took least: others use the machine as well."""
    return min(([_timed(plan, request) for request in asked] for _ in range(_ROUNDS)), key=sum)


def _beside_highs(asked: Sequence[PlanRequest]) -> dict[str, float | str]:
    """Both on the same 48 half hours, round by round in turn; HiGHS is given its matrices ready made."""
    if find_spec("scipy") is None:
        return {"highs_us": NOT_INSTALLED, "highs_over_planner_ratio": NOT_INSTALLED}
    from scipy.optimize import linprog

    def solve(problem: dict[str, Any]) -> Any:
        return linprog(**problem, method="highs")

    days = [replace(request, now=_START, ready_by=_START + timedelta(days=1)) for request in asked]
    problems = [_linear(request) for request in days]
    rounds = [(_mean_us(plan, days), _mean_us(solve, problems)) for _ in range(_ROUNDS)]
    ratio = median(theirs / ours for ours, theirs in rounds)
    return {
        "planner_beside_highs_us": round(median(ours for ours, _ in rounds), 2),
        "highs_us": round(median(theirs for _, theirs in rounds), 1),
        "highs_over_planner_ratio": round(ratio, 1),
    }


def _linear(request: PlanRequest) -> dict[str, Any]:
    """Energy per slot, as much as is needed, at the least cost."""
    curve, inside = request.curve, []
    for slot in curve.slots:
        hours = (min(slot.end, request.ready_by) - max(slot.start, request.now)) / timedelta(hours=1)
        if hours > 0:
            inside.append((slot.price + curve.carbon_price * slot.carbon_g * 1e-6, hours * request.power_kw))
    return {
        "c": [cost for cost, _ in inside],
        "A_eq": [[1.0] * len(inside)],
        "b_eq": [request.need_kwh],
        "bounds": [(0.0, room) for _, room in inside],
    }


def _timed(call: Callable[[Any], Any], argument: Any) -> float:
    """Microseconds."""
    began = perf_counter_ns()
    call(argument)
    return (perf_counter_ns() - began) / 1000


def _mean_us(call: Callable[[Any], Any], arguments: Sequence[Any]) -> float:
    """Microseconds per call, of all calls together: a clock read around each would weigh on the shorter."""
    began = perf_counter_ns()
    for argument in arguments:
        call(argument)
    return (perf_counter_ns() - began) / 1000 / len(arguments)


def _percentile(values: Sequence[float], percent: int) -> float:
    return round(quantiles(values, n=100)[percent - 1], 2)


@contextmanager
def _no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
