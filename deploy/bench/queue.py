"""First come, first served under a cap, as a reference: in the order of plugging in, each the cheapest that is left."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streams.domain.caps import Grid, Needs
from streams.domain.caps.needs import Column, Index, cheapest, room


@dataclass(frozen=True, slots=True)
class Turn:
    """What all pay, what is not charged at all for want of room, and its fair price: the dearest slot's."""

    cost: float
    unmet_kwh: float


def queued(needs: Needs, grid: Grid) -> Turn:
    """Serve the cars in the order of `start`. What finds no room is unmet, and counts at the dearest price.

    Cars ask for what they like best and slots keep those who came first; whoever is turned away asks elsewhere. With
    one order for all slots that ends where serving one car after another does.
    """
    windows = room(grid, needs.start, needs.end)
    on = np.zeros_like(windows)
    asking = np.arange(len(needs))
    while len(asking):
        for curve, costs in enumerate(grid.costs):
            rows = asking[needs.curve[asking] == curve]
            on[:, rows] = cheapest(windows[:, rows], needs.hours[rows], costs)
        asking = _turned_away(needs, grid, windows, on)
    energy = on * needs.power_kw
    unmet = needs.hours * needs.power_kw - energy.sum(axis=0)
    paid = sum(float(energy[:, needs.curve == c].sum(axis=1) @ costs) for c, costs in enumerate(grid.costs))
    return Turn(paid + float(unmet @ grid.costs.max(axis=1)[needs.curve]), float(unmet.sum()))


def _turned_away(needs: Needs, grid: Grid, windows: Column, on: Column) -> Index:
    """Leave in every slot those who came first, up to the cap; the others' windows lose what they cannot have."""
    turn = np.argsort(needs.start, kind="stable")
    cap_kwh = grid.cap_kw * grid.lengths
    lost = np.zeros(len(needs), dtype=bool)
    for slot in np.flatnonzero(on @ needs.power_kw > cap_kwh * (1 + 1e-9)):
        asked = (on[slot] * needs.power_kw)[turn]
        before = np.cumsum(asked) - asked
        granted = np.clip(cap_kwh[slot] - before, 0.0, asked)
        refused = turn[granted < asked - 1e-9]
        windows[slot, refused] = (granted[granted < asked - 1e-9]) / needs.power_kw[refused]
        lost[refused] = True
    return np.flatnonzero(lost)
