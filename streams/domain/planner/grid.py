"""The best blocks on a grid of whole minutes, for every deadline and every need at once, by dynamic programming.

The pass goes forward from a common start. Its state is how many blocks were begun, how many minutes were on, and
whether the car charges. What ends by minute t with m minutes on is the answer for the deadline t and the need m, so one
table serves a car with any of the rules, and a whole fleet on one curve.

Plans are ordered completely, so that the answer does not depend on the algorithm: least cost, fewest starts, then the
last block ends earliest, starts latest, then the block before it likewise. Going forward these are local choices among
equals: having stopped earlier beats stopping now, starting now beats having started earlier.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[Any]

_NEVER: Final = 1 << 61


@dataclass(frozen=True, slots=True)
class Shape:
    """How blocks may look; lengths in minutes.

    `max_blocks`: None is any number. `min_block`: no block is shorter, but one that runs at the start may end any time;
    needs below it have no answer (ask for one block of the whole need instead). `min_pause`: no gap is shorter, nor the
    one after a block that runs at the start and stops at once. `start_cost`: in units of rate x minute (x weight), at
    least 0. `charging`: a block runs at the start; going on costs no start but counts as a block. `forced`: it counts
    also when it stops at once, because it had to run before the start.
    """

    max_blocks: int | None
    min_block: int
    min_pause: int
    start_cost: int
    charging: bool
    forced: bool = False


class Table:
    """The best blocks by deadline (minutes from the start) and need (minutes on)."""

    def __init__(self, shape: Shape, keys: Ints, ends: Ints, begins: Ints, scale: int, base: Ints) -> None:
        self._shape = shape
        #: By minute, blocks - 1 (or 0: any number) and minutes on: cost x scale + starts, the end of the last block of
        #: a car at rest, the begin of the running block of one that charges.
        self._keys, self._ends, self._begins = keys, ends, begins
        self._scale, self._base = scale, base

    def blocks(self, deadline: int, need: int) -> list[tuple[int, int]] | None:
        """Minutes [start, end) in time order; None when no plan has exactly `need` minutes on by `deadline`."""
        row = self.edges(np.array([deadline]), np.array([need]))[0].tolist()
        if need > 0 and (not row or row[0] < 0):
            return None
        return [(a, b) for a, b in zip(row[::2], row[1::2], strict=True) if a >= 0]

    def cost(self, deadline: int, need: int) -> int | None:
        """Rate x minutes (x weight) of the best blocks with their start costs; None when there are none."""
        if need <= 0:
            return 0
        deadline = min(deadline, len(self._keys) - 1)
        if need > deadline or need >= self._keys.shape[2]:
            return None
        key = int(self._keys[deadline, :, need].min())
        return None if key >= _NEVER else key // self._scale + int(self._base[need])

    def edges(self, deadlines: Ints, needs: Ints) -> Ints:
        """Many at once: int16 rows of start, end, start, end, ..., filled up with -1; all -1 where there is no plan."""
        times = np.clip(deadlines, 0, len(self._keys) - 1)
        needs = np.where(needs < self._keys.shape[2], needs, 0)
        keys = self._keys[times, :, needs]
        least = keys.min(axis=1)
        asked = (needs > 0) & (least < _NEVER)
        best = self._walk(times, needs, keys.argmin(axis=1), asked)
        if self._shape.charging:  # going on with a block more can tie with not going on
            for layer in range(1, keys.shape[1]):
                tied = asked & (keys[:, layer] == least)
                other = self._walk(times, needs, np.full(len(times), layer), tied)
                best = np.where((tied & _precedes(other, best))[:, None], other, best)
        return best

    def _walk(self, times: Ints, needs: Ints, layers: Ints, asked: Ints) -> Ints:
        """From block to block, the last one first."""
        found: list[tuple[Ints, Ints, Ints]] = []
        rows = np.flatnonzero(asked)
        at, on, layer = times[rows], needs[rows], layers[rows]
        count = np.zeros(len(times), dtype=np.int64)
        while len(rows):
            ends = self._ends[at, layer, on].astype(np.int64)
            begins = self._begins[ends, layer, on].astype(np.int64)
            found.append((rows, begins, ends))
            count[rows] += 1
            on = on - (ends - begins)
            more = on > 0
            rows, on, layer = rows[more], on[more], np.maximum(layer[more] - 1, 0)
            at = begins[more] - self._shape.min_pause
        width = 2 * (self._shape.max_blocks or max(len(found), 1))
        edges = np.full((len(times), width), -1, dtype=np.int16)
        for place, (rows, begins, ends) in enumerate(found):
            column = 2 * (count[rows] - 1 - place)
            edges[rows, column] = begins
            edges[rows, column + 1] = ends
        return edges


def tabulate(
    rates: Ints,
    usable: Ints,
    longest: int,
    shape: Shape,
    weights: Ints | None = None,
    floors: Sequence[tuple[int, int]] = (),
) -> Table:
    """The table of a window of len(rates) minutes for needs of 1 to `longest` minutes.

    `rates`: cost per kWh of every minute, in whole units of any size; `usable`: False where a minute is never charged.
    `weights` (len >= longest): the k-th minute on costs its rate times weights[k], for power that changes; without it,
    1. `floors`: (minute, least minutes on by then). Raises OverflowError when costs leave 2**60 / the number of starts.
    """
    longest = min(longest, len(rates))
    work = _Pass(rates, usable, longest, shape, weights)
    for t in range(1, len(rates) + 1):
        work.minute(t, floors)
    return Table(shape, work.keys, work.ends, work.begins, work.scale, work.base)


class _Pass:
    """The arrays of the pass, by blocks - 1 (or 0) and minutes on; INF-like keys mark what cannot be."""

    def __init__(self, rates: Ints, usable: Ints, longest: int, shape: Shape, weights: Ints | None) -> None:
        self.shape = shape
        self.least = max(1, shape.min_block)
        layers = shape.max_blocks or 1
        window = len(rates)
        lowest = int(rates[usable].min()) if usable.any() else 0
        #: All rates move by the same, which changes no choice and keeps sums of what cannot be from wrapping round.
        self.rates = np.where(usable, rates.astype(np.int64) - lowest, 0)
        self.weights = np.ones(longest, dtype=np.int64) if weights is None else weights[:longest].astype(np.int64)
        self.base = np.concatenate(([0], np.cumsum(self.weights))) * lowest
        starts = shape.max_blocks or longest
        self.scale = 1 << starts.bit_length()
        most = int(self.rates.max(initial=0)) * int(self.weights.sum()) + starts * shape.start_cost
        if most * self.scale >= _NEVER >> 1:
            raise OverflowError("costs are too large for this grid")
        self.rates *= self.scale
        self.start = shape.start_cost * self.scale + 1
        self.steady = weights is None
        self.usable = usable.tolist()
        self.sums = [0, *np.cumsum(self.rates).tolist()]
        self.dark = [0, *np.cumsum(~usable).tolist()]
        self.keys = np.full((window + 1, layers, longest + 1), _NEVER, dtype=np.int64)
        self.ends = np.full((window + 1, layers, longest + 1), -1, dtype=np.int16)
        self.begins = np.zeros((window + 1, layers, longest + 1), dtype=np.int16)
        self.on = np.full((layers, longest + 1), _NEVER, dtype=np.int64)
        self.next = self.on.copy()
        if shape.charging:
            self.on[0, 0] = 0
        if shape.forced:
            self.keys[0, 0, 0] = 0
        self.better = np.empty((layers, longest + 1), dtype=np.bool_)

    def minute(self, t: int, floors: Sequence[tuple[int, int]]) -> None:
        """What is known after minute t - 1."""
        if self.usable[t - 1]:
            self._go_on(t)
            if t >= self.least and self.dark[t] == self.dark[t - self.least]:
                self._start(t, floors)
        else:
            self.on.fill(_NEVER)
        better = np.less(self.on, self.keys[t - 1], out=self.better)
        np.minimum(self.on, self.keys[t - 1], out=self.keys[t])
        self.ends[t] = self.ends[t - 1]
        np.copyto(self.ends[t], np.int16(t), where=better)
        for at, least in floors:
            if at == t:
                self.on[:, :least] = _NEVER
                self.keys[t, :, :least] = _NEVER

    def _go_on(self, t: int) -> None:
        rate = self.rates[t - 1]
        np.add(self.on[:, :-1], rate if self.steady else rate * self.weights, out=self.next[:, 1:])
        self.next[:, 0] = _NEVER
        self.on, self.next = self.next, self.on
        self.begins[t, :, 1:] = self.begins[t - 1, :, :-1]

    def _start(self, t: int, floors: Sequence[tuple[int, int]]) -> None:
        """Blocks of the least length that end now, begun when the pause before them was over."""
        shape, least = self.shape, self.least
        begin = t - least
        rested = begin - shape.min_pause
        lowest = max((m - max(0, at - begin) for at, m in floors if rested < at < t), default=0)
        longest = self.on.shape[1] - 1
        if longest < least:
            return
        if self._fresh(begin, rested, floors, lowest):
            self._offer(t, slice(1), least, least, self._costs(begin, 0, 1) + self.start)
        first = max(lowest, 0 if shape.forced else 1)
        last = min(longest - least, rested)
        if last < first:
            return
        if shape.max_blocks is None:
            source, target = slice(None), slice(None)
        else:
            source, target = slice(-1), slice(1, None)
        costs = self.keys[rested, source, first : last + 1] + (self._costs(begin, first, last + 1) + self.start)
        self._offer(t, target, first + least, last + least, costs)

    def _fresh(self, begin: int, rested: int, floors: Sequence[tuple[int, int]], lowest: int) -> bool:
        """May the very first minute on be `begin`?"""
        if self.shape.forced or lowest > 0 or (self.shape.charging and rested < 0):
            return False
        return not any(at <= begin and least > 0 for at, least in floors)

    def _costs(self, begin: int, first: int, stop: int) -> Any:
        """Cost of the least block from `begin` on, by minutes on before it: first .. stop - 1."""
        if self.steady:
            return self.sums[begin + self.least] - self.sums[begin]
        return np.correlate(
            self.weights[first : stop - 1 + self.least], self.rates[begin : begin + self.least], "valid"
        )

    def _offer(self, t: int, layers: slice, first: int, last: int, costs: Any) -> None:
        on = self.on[layers, first : last + 1]
        better = np.less_equal(costs, on)
        np.copyto(on, costs, where=better)
        np.copyto(self.begins[t, layers, first : last + 1], np.int16(t - self.least), where=better)


def _precedes(a: Ints, b: Ints) -> Ints:
    """Rows of edges: is `a` before `b` among plans of equal cost and starts?"""
    width = a.shape[1]
    late_a, late_b = _from_last(a), _from_last(b)
    result = np.zeros(len(a), dtype=np.bool_)
    open_ = np.ones(len(a), dtype=np.bool_)
    for column in range(width):
        x, y = late_a[:, column], late_b[:, column]
        less = x > y if column % 2 else x < y
        result |= open_ & less
        open_ &= x == y
    return result


def _from_last(edges: Ints) -> Ints:
    """The edges of every row from the last to the first, then -1."""
    count = (edges >= 0).sum(axis=1)
    places = count[:, None] - 1 - np.arange(edges.shape[1])[None, :]
    return np.where(places >= 0, np.take_along_axis(edges, np.maximum(places, 0), axis=1), -1)
