"""At most two blocks, exact in continuous time, by looking at every pair that can be best.

Between the edges of the slots cost grows straight with every edge of a block, and one equality (the need) ties the
edges together. So some best plan has all its edges on edges of slots but one. One block then lies on the edges, and
the other has one end there: all of these are compared at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.domain.planner.cheapest import Span

Grid = NDArray[Any]
_NEVER: Final = 1 << 62
#: Room in a sum for the number of starts, which decides between equal costs.
_STARTS: Final = 4


@dataclass(frozen=True, slots=True)
class Room:
    """A window without gaps: `edges` (n + 1 instants, any unit), `rates` (n costs per unit).

    `going`: how many blocks there may be when one goes on from before the window; `fresh`: how many when none does.
    """

    edges: list[int]
    rates: list[int]
    start_cost: int
    joined: bool
    going: int
    fresh: int


def one_or_two(room: Room, need: int) -> list[Span] | None:
    """The best blocks of `need` units together, in the canonical order; None when none may be made.

    Least cost, then fewest starts, then the last block ends earliest, starts latest, and so on backwards.
    """
    cost = _Cost(room)
    found = _single(cost, need)
    if max(room.going if room.joined else 0, room.fresh) > 1:
        found += _double(cost, need)
    if not found:
        return None
    least = min(key for key, _ in found)
    return min((blocks for key, blocks in found if key == least), key=lateness)


def lateness(blocks: list[Span]) -> tuple[int, ...]:
    """The canonical order among plans of equal cost and starts: less is better."""
    return tuple(value for start, end in reversed(blocks) for value in (end, -start))


class _Cost:
    """What blocks cost, as keys: sums of the rates up to every edge, the price of a start, room to count starts."""

    def __init__(self, room: Room) -> None:
        edges = np.array(room.edges, dtype=np.int64)
        rates = np.array(room.rates, dtype=np.int64)
        if int(np.abs(rates).max()) * int(edges[-1] - edges[0]) * 4 * _STARTS >= _NEVER:
            rates = rates.astype(np.float64)
        self.room = room
        self.edges, self.rates = edges, rates * _STARTS
        self.sums = np.concatenate((rates[:1] * 0, np.cumsum(self.rates * np.diff(edges))))
        self.start = room.start_cost * _STARTS + 1

    def upto(self, at: Grid) -> Grid:
        """The key from the first edge to any instant of the window."""
        i = np.searchsorted(self.edges[1:-1], at, "right")
        return self.sums[i] + self.rates[i] * (at - self.edges[i])

    def with_start(self, keys: Grid, goes_on: Grid) -> Grid:
        """The keys and a start each, but where a running block goes on."""
        return np.where(goes_on, keys, keys + self.start) if self.room.joined else keys + self.start


_Found = list[tuple[Any, list[Span]]]


def _single(cost: _Cost, need: int) -> _Found:
    room, edges = cost.room, cost.edges
    starts = np.concatenate((edges[:-1], edges[1:] - need))
    starts = starts[(starts >= edges[0]) & (starts + need <= edges[-1])]
    if room.joined and room.fresh == 0:
        starts = starts[starts == edges[0]]
    if not len(starts):
        return []
    keys = cost.with_start(cost.upto(starts + need) - cost.upto(starts), starts == edges[0])
    return [(keys[i], [(int(starts[i]), int(starts[i]) + need)]) for i in np.flatnonzero(keys == keys.min())]


@dataclass(frozen=True, slots=True)
class _Other:
    """The block that need not lie on the edges: one row per length, one column per edge that it begins or ends on.

    It lies `after` the block on the edges, from column `at` on, or before it, up to column `at`. The last column is
    for those beside which no other fits.
    """

    keys: Grid
    begins: bool
    after: bool
    at: Grid

    def best(self, row: Grid) -> Grid:
        """The least keys for every block on the edges, at least `_NEVER` where no other fits."""
        sums = self.keys.copy()
        if self.after:
            np.minimum.accumulate(self.keys[:, -2::-1], axis=1, out=sums[:, -2::-1])
        else:
            np.minimum.accumulate(self.keys[:, :-1], axis=1, out=sums[:, :-1])
        least: Grid = sums[row, self.at]
        return least

    def column(self, row: int, at: int) -> int:
        """Where the best of a row lies; of equals the earliest, which also is the canonical one."""
        keys = self.keys[row]
        return at + int(np.argmin(keys[at:])) if self.after else int(np.argmin(keys[: at + 1]))


def _double(cost: _Cost, need: int) -> _Found:
    """The best pairs of a block on the edges and another, as long as is then left, with one end on an edge."""
    edges = cost.edges
    lengths = edges[None, :] - edges[:, None]
    first, last = np.nonzero((lengths > 0) & (lengths < need))
    if not len(first):
        return []
    rest, row = np.unique(need - lengths[first, last], return_inverse=True)
    own = cost.with_start(cost.sums[last] - cost.sums[first], first == 0)
    others = _others(cost, rest, rest[row], first, last)
    totals = [own + other.best(row) for other in others]
    least = min(total.min() for total in totals)
    if least >= _NEVER >> 1:
        return []
    found: _Found = []
    for other, total in zip(others, totals, strict=True):
        for w in np.flatnonzero(total == least):
            k, length = other.column(int(row[w]), int(other.at[w])), int(rest[row[w]])
            begin = int(edges[k]) if other.begins else int(edges[k + 1]) - length
            found.append((least, sorted([(int(edges[first[w]]), int(edges[last[w]])), (begin, begin + length)])))
    return found


def _others(cost: _Cost, rest: Grid, left: Grid, first: Grid, last: Grid) -> list[_Other]:
    """The four ways of the other block. `rest`: the lengths; `left`: its length beside every block on the edges."""
    edges, count = cost.edges, len(cost.rates)
    early, late = edges[:-1] + rest[:, None], edges[1:] - rest[:, None]
    begins, ends = np.full((2, len(rest), count + 1), _NEVER, dtype=cost.sums.dtype)
    begins[:, :-1] = cost.with_start(cost.upto(early) - cost.sums[:-1], np.arange(count) == 0)
    ends[:, :-1] = cost.with_start(cost.sums[1:] - cost.upto(late), late == edges[0])
    begins[:, :-1][early > edges[-1]] = _NEVER
    ends[:, :-1][late < edges[0]] = _NEVER
    after, after_end = last, np.searchsorted(edges[1:], edges[last] + left)
    before, before_end = np.searchsorted(edges[:-1], edges[first] - left, "right") - 1, first - 1
    begins_before = begins
    if cost.room.joined and cost.room.fresh < 2:  # only a block that goes on may have another beside it
        after, after_end = np.where(first == 0, (after, after_end), count)
        begins_before = np.full_like(begins, _NEVER)
        begins_before[:, 0] = begins[:, 0]
        before_end = np.full_like(before_end, count)
    return [
        _Other(begins, begins=True, after=True, at=after),
        _Other(ends, begins=False, after=True, at=after_end),
        _Other(begins_before, begins=True, after=False, at=before),
        _Other(ends, begins=False, after=False, at=before_end),
    ]
