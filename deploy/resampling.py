"""How uncertain a ratio of sums is: whole days are drawn anew, never sessions.

All cars of a night share its prices, so sessions are no independent evidence: drawing them would make intervals several
times too narrow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

DRAWS: Final = 2000
#: Fewer days say nothing about the days that were not recorded.
FEWEST_DAYS: Final = 5

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Share:
    """A ratio of sums with its parts and a 95 % interval; null without a divisor, or on too few days."""

    value: float | None
    low: float | None
    high: float | None
    part: float
    whole: float


def weights(days: int, seed: int) -> Floats:
    """Draws of as many days as there are: how often each is in it."""
    draws = np.random.default_rng(seed).integers(0, days, (DRAWS, days))
    return np.stack([np.bincount(draw, minlength=days) for draw in draws]).astype(float)


def share(part: Floats, whole: Floats, drawn: Floats) -> Share:
    """The ratio of the sums of two amounts by day, with its interval over these draws."""
    parts, wholes = drawn @ part, drawn @ whole
    total = float(whole.sum())
    if len(whole) < FEWEST_DAYS or abs(total) < 1e-9 or bool((np.abs(wholes) < 1e-9).any()):
        value = float(part.sum()) / total if abs(total) >= 1e-9 else None
        return Share(value, None, None, float(part.sum()), total)
    low, high = np.quantile(parts / wholes, [0.025, 0.975])
    return Share(float(part.sum()) / total, float(low), float(high), float(part.sum()), total)
