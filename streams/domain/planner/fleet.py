"""The plans of many cars at once: cars on one curve share its table, so a plan is one look into it.

All that a plan depends on, given the curve and the policy, is the deadline, the need and whether the car charges. The
table of a curve has them all; what deadlines there are is laid out as one array of answers, and each car takes its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.domain.planner.curve import MINUTE_US, Curve
from streams.domain.planner.grid import Shape, tabulate
from streams.domain.planner.minutes import per_minute
from streams.domain.planner.problem import Policy, start_cost

Ints = NDArray[Any]

#: Start and end of two blocks.
EDGES: Final = 4
#: Cars done at once: what is worked on stays in the cache.
_BATCH: Final = 1 << 14
_MINUTE: Final = timedelta(minutes=1)
_NEVER: Final = 1 << 62


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
    if longest < cars.need.max(initial=0) or cars.deadline.min(initial=now) < now:  # out of reach in any case
        cars = cars._replace(need=np.minimum(cars.need, longest + 1), deadline=np.maximum(cars.deadline, now))
    kinds, kind = _kinds(curves, policy, cars)
    answers = _Answers(kinds, policy, now, window, longest)
    edges = np.empty((len(kind), EDGES), dtype=np.int32)
    whole = edges.view(np.complex128)[:, 0]
    for at in range(0, len(kind), _BATCH):
        rows = slice(at, at + _BATCH)
        asked = kind[rows] * np.int32(window + 1)
        asked += cars.deadline[rows]
        asked -= np.int32(now)
        place = answers.first(asked)
        place += cars.need[rows]
        answers.plans.take(place, out=whole[rows], mode="clip")
    return edges


class _Kind(NamedTuple):
    """Cars that share a table."""

    curve: Curve
    charging: bool
    power_kw: float


def _kinds(curves: Sequence[Curve], policy: Policy, cars: Cars) -> tuple[list[_Kind], Ints]:
    """The kinds of car there can be, and each car's."""
    kind = cars.curve.astype(np.int32, copy=False)
    if cars.charging.any():
        kind = kind + cars.charging * np.int32(len(curves))
    if policy.start_penalty <= 0:
        return [_Kind(curve, going, 1.0) for going in (False, True) for curve in curves], kind
    powers, power = np.unique(cars.power_kw, return_inverse=True)
    kinds = [_Kind(curve, going, kw) for kw in powers.tolist() for going in (False, True) for curve in curves]
    return kinds, kind + power.astype(np.int32) * np.int32(2 * len(curves))


class _Answers:
    """Plans by kind, deadline and need, laid out when a deadline is first asked for."""

    def __init__(self, kinds: list[_Kind], policy: Policy, now: int, window: int, longest: int) -> None:
        self._kinds, self._policy, self._now = kinds, policy, now
        self._window, self._longest = window, longest
        self._tables: dict[int, _Table] = {}
        self._first = np.full(len(kinds) * (window + 1), -1, dtype=np.int64)
        #: Plans as 16 bytes each; a deadline has those for needs of 0 to longest + 1.
        self.plans = np.empty(0, dtype=np.complex128)

    def first(self, asked: Ints) -> Ints:
        """Where the plans of a kind and deadline (kind x (window + 1) + minutes from now) begin."""
        first = self._first.take(asked)
        if len(first) and first.min() < 0:
            self._lay_out(np.unique(asked[first < 0]))
            first = self._first.take(asked)
        return first

    def _lay_out(self, asked: Ints) -> None:
        added = []
        for kind, deadlines in _grouped(asked, self._window + 1):
            if kind not in self._tables:
                self._tables[kind] = _Table(self._kinds[kind], self._policy, self._now, self._window, self._longest)
            added.append(self._tables[kind].plans(deadlines))
        self._first[asked] = len(self.plans) + np.arange(len(asked)) * (self._longest + 2)
        self.plans = np.concatenate((self.plans, *added))


def _grouped(asked: Ints, width: int) -> list[tuple[int, Ints]]:
    kinds, deadlines = np.divmod(asked, width)
    return [(kind, deadlines[kinds == kind]) for kind in np.unique(kinds).tolist()]


class _Table:
    """The plans of one kind of car."""

    def __init__(self, kind: _Kind, policy: Policy, now: int, window: int, longest: int) -> None:
        rates, usable = per_minute(kind.curve, now, now + window)
        self._sums, self._dark = (np.concatenate(([0], np.cumsum(values))) for values in (rates, ~usable))
        self._shape = Shape(
            max_blocks=policy.max_blocks,
            min_block=-(-policy.min_block // _MINUTE),
            min_pause=-(-policy.min_pause // _MINUTE),
            start_cost=start_cost(policy.start_penalty, kind.power_kw, MINUTE_US),
            charging=kind.charging,
        )
        self._now, self._longest = now, longest
        self._table = tabulate(rates, usable, longest, self._shape) if longest else None

    def plans(self, deadlines: Ints) -> Ints:
        """Blocks by deadline and need, as 16 bytes each."""
        needs = np.arange(self._longest + 2)
        plans = np.full((len(deadlines), len(needs), EDGES), -1, dtype=np.int32)
        if self._table is not None:
            edges = self._table.edges(np.repeat(deadlines, len(needs)), np.tile(needs, len(deadlines)))
            plans[:, :, : edges.shape[1]] = edges.reshape(len(deadlines), len(needs), -1)
        shorts = range(1, min(self._shape.min_block, self._longest + 1))
        plans[:, 1 : len(shorts) + 1] = -1
        for short in shorts:
            plans[:, short, :2] = _one_block(self._sums, self._dark, short, self._shape, deadlines)
        np.add(plans, np.int32(self._now), out=plans, where=plans >= 0)
        return plans.reshape(-1, EDGES).view(np.complex128)[:, 0]


def _one_block(sums: Ints, dark: Ints, need: int, shape: Shape, deadlines: Ints) -> Ints:
    """Start and end of the cheapest block of a need shorter than the least block; -1 where there is none.

    `sums` and `dark`: rates and unusable minutes before each minute. Of equals the first; going on costs no start.
    """
    bits = len(sums).bit_length()
    costs = sums[need:] - sums[:-need]
    costs += shape.start_cost
    costs <<= bits + 1
    costs += np.arange(1 << bits, len(costs) + (1 << bits))
    if shape.charging:
        costs[0] -= (2 * shape.start_cost + 1) << bits
        costs[1 : shape.min_pause] = _NEVER
    costs[dark[need:] > dark[:-need]] = _NEVER
    least = np.minimum.accumulate(costs)[np.maximum(deadlines - need, 0)]
    start = least & (1 << bits) - 1
    fits = (least < _NEVER) & (deadlines >= need)
    return np.where(fits, (start, start + need), -1).T
