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

#: Cost of what cannot be; keys of what can are less.
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

    def __init__(self, rates: Ints, weights: Ints, shape: Shape, keys: Ints, places: _Places) -> None:
        self._rates, self._weights, self._shape = rates, weights, shape
        #: By minute, blocks - 1 (or 0: any number) and minutes on: what `_Places` describes.
        self._keys, self._places = keys, places

    def blocks(self, deadline: int, need: int) -> list[tuple[int, int]] | None:
        """Minutes [start, end) in time order; None when no plan has exactly `need` minutes on by `deadline`."""
        if need <= 0:
            return []
        row = self.edges(np.array([deadline]), np.array([need]))[0].tolist()
        return [(a, b) for a, b in zip(row[::2], row[1::2], strict=True) if a >= 0] or None

    def cost(self, deadline: int, need: int) -> int | None:
        """Rate x minutes (x weight) of the best blocks with their start costs; None when there are none."""
        blocks = self.blocks(deadline, need)
        if blocks is None:
            return None
        going = self._shape.charging and bool(blocks) and blocks[0][0] == 0
        rates = np.concatenate([self._rates[:0], *(self._rates[a:b] for a, b in blocks)])
        return int(rates @ self._weights[: len(rates)]) + self._shape.start_cost * (len(blocks) - going)

    def edges(self, deadlines: Ints, needs: Ints) -> Ints:
        """Many at once: int16 rows of start, end, start, end, ..., filled up with -1; all -1 where there is no plan."""
        last, _, longest = (size - 1 for size in self._keys.shape)
        asked = (needs > 0) & (needs <= np.minimum(deadlines, longest)) & (deadlines <= last)
        times, needs = np.where(asked, deadlines, 0), np.where(asked, needs, 0)
        keys = self._keys[times, :, needs]
        least = keys.min(axis=1)
        asked &= least < _NEVER
        best = self._walk(times, needs, keys.argmin(axis=1), asked)
        if self._shape.charging:  # going on with a block more can equal not going on, down to the last block
            for layer in range(2, keys.shape[1]):
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
            begins, ends = self._places.last_block(self._keys[at, layer, on])
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


@dataclass(frozen=True, slots=True)
class _Places:
    """How an int64 holds all that decides, so that the least is the best: cost, starts, last block's end and begin.

    The begin is counted back from the window's end, so that a later one is less. The end is 0 while the block runs.
    """

    window: int
    #: Bits of an instant.
    bits: int
    #: Bits below the cost: two instants and the number of starts.
    below: int

    @classmethod
    def of(cls, window: int, most_starts: int) -> _Places:
        bits = window.bit_length()
        return cls(window, bits, 2 * bits + most_starts.bit_length())

    @property
    def start(self) -> int:
        return 1 << 2 * self.bits

    @property
    def without_block(self) -> int:
        return -self.start

    def begin(self, at: int) -> int:
        return self.window - at

    def end(self, at: int) -> int:
        return at << self.bits

    def last_block(self, keys: Ints) -> tuple[Ints, Ints]:
        mask = (1 << self.bits) - 1
        return self.window - (keys & mask), keys >> self.bits & mask


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
    1. `floors`: (minute, least minutes on by then). What a minute costs is exact up to some 2**30 units (2**38 with at
    most two blocks) in the sum over a window, and rounded to as many digits beyond.
    """
    work = _Pass(rates.astype(np.int64), usable, min(longest, len(rates)), shape, weights)
    for t in range(1, len(rates) + 1):
        work.minute(t, floors)
    every = np.ones(work.longest, dtype=np.int64) if weights is None else weights
    return Table(rates, every, shape, work.keys, work.places)


class _Pass:
    """The states of the pass by blocks - 1 (or 0) and minutes on; `_NEVER` and more: cannot be."""

    def __init__(self, rates: Ints, usable: Ints, longest: int, shape: Shape, weights: Ints | None) -> None:
        window, layers = len(rates), shape.max_blocks or 1
        self.shape, self.longest = shape, longest
        self.least = max(1, shape.min_block)
        self.places = _Places.of(window, shape.max_blocks or window // 2 + 1)
        #: All rates move by the same, which changes no choice and keeps sums of what cannot be from wrapping round.
        above = np.where(usable, rates - (int(rates[usable].min()) if usable.any() else 0), 0)
        self.weights = None if weights is None else weights[:longest].astype(np.int64)
        whole = longest if self.weights is None else int(self.weights.sum())
        most = int(above.max(initial=0)) * whole + shape.start_cost * (shape.max_blocks or window // 2 + 1)
        #: Bits that the costs have too many.
        self.excess = max(0, most.bit_length() + self.places.below - 61)
        self.start = (shape.start_cost >> self.excess << self.places.below) + self.places.start
        self.rates = above if self.weights is not None else self._scaled(above)
        #: What going on has cost since the start; states of charging cars are kept less it, so that it is free.
        self.gone = np.concatenate(([0], np.cumsum(self.rates * (self.weights is None))))
        self.dark = [0, *np.cumsum(~usable).tolist()]
        #: States at rest, by minute.
        self.keys = np.empty((window + 1, layers, longest + 1), dtype=np.int64)
        self.keys[0] = _NEVER
        #: States on, by minutes on + window - minute: what goes on stays in its place.
        self.on = np.full((layers, window + longest + 1), _NEVER, dtype=np.int64)
        self.spare = np.empty((layers, longest + 1), dtype=np.int64)
        if shape.charging:
            self.on[0, window] = self.places.begin(0)
        if shape.forced:
            self.keys[0, 0, 0] = 0

    def minute(self, t: int, floors: Sequence[tuple[int, int]]) -> None:
        """What is known after minute t - 1."""
        width = min(t, self.longest) + 1
        on = self.on[:, self.places.window - t :][:, :width]
        if self.dark[t] > self.dark[t - 1]:
            on.fill(_NEVER)
        else:
            if self.weights is not None:
                on[:, 1:] += self._scaled(self.rates[t - 1] * self.weights[: width - 1])
            if t >= self.least and self.dark[t] == self.dark[t - self.least]:
                self._start(on, t, floors)
        if t <= self.longest:
            self.keys[t - 1, :, t] = _NEVER
        ended = np.add(on, self.gone[t] + self.places.end(t), out=self.spare[:, :width])
        np.minimum(ended, self.keys[t - 1, :, :width], out=self.keys[t, :, :width])
        for at, least in floors:
            if at == t:
                on[:, :least] = _NEVER
                self.keys[t, :, :least] = _NEVER

    def _start(self, on: Ints, t: int, floors: Sequence[tuple[int, int]]) -> None:
        """Blocks of the least length that end now, begun when the pause before them was over."""
        shape, least = self.shape, self.least
        begin = t - least
        rested = begin - shape.min_pause
        lowest = max((m - max(0, at - begin) for at, m in floors if rested < at < t), default=0)
        key = self.start + self.places.begin(begin)
        if on.shape[1] > least and self._fresh(begin, rested, floors, lowest):
            on[0, least] = min(int(on[0, least]), key + int(self._costs(begin, 0, 1)[0]))
        first = max(lowest, 0 if shape.forced else 1)
        stop = min(self.longest - least, rested) + 1
        if first >= stop:
            return
        rows, into = (slice(None), slice(None)) if shape.max_blocks is None else (slice(-1), slice(1, None))
        begun = self.keys[rested, rows, first:stop] & self.places.without_block
        begun += self._costs(begin, first, stop) + key
        target = on[into, first + least : stop + least]
        np.minimum(target, begun, out=target)

    def _fresh(self, begin: int, rested: int, floors: Sequence[tuple[int, int]], lowest: int) -> bool:
        """May the very first minute on be `begin`?"""
        if self.shape.forced or lowest > 0 or (self.shape.charging and rested < 0):
            return False
        return not any(at <= begin and least > 0 for at, least in floors)

    def _costs(self, begin: int, first: int, stop: int) -> Ints:
        """Cost of the least block from `begin` on, by minutes on before it: first .. stop - 1, or for all of them."""
        if self.weights is None:
            return -self.gone[begin : begin + 1]
        minutes = self.rates[begin : begin + self.least]
        return self._scaled(np.correlate(self.weights[first : stop - 1 + self.least], minutes, "valid"))

    def _scaled(self, costs: Ints) -> Ints:
        """Costs in their place in a key."""
        half = 1 << self.excess >> 1
        return costs + half >> self.excess << self.places.below


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
