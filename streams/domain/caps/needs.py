"""What the cars of a region need: columns, a row for every car or for every cohort of cars that are alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]
Index = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Grid:
    """Slots in hours from any instant: `edges` (slots + 1), what energy costs (curves x slots), and the cap in kW.

    `costs` are what a car goes by, carbon included, in currency per kWh; `dither` (groups x slots) comes on top.
    """

    edges: Column
    costs: Column
    cap_kw: Column
    dither: Column

    @property
    def lengths(self) -> Column:
        """Hours of every slot."""
        return np.diff(self.edges)


@dataclass(frozen=True, slots=True)
class Needs:
    """Who must charge how long, in hours on the grid. A cohort's power is that of all its cars.

    `curve` and `group` are rows of the grid's costs and dither. The first `at_once` hours are charged from `start` on
    whatever they cost; the rest before `end`.
    """

    curve: Index
    group: Index
    start: Column
    end: Column
    hours: Column
    at_once: Column
    power_kw: Column

    def __len__(self) -> int:
        return len(self.hours)

    def ordered(self) -> Needs:
        """The same rows, those of the same curve and group beside each other."""
        order = np.lexsort((self.group, self.curve))
        return Needs(*(getattr(self, name)[order] for name in self.__slots__))

    def after_at_once(self) -> Needs:
        """What can be moved. A need that does not fit before its end goes on after it."""
        first = np.minimum(self.at_once, self.hours)
        start, hours = self.start + first, self.hours - first
        end = np.maximum(self.end, start + hours)
        return Needs(self.curve, self.group, start, end, hours, np.zeros(len(self)), self.power_kw)


def overlaps(grid: Grid, start: Column, end: Column) -> Iterator[Column]:
    """Slot by slot, the hours of it that lie in each window."""
    for first, last in pairwise(grid.edges):
        hours = np.minimum(end, last)
        hours -= np.maximum(start, first)
        yield np.maximum(hours, 0.0, out=hours)


def room(grid: Grid, start: Column, end: Column) -> Column:
    """Hours of each slot that lie in each window: slots x rows."""
    found = np.empty((len(grid.edges) - 1, len(start)))
    for slot, hours in enumerate(overlaps(grid, start, end)):
        found[slot] = hours
    return found


def classes(needs: Needs) -> list[tuple[slice, int, int]]:
    """(rows, curve, group) of the rows that see the same costs. `needs` must be in order."""
    changes = (np.diff(needs.curve) != 0) | (np.diff(needs.group) != 0)
    edges = [0, *(np.flatnonzero(changes) + 1).tolist(), len(needs)]
    parts = [slice(a, b) for a, b in pairwise(edges) if a < b]
    return [(rows, int(needs.curve[rows.start]), int(needs.group[rows.start])) for rows in parts]


def cheapest(windows: Column, hours: Column, costs: Column) -> Column:
    """Hours on in each slot when every row takes its cheapest ones, the earlier of equal ones: slots x rows.

    `windows` is what `room` gives, `hours` the need of every row, `costs` what all of them see. Exact: the sort of
    `planner.cheapest`, for many rows.
    """
    on = np.zeros_like(windows)
    left = hours.copy()
    for slot in np.argsort(costs, kind="stable"):
        left -= np.minimum(left, windows[slot], out=on[slot])
    return on
