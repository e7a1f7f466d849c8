"""The plans of many cars at once: cars on one curve share its table, so a plan is one look into it.

All that a plan depends on, given the curve and the policy, is the deadline, the need and whether the car charges. The
table of a curve has them all; what deadlines there are is laid out as one array of answers, and each car takes its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.domain.planner.curve import MINUTE_US, Curve
from streams.domain.planner.grid import Shape, tabulate
from streams.domain.planner.minutes import _per_minute as per_minute
from streams.domain.planner.problem import Policy, start_cost

Ints = NDArray[Any]

#: Start and end of two blocks.
EDGES: Final = 4
#: Cars done at once: what is worked on stays in the cache.
_BATCH: Final = 1 << 14
_MINUTE: Final = timedelta(minutes=1)


class Cars(NamedTuple):
    """One row per car: `curve` (place in the list of curves), `deadline` (minutes since 1970), `need` (minutes on).

    `power_kw` only matters when starts have a penalty.
    """

    curve: Ints
    deadline: Ints
    need: Ints
    charging: NDArray[np.bool_]
    power_kw: NDArray[np.float64]


def plan_many(curves: Sequence[Curve], now: int, policy: Policy, cars: Cars) -> Ints:
    """Start and end of the at most two blocks of every car, in minutes since 1970, as int32 rows filled up with -1.

    `now` in minutes since 1970. These are the blocks of `plan`, in whole minutes, for the time until the deadline (a
    margin is taken off before). All -1: nothing is needed, or the known time does not hold the need, and `plan` is to
    be asked. ValueError for a policy of more than two blocks.
    """
    if policy.max_blocks not in {1, 2}:
        raise ValueError("a fleet is planned with one or two blocks")
    window = max(0, int(cars.deadline.max(initial=now)) - now)
    longest = min(int(cars.need.max(initial=0)), window)
    deadlines, needs = np.maximum(cars.deadline, now), np.minimum(cars.need, longest + 1)
    kinds, kind = _kinds(curves, policy, cars)
    places = np.empty(len(kind), dtype=np.int64)
    asked = np.zeros(len(kinds) * (window + 1), dtype=np.bool_)
    for rows in _batches(len(places)):
        places[rows] = kind[rows] * np.int32(window + 1) + (deadlines[rows] - np.int32(now))
        asked[places[rows]] = True
    first, answers = _answers(kinds, now, policy, asked.reshape(len(kinds), -1), longest)
    edges = np.empty((len(places), EDGES), dtype=np.int32)
    whole = edges.view(np.complex128)[:, 0]
    for rows in _batches(len(places)):
        place = first.take(places[rows])
        place += needs[rows]
        answers.take(place, out=whole[rows], mode="clip")
    return edges


@dataclass(frozen=True, slots=True)
class _Kind:
    """Cars that share a table."""

    curve: Curve
    charging: bool
    power_kw: float


def _kinds(curves: Sequence[Curve], policy: Policy, cars: Cars) -> tuple[list[_Kind], Ints]:
    """The kinds of car there can be, and each car's."""
    kind = cars.curve.astype(np.int32)
    if cars.charging.any():
        kind = kind + cars.charging * np.int32(len(curves))
    if policy.start_penalty <= 0:
        return [_Kind(curve, going, 1.0) for going in (False, True) for curve in curves], kind
    powers, power = np.unique(cars.power_kw, return_inverse=True)
    kinds = [_Kind(curve, going, kw) for kw in powers.tolist() for going in (False, True) for curve in curves]
    return kinds, kind + power.astype(np.int32) * np.int32(2 * len(curves))


def _batches(count: int) -> list[slice]:
    return [slice(at, at + _BATCH) for at in range(0, count, _BATCH)]


def _answers(kinds: list[_Kind], now: int, policy: Policy, asked: Ints, longest: int) -> tuple[Ints, Ints]:
    """The plans for the deadlines asked for, by need 0 to longest + 1, 16 bytes each; where each deadline begins."""
    first = np.zeros(asked.shape, dtype=np.int64)
    found = [np.full((1, longest + 2, EDGES), -1, dtype=np.int32)]
    count = 1
    for kind, row in enumerate(asked):
        deadlines = np.flatnonzero(row)
        if len(deadlines) and longest:
            first[kind, deadlines] = (count + np.arange(len(deadlines))) * (longest + 2)
            count += len(deadlines)
            found.append(_table(kinds[kind], now, policy, deadlines, longest))
    return first.ravel(), np.concatenate(found).reshape(-1, EDGES).view(np.complex128)[:, 0]


def _table(kind: _Kind, now: int, policy: Policy, deadlines: Ints, longest: int) -> Ints:
    rates, usable = per_minute(kind.curve, now, now + int(deadlines[-1]))
    penalty = start_cost(policy.start_penalty, kind.power_kw, MINUTE_US)
    shape = Shape(
        max_blocks=policy.max_blocks,
        min_block=-(-policy.min_block // _MINUTE),
        min_pause=-(-policy.min_pause // _MINUTE),
        start_cost=penalty,
        charging=kind.charging,
    )
    needs = np.arange(longest + 2)
    plans = np.full((len(deadlines), longest + 2, EDGES), -1, dtype=np.int32)
    table = tabulate(rates, usable, longest, shape)
    by, need = np.repeat(deadlines, len(needs)), np.tile(needs, len(deadlines))
    width = 2 * (policy.max_blocks or 1)
    plans[:, :, :width] = table.edges(by, need).reshape(len(deadlines), len(needs), width)
    for short in range(1, min(shape.min_block, longest + 1)):
        plans[:, short, :2] = _one_block(rates, usable, short, shape)[deadlines]
        plans[:, short, 2:] = -1
    return np.where(plans < 0, plans, plans + np.int32(now))


def _one_block(rates: Ints, usable: Ints, need: int, shape: Shape) -> Ints:
    """By deadline: start and end of the cheapest block of a need shorter than the least block; -1 where there is none.

    Of equals the first; a block that goes on costs no start.
    """
    window = len(rates)
    best = np.full((window + 1, 2), -1, dtype=np.int64)
    if need > window:
        return best
    sums, dark = (np.concatenate(([0], np.cumsum(values))) for values in (rates, ~usable))
    costs = (sums[need:] - sums[:-need] + shape.start_cost) * 2 + 1
    fits = dark[need:] == dark[:-need]
    if shape.charging:
        costs[0] -= 2 * shape.start_cost + 1
        fits[1 : shape.min_pause] = False
    never = np.int64(np.abs(costs).max() + 1)
    costs = np.where(fits, costs, never)
    lowest = np.minimum.accumulate(costs)
    starts = np.maximum.accumulate(np.where(np.diff(lowest, prepend=never) < 0, np.arange(len(costs)), -1))
    best[need:, 0] = starts
    best[need:, 1] = np.where(starts < 0, -1, starts + need)
    return best
