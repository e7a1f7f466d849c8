"""How hard commands shake the grid: the largest change of power that they make in any second of a minute."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple


class Minute(NamedTuple):
    """Net kW switched, by second of one minute."""

    start: datetime
    kw: Mapping[int, float]

    @property
    def step_kw(self) -> float:
        """The largest change in one of its seconds, up or down."""
        return max(map(abs, self.kw.values()), default=0.0)


def switched(minute: Minute, at: datetime, kw: float) -> Minute:
    """The minute with `kw` more at an instant; a later minute begins anew, an earlier one is over."""
    start = at.replace(second=0, microsecond=0)
    if start < minute.start:
        return minute
    known = minute.kw if start == minute.start else {}
    return Minute(start, {**known, at.second: known.get(at.second, 0.0) + kw} if kw else known)
