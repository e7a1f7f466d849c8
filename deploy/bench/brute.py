"""Independent answers by trying every way to charge on a short grid of minutes: for falling power."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from deploy.bench.statement import Statement, hours_of, soc_after

LONGEST = 16


def least_cost_of_all(stated: Statement) -> float:
    """The least cost of any pattern of whole minutes on and off that reaches the target and keeps to the policy."""
    n = round(stated.deadline * 60)
    need = round(hours_of(stated.vehicle, stated.need) * 60)
    on = _patterns(n)
    on = on[on.sum(axis=1) == need]
    first = on[:, 0] & stated.charging
    starts = on[:, 0] + (on[:, 1:] & ~on[:, :-1]).sum(axis=1) - first
    if stated.max_blocks is not None:
        keeps = starts + first <= stated.max_blocks
        on, starts = on[keeps], starts[keeps]
    nth = np.where(on, np.cumsum(on, axis=1), 0)
    cost = _energy(stated, need)[nth] @ np.array(stated.rates(1 / 60))
    return float((cost + stated.penalty * starts).min())


def _energy(stated: Statement, need: int) -> NDArray[np.float64]:
    """kWh of the nth minute on; none of the 0th."""
    car = stated.vehicle
    per_pct = car["usable_kwh"] / car["efficiency"] / 100
    soc = [soc_after(car, minute) for minute in range(need + 1)]
    return np.concatenate([[0.0], np.diff(soc) * per_pct])


@cache
def _patterns(minutes: int) -> NDArray[np.bool_]:
    """Every pattern of so many minutes, a row each."""
    assert minutes <= LONGEST
    return ((np.arange(1 << minutes)[:, None] >> np.arange(minutes)) & 1).astype(bool)
