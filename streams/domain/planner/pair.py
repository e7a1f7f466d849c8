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
    """What blocks cost: sums of the rates up to every edge, and the price of a start."""

    def __init__(self, room: Room) -> None:
        edges = np.array(room.edges, dtype=np.int64)
        rates = np.array(room.rates, dtype=np.int64)
        if int(np.abs(rates).max()) * int(edges[-1] - edges[0]) * 4 * _STARTS >= _NEVER:
            rates = rates.astype(np.float64)
        self.room = room
        self.edges, self.rates = edges, rates
        self.sums = np.concatenate((rates[:1] * 0, np.cumsum(rates * np.diff(edges))))
        self.start = room.start_cost * _STARTS + 1

    def of(self, starts: Grid, ends: Grid) -> Grid:
        """The keys of single blocks."""
        key = (self._upto(ends) - self._upto(starts)) * _STARTS + self.start
        return np.where(starts == self.edges[0], key - self.start, key) if self.room.joined else key

    def _upto(self, at: Grid) -> Grid:
        i = np.clip(np.searchsorted(self.edges, at, "right") - 1, 0, len(self.rates) - 1)
        return self.sums[i] + self.rates[i] * (at - self.edges[i])


_Found = list[tuple[Any, list[Span]]]


def _single(cost: _Cost, need: int) -> _Found:
    room, edges = cost.room, cost.edges
    starts = np.concatenate((edges[:-1], edges[1:] - need))
    starts = starts[(starts >= edges[0]) & (starts + need <= edges[-1])]
    if room.joined and room.fresh == 0:
        starts = starts[starts == edges[0]]
    if not len(starts):
        return []
    keys = cost.of(starts, starts + need)
    return [(keys[i], [(int(starts[i]), int(starts[i]) + need)]) for i in np.flatnonzero(keys == keys.min())]


@dataclass(frozen=True, slots=True)
class _Other:
    """The block that need not lie on the edges: one row per length, one column per edge that it begins or ends on.

    It lies `after` the block on the edges, from column `at` on, or before it, up to column `at`.
    """

    keys: Grid
    begins: bool
    after: bool
    at: Grid

    def best(self, length: Grid) -> Grid:
        """The least keys for every block on the edges, `_NEVER` where no other fits; `length` is its row."""
        if self.after:
            sums = np.minimum.accumulate(self.keys[:, ::-1], axis=1)[:, ::-1]
        else:
            sums = np.minimum.accumulate(self.keys, axis=1)
        width = self.keys.shape[1]
        fits = (self.at >= 0) & (self.at < width)
        return np.where(fits, sums[length, np.clip(self.at, 0, width - 1)], _NEVER)

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
    rest, row = np.unique(need - (edges[last] - edges[first]), return_inverse=True)
    own = cost.of(edges[first], edges[last])
    found: _Found = []
    totals = []
    others = _others(cost, rest, row, first, last)
    for other in others:
        best = other.best(row)
        totals.append(np.where(best < _NEVER, own + np.minimum(best, _NEVER - 1), _NEVER))
    least = min(total.min() for total in totals)
    if least >= _NEVER:
        return []
    for other, total in zip(others, totals, strict=True):
        for w in np.flatnonzero(total == least):
            k, length = other.column(int(row[w]), int(other.at[w])), int(rest[row[w]])
            begin = int(edges[k]) if other.begins else int(edges[k + 1]) - length
            found.append((least, sorted([(int(edges[first[w]]), int(edges[last[w]])), (begin, begin + length)])))
    return found


def _others(cost: _Cost, rest: Grid, row: Grid, first: Grid, last: Grid) -> list[_Other]:
    edges = cost.edges
    left, right = edges[None, :-1] + 0 * rest[:, None], edges[None, 1:] + 0 * rest[:, None]
    early, late = left + rest[:, None], right - rest[:, None]
    begins = np.where(early <= edges[-1], cost.of(left, np.minimum(early, edges[-1])), _NEVER)
    ends = np.where(late >= edges[0], cost.of(np.maximum(late, edges[0]), right), _NEVER)
    after = last
    if cost.room.joined and cost.room.fresh < 2:  # only a block that goes on may have another beside it
        after = np.where(first == 0, last, len(edges))
        begins_before = np.where(np.arange(len(edges) - 1) == 0, begins, _NEVER)
        ends_before = np.full_like(ends, _NEVER)
    else:
        begins_before, ends_before = begins, ends
    after_end = np.where(after == last, np.searchsorted(edges[1:], edges[last] + rest[row]), len(edges))
    return [
        _Other(begins, begins=True, after=True, at=after),
        _Other(ends, begins=False, after=True, at=after_end),
        _Other(
            begins_before,
            begins=True,
            after=False,
            at=np.searchsorted(edges[:-1], edges[first] - rest[row], "right") - 1,
        ),
        _Other(ends_before, begins=False, after=False, at=first - 1),
    ]
