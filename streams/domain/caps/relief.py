"""Adders that hold a region's cap, and how far from the cheapest possible they are, at most.

Every car decides alone, on its own costs plus the adders: whoever has slack leaves the slots that are short, whoever
has none stays. No car is told to charge less, so none falls short of what it needs; where cars without slack exceed
a cap, the cap yields and the report says by how much.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from streams.domain.caps.dither import DITHER
from streams.domain.caps.needs import Column, Grid, Needs, cheapest, classes, overlaps, room
from streams.domain.caps.parts import Parts
from streams.domain.caps.smooth import Cohorts, adders

#: Adders aim this far below the cap: cars are whole and minutes differ from the average of their slot.
HEADROOM: Final = 0.03
#: How often adders are corrected by what the cars really do at them.
CORRECTIONS: Final = 12
#: Hours by which rows count as alike while adders are sought: of their start, end and need.
_COARSE: Final = (1.0, 1.0, 0.5)


@dataclass(frozen=True, slots=True)
class Relief:
    """Adders per slot (currency per kWh) with the load that follows (kW), and what they cost at most.

    `cost` is what all cars pay; no way to keep the cap pays less than `bound`; `unmanaged` is what they would pay
    charging at once. `over_kwh` is the energy above the cap in each slot, from cars without slack.
    """

    adders: Column
    load_kw: Column
    uncapped_kw: Column
    over_kwh: Column
    cost: float
    bound: float
    unmanaged: float

    @property
    def gap_share(self) -> float:
        """How much of the saving the cap's rules may have lost, at most; 0 where there is nothing to save."""
        saving = self.unmanaged - self.bound
        return max(0.0, self.cost - self.bound) / saving if saving > 1e-9 else 0.0


def relieve(needs: Needs, grid: Grid) -> Relief:
    """Adders for `needs` under the cap of `grid`; all zero where the cheapest plans of all cars fit under it anyway."""
    needs = needs.ordered()
    region = _Region(needs, grid)
    uncapped, peaks = region.at(np.zeros(len(grid.cap_kw)), dithered=False)
    found, loads = np.zeros(len(grid.cap_kw)), uncapped
    if (uncapped.sum(axis=0) + peaks > region.cap_kwh + 1e-9).any():
        found, loads = region.search()
    return Relief(
        adders=found,
        load_kw=loads.sum(axis=0) / grid.lengths,
        uncapped_kw=uncapped.sum(axis=0) / grid.lengths,
        over_kwh=np.maximum(loads.sum(axis=0) - region.cap_kwh, 0.0),
        cost=region.cost(loads),
        bound=region.bound(found),
        unmanaged=region.cost(region.from_start(needs.hours)),
    )


class _Region:
    """The cars of a region on its grid. Loads are kWh, curves x slots, of all cars with what they charge at once."""

    def __init__(self, needs: Needs, grid: Grid) -> None:
        self.grid = grid
        self.cap_kwh = grid.cap_kw * grid.lengths
        self._curves = [np.searchsorted(needs.curve, (c, c + 1)) for c in range(len(grid.costs))]
        self._power_kw = needs.power_kw
        self._starts = needs.start
        self._fixed = self.from_start(np.minimum(needs.at_once, needs.hours))
        self._needs = needs.after_at_once()
        self._windows = room(grid, self._needs.start, self._needs.end)
        self._classes = classes(needs)
        self._parts = Parts.of(grid, self._needs)

    def from_start(self, hours: Column) -> Column:
        """Loads when every car charges so many hours from the start of its window on."""
        start = self._starts
        energy = (on * self._power_kw for on in overlaps(self.grid, start, start + hours))
        return np.array([[slot[a:b].sum() for a, b in self._curves] for slot in energy]).T

    def at(self, found: Column, *, dithered: bool = True) -> tuple[Column, Column]:
        """Loads when every car takes what is cheapest for it at these adders, and how far slots peak above average."""
        loads = self._fixed.copy()
        costs = self.grid.costs + found
        edges = tuple(np.empty(len(self._power_kw)) for _ in self._parts.edges)
        for rows, curve, group in self._classes:
            seen = costs[curve] + self.grid.dither[group] if dithered else costs[curve]
            on = cheapest(self._windows[:, rows], self._needs.hours[rows], seen)
            loads[curve] += np.einsum("tr,r->t", on, self._power_kw[rows])
            for edge, hours in zip(edges, self._parts.hours_on(on, rows), strict=True):
                edge[rows] = hours
        return loads, self._parts.excess(edges)

    def cost(self, loads: Column) -> float:
        return float((loads * self.grid.costs).sum())

    def bound(self, found: Column) -> float:
        """No loads that keep the cap cost less: by weak duality any adders at or above zero prove it.

        What is charged at once is no one's choice, so the cap is never asked for less than that.
        """
        cap_kwh = np.maximum(self.cap_kwh, self._fixed.sum(axis=0))
        loads, _ = self.at(found, dithered=False)
        return float((loads * (self.grid.costs + found)).sum()) - float(found @ cap_kwh)

    def search(self) -> tuple[Column, Column]:
        """Adders from the cohorts, then corrected by what the cars do at them; the best of all that were tried.

        A slot is corrected more boldly as long as it stays on one side of the aim, and more carefully once it crosses.
        """
        aim_kwh = np.maximum(self.cap_kwh * (1 - HEADROOM), self._fixed.sum(axis=0))
        most = 4.0 * float(np.ptp(self.grid.costs)) + 10 * DITHER
        tried, yielding = adders(self._cohorts(), aim_kwh - self._fixed.sum(axis=0), DITHER, most)
        yielding = np.maximum(yielding, 0.2 * float(yielding.max()) + 1e-9)
        best, best_loads, least = tried, self._fixed, np.inf
        boldness, before = np.full(len(tried), 0.4), np.zeros(len(tried))
        for _ in range(CORRECTIONS):
            loads, peaks = self.at(tried)
            over = loads.sum(axis=0) + peaks - aim_kwh
            worst = float((over / (self.cap_kwh + 1e-9)).max())
            if worst < least:
                best, best_loads, least = tried, loads, worst
            if least <= HEADROOM / 3:
                break
            boldness = np.clip(np.where(over * before < 0, 0.4, 1.3) * boldness, 0.02, 1.0)
            before = over
            tried = np.clip(tried + boldness * np.clip(over / yielding, -DITHER, DITHER), 0.0, most)
        return best, best_loads

    def _cohorts(self) -> Cohorts:
        needs = self._needs
        columns = zip((needs.start, needs.end, needs.hours), _COARSE, strict=True)
        keys = [needs.curve, *(np.floor(column / step).astype(np.int64) for column, step in columns)]
        code = np.ravel_multi_index([key - key.min() for key in keys], [int(np.ptp(key)) + 1 for key in keys])
        alike, which = np.unique(code, return_inverse=True)
        one_of = np.zeros(len(alike), dtype=np.int64)
        one_of[which] = np.arange(len(needs))
        size = len(alike)
        room_kwh = [np.bincount(which, needs.power_kw * hours, size) for hours in self._windows]
        need_kwh = np.bincount(which, needs.power_kw * needs.hours, size).astype(np.float64)
        return Cohorts(self.grid.costs[needs.curve[one_of]], np.stack(room_kwh, axis=1), need_kwh)
