"""A regional cap: 100,000 cars on three tariffs under 40 % of their uncapped peak, beside first come, first served.

Prices are recorded (deploy/demo/data); a two-rate and a flat tariff beside them have the usual British shape. Sessions
are drawn, seeded: plugged in around 18:15, ready around 07:30, 10 kWh in the median, at 3.6, 7.4 or 11 kW.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from statistics import median
from time import perf_counter

import numpy as np

from deploy.bench.queue import queued
from deploy.demo.recorded import WINDOWS, Window, prices
from streams.domain.caps import GROUPS, Grid, Needs, Relief, dither, relieve
from streams.domain.caps.needs import Column, cheapest, classes, room

SLOTS = 48
SLOT = timedelta(minutes=30)
CAP_SHARE = 0.4
SEED = 20230325
#: The second night of each window; the first day is the one before the walk.
_NIGHT = timedelta(days=2)


def measure(cars: int = 100_000) -> dict[str, float]:
    """The worst of one recorded night in each window, and the median time; bars are in docs/capacity.md."""
    nights = [_night(window, cars, SEED + n) for n, window in enumerate(WINDOWS.values())]
    worst = {name: max(night[name] for night in nights) for name in nights[0]}
    return {**worst, "cap_cars": cars, "cap_seconds": round(median(night["cap_seconds"] for night in nights), 3)}


def sessions(cars: int, seed: int) -> Needs:
    """Drawn sessions, in hours from noon; the same seed gives the same."""
    draw = np.random.default_rng(seed)
    start = np.clip(6.25 + 1.5 * draw.standard_normal(cars), 0.0, 11.9)
    end = np.clip(19.5 + 0.75 * draw.standard_normal(cars), 17.0, 23.5)
    power_kw = draw.choice([3.6, 7.4, 11.0], cars, p=[0.2, 0.6, 0.2])
    kwh = np.clip(10.0 * np.exp(0.7 * draw.standard_normal(cars)), 2.0, 45.0)
    return Needs(
        curve=draw.integers(0, 3, cars),
        group=draw.integers(0, GROUPS, cars),
        start=start,
        end=end,
        hours=np.minimum(kwh / power_kw, end - start),
        at_once=np.zeros(cars),
        power_kw=power_kw,
    ).ordered()


def night(window: Window) -> Grid:
    """A night of recorded prices, noon to noon, with a two-rate and a flat tariff; no cap yet."""
    start = window.start + _NIGHT
    starts = [start + SLOT * n for n in range(SLOTS)]
    known = {slot.start: slot.value for vintage in prices(window) for slot in vintage.slots}
    dynamic = [known[at.replace(minute=0)] for at in starts]
    rates = np.array([dynamic, [0.09 if _cheap(at) else 0.29 for at in starts], [0.25] * SLOTS])
    spread = dither(starts)
    return Grid(np.linspace(0.0, SLOTS / 2, SLOTS + 1), rates, np.full(SLOTS, np.inf), spread)


def capped(grid: Grid, needs: Needs, share: float = CAP_SHARE) -> Grid:
    """The same with a cap at a share of the peak that the cheapest plans would have without one."""
    open_grid = Grid(grid.edges, grid.costs, np.full(SLOTS, 1e12), grid.dither)
    peak_kw = float(relieve(needs, open_grid).uncapped_kw.max())
    return Grid(grid.edges, grid.costs, np.full(SLOTS, share * peak_kw), grid.dither)


def hours_on(needs: Needs, grid: Grid, relief: Relief) -> Column:
    """What every car does at the adders: hours on, slots x cars. `needs` must be in order."""
    windows = room(grid, needs.start, needs.end)
    return np.hstack(
        [
            cheapest(windows[:, rows], needs.hours[rows], grid.costs[curve] + relief.adders + grid.dither[group])
            for rows, curve, group in classes(needs)
        ]
    )


def minute_kw(needs: Needs, grid: Grid, on: Column, seed: int = SEED) -> Column:
    """Mean power in every minute when each car charges its part of a slot at the slot's beginning or end, by a coin.

    A coin is all it takes: parts that are spread evenly in length then load all minutes of a slot alike.
    """
    coins = np.random.default_rng(seed).random(on.shape) < 0.5
    steps = np.zeros(round(grid.edges[-1] * 60) + 2)
    for slot, (first, last) in enumerate(zip(grid.edges, grid.edges[1:], strict=False)):
        who = np.flatnonzero(on[slot] > 0)
        early = np.maximum(needs.start[who], first)
        late = np.minimum(needs.end[who], last) - on[slot, who]
        begins = np.where(coins[slot, who], early, late)
        for at, sign in ((begins, 1.0), (begins + on[slot, who], -1.0)):
            minute = np.floor(at * 60).astype(np.int64)
            share = at * 60 - minute
            steps += np.bincount(minute, sign * needs.power_kw[who] * (1 - share), len(steps))
            steps += np.bincount(minute + 1, sign * needs.power_kw[who] * share, len(steps))
    return np.cumsum(steps)[:-2]


def _cheap(at: datetime) -> bool:
    return timedelta(minutes=30) <= timedelta(hours=at.hour, minutes=at.minute) < timedelta(hours=4, minutes=30)


def _night(window: Window, cars: int, seed: int) -> dict[str, float]:
    needs = sessions(cars, seed)
    grid = capped(night(window), needs)
    began = perf_counter()
    relief = relieve(needs, grid)
    seconds = perf_counter() - began
    on = hours_on(needs, grid, relief)
    unmet_kwh = float(((needs.hours - on.sum(axis=0)) * needs.power_kw).sum())
    cap_kw = float(grid.cap_kw[0])
    turn = queued(needs, grid)
    return {
        "cap_seconds": seconds,
        "cap_gap_pct_of_saving": round(100 * relief.gap_share, 3),
        "cap_worst_slot_over_pct": round(100 * (float(relief.load_kw.max()) / cap_kw - 1), 3),
        "cap_worst_minute_over_pct": round(100 * (float(minute_kw(needs, grid, on).max()) / cap_kw - 1), 3),
        "cap_unmet_kwh": round(abs(unmet_kwh), 6),
        "cap_first_come_lost_pct_of_saving": round(
            100 * (turn.cost - relief.bound) / (relief.unmanaged - relief.bound), 3
        ),
        "cap_first_come_unmet_kwh": round(turn.unmet_kwh, 1),
    }
