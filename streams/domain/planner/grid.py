"""The best blocks on a grid of whole minutes, for every deadline and every need at once, by dynamic programming.

The pass goes forward from a common start. What ends by minute t with m minutes on is the answer for the deadline t and
the need m, so one table serves a car with any of the rules, and a whole fleet on one curve.

Plans are ordered completely, so that the answer does not depend on the algorithm: least cost, fewest starts, then the
last block ends earliest, starts latest, then the block before it likewise. Going forward these are local choices among
equals: having stopped earlier beats stopping now, starting now beats having started earlier.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streams.domain.planner.forward import NEVER, Ints, Key, Pass, Shape

__all__ = ["Shape", "Table", "tabulate"]


class Table:
    """The best blocks by deadline (minutes from the start) and need (minutes on)."""

    def __init__(self, rates: Ints, weights: Ints, shape: Shape, keys: Ints, key: Key) -> None:
        self._rates, self._weights, self._shape = rates, weights, shape
        self._keys, self._key = keys, key

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
        last, layers, longest = (size - 1 for size in self._keys.shape)
        asked = (needs > 0) & (needs <= np.minimum(deadlines, longest)) & (deadlines <= last)
        times, needs = deadlines * asked, needs * asked
        best, least = np.zeros_like(times), self._at(times, 0, needs)
        for layer in range(1, layers + 1):
            keys = self._at(times, layer, needs)
            best, least = np.where(keys < least, layer, best), np.minimum(keys, least)
        asked &= least < NEVER
        edges = self._walk(times, needs, best, asked)
        if self._shape.charging:  # going on with a block more can equal not going on, down to the last block
            for layer in range(2, layers + 1):
                tied = asked & (self._at(times, layer, needs) == least)
                other = self._walk(times, needs, np.full(len(times), layer), tied)
                edges = np.where((tied & _precedes(other, edges))[:, None], other, edges)
        return edges

    def _at(self, times: Ints, layers: Ints | int, needs: Ints) -> Ints:
        """The keys of many states."""
        _, count, width = self._keys.shape
        keys: Ints = self._keys.ravel().take((times * count + layers) * width + needs)
        return keys

    def _walk(self, times: Ints, needs: Ints, layers: Ints, asked: Ints) -> Ints:
        """From block to block, the last one first."""
        found: list[tuple[Ints, Ints, Ints]] = []
        rows = np.flatnonzero(asked)
        at, on, layer = times[rows], needs[rows], layers[rows]
        count = np.zeros(len(times), dtype=np.int64)
        while len(rows):
            begins, ends = self._key.last_block(self._at(at, layer, on))
            found.append((rows, begins, ends))
            count[rows] = len(found)
            on = on - (ends - begins)
            more = np.flatnonzero(on)
            rows, on, layer = rows[more], on[more], np.maximum(layer[more] - 1, 0)
            at = begins[more] - self._shape.min_pause
        width = 2 * (self._shape.max_blocks or max(len(found), 1))
        edges = np.full((len(times), width), -1, dtype=np.int16)
        for place, (rows, begins, ends) in enumerate(found):
            column = rows * width + 2 * (count[rows] - 1 - place)
            edges.put(column, begins)
            edges.put(column + 1, ends)
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
    1. `floors`: (minute, least minutes on by then). What a minute costs is exact up to some 2**30 units (2**38 with at
    most two blocks) in the sum over a window, and rounded to as many digits beyond.
    """
    longest = min(longest, len(rates))
    work = Pass(rates.astype(np.int64), usable, longest, shape, weights, floors)
    work.run(usable)
    every = np.ones(longest, dtype=np.int64) if weights is None else weights
    return Table(rates, every, shape, work.keys, work.key)


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
