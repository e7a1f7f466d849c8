"""Inside a slot: cars that come or leave within it load only a part of it, so its peak is above its average."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from streams.domain.caps.needs import Column, Grid, Index, Needs

#: Parts into which every slot is cut: of half an hour, five minutes each.
PARTS: Final = 6


@dataclass(frozen=True, slots=True)
class _Edge:
    """The slot in which each row's window begins (or ends), and by how much of its power each part is loaded there."""

    slot: Index
    beyond: Column

    @classmethod
    def of(cls, grid: Grid, needs: Needs, at: Column) -> _Edge:
        """`beyond`: kWh in each part for every hour on in the slot, less what the average says (parts x rows)."""
        slot = np.clip(np.searchsorted(grid.edges, at, side="left") - 1, 0, len(grid.edges) - 2)
        length = grid.lengths[slot] / PARTS
        first = np.maximum(needs.start, grid.edges[slot])
        last = np.minimum(needs.end, grid.edges[slot + 1])
        inside = np.maximum(last - first, 1e-9)
        begins = grid.edges[slot] + np.arange(PARTS)[:, None] * length
        share = np.clip(np.minimum(last, begins + length) - np.maximum(first, begins), 0.0, None) / inside
        return cls(slot, (share - 1 / PARTS) * needs.power_kw)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the windows' edges add to the parts of slots. A car within its window may be on at any time of it."""

    slots: int
    edges: tuple[_Edge, ...]

    @classmethod
    def of(cls, grid: Grid, needs: Needs) -> Parts:
        """For rows that keep their order."""
        edges = [_Edge.of(grid, needs, at) for at in (needs.start, needs.end)]
        alone = edges[0].slot != edges[1].slot
        return cls(len(grid.edges) - 1, (edges[0], _Edge(edges[1].slot, edges[1].beyond * alone)))

    def hours_on(self, on: Column, rows: slice) -> tuple[Column, ...]:
        """Of `rows` that are `on` so many hours in each slot: those in the slots of their edges."""
        return tuple(on[edge.slot[rows], np.arange(on.shape[1])] for edge in self.edges)

    def excess(self, hours_on: tuple[Column, ...]) -> Column:
        """By how many kWh each slot's average would be higher if all of it were like its fullest part."""
        beyond = np.zeros((PARTS, self.slots))
        for edge, hours in zip(self.edges, hours_on, strict=True):
            for part in range(PARTS):
                beyond[part] += np.bincount(edge.slot, edge.beyond[part] * hours, self.slots)
        highest: Column = beyond.max(axis=0)
        return highest * PARTS
