"""Power that falls as the car fills: how long some energy takes, and how much a time gives.

Between two points power runs straight along the energy, so energy over time is an exponential, in closed form.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import expm1, log1p
from typing import Final

from streams.domain.planner.curve import HOUR_US

_STRAIGHT: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Pace:
    """Energy at the wall against time on. `points`: (kWh since now, kW), rising energies, positive powers."""

    points: tuple[tuple[float, float], ...]
    hours: tuple[float, ...]

    @classmethod
    def of(cls, power_kw: float, taper: Sequence[tuple[float, float]] = ()) -> Pace:
        """ValueError: no power, or points out of order."""
        points = tuple(taper) or ((0.0, power_kw),)
        if points[0][0] > 0:
            points = ((0.0, points[0][1]), *points)
        if any(power <= 0 for _, power in points):
            raise ValueError("power must be positive")
        if any(after <= before for (before, _), (after, _) in pairwise(points)):
            raise ValueError("taper points must rise in energy")
        hours = [0.0]
        for (e0, p0), (e1, p1) in pairwise(points):
            hours.append(hours[-1] + _hours(e1 - e0, p0, (p1 - p0) / (e1 - e0)))
        return cls(points, tuple(hours))

    @property
    def steady(self) -> float | None:
        """The power, if it never changes."""
        powers = {power for _, power in self.points}
        return powers.pop() if len(powers) == 1 else None

    def time_us(self, kwh: float) -> int:
        """Time on until so much energy is in."""
        i = max(0, bisect_right(self.points, kwh, key=lambda point: point[0]) - 1)
        return round((self.hours[i] + _hours(kwh - self.points[i][0], self.points[i][1], self._slope(i))) * HOUR_US)

    def energy(self, on_us: float) -> float:
        """kWh after so much time on."""
        hours = on_us / HOUR_US
        i = max(0, bisect_right(self.hours, hours) - 1)
        e0, p0 = self.points[i]
        slope, h = self._slope(i), hours - self.hours[i]
        return e0 + (p0 * h if abs(slope) < _STRAIGHT else p0 * expm1(slope * h) / slope)

    def _slope(self, i: int) -> float:
        if i + 1 == len(self.points):
            return 0.0
        (e0, p0), (e1, p1) = self.points[i], self.points[i + 1]
        return (p1 - p0) / (e1 - e0)


def taper_points(
    soc_pct: float, curve: Sequence[tuple[float, float]], power_kw: float, kwh_per_pct: float
) -> tuple[tuple[float, float], ...]:
    """A curve of (state of charge in %, kW) as the taper of a car at `soc_pct`: (wall kWh since now, kW) points.

    Never more than `power_kw`. `kwh_per_pct`: wall energy for one percent. ValueError: the percents do not rise.
    """
    if any(after <= before for (before, _), (after, _) in pairwise(curve)):
        raise ValueError("taper points must rise in state of charge")
    points = [(soc_pct, _straight(curve, soc_pct))] + [point for point in curve if point[0] > soc_pct]
    bent: list[tuple[float, float]] = []
    for (s0, p0), (s1, p1) in pairwise(points):
        bent.append((s0, p0))
        if (p0 - power_kw) * (p1 - power_kw) < 0:  # where the car's own limit takes over
            bent.append((s0 + (s1 - s0) * (power_kw - p0) / (p1 - p0), power_kw))
    return tuple(((s - soc_pct) * kwh_per_pct, min(p, power_kw)) for s, p in [*bent, points[-1]])


def _straight(curve: Sequence[tuple[float, float]], at: float) -> float:
    for (s0, p0), (s1, p1) in pairwise(curve):
        if s0 <= at <= s1:
            return p0 + (p1 - p0) * (at - s0) / (s1 - s0)
    return curve[0][1] if at < curve[0][0] else curve[-1][1]


def _hours(kwh: float, power: float, slope: float) -> float:
    """Time for `kwh` from `power` on, which changes by `slope` per kWh."""
    return kwh / power if abs(slope) < _STRAIGHT else log1p(slope * kwh / power) / slope
