"""How a battery fills on AC: constant power up to the knee, then falling linearly with the state of charge.

Closed forms in both directions, so that a car can jump from event to event and energy is exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import exp, log

_QUARTER = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Battery:
    """`power_kw` is at the wall, `efficiency` battery kWh per wall kWh; `final_share` is left at 100 %."""

    usable_kwh: float
    power_kw: float
    efficiency: float
    knee_pct: float = 92.0
    final_share: float = 0.25

    def power_at(self, soc_pct: float) -> float:
        """Wall power in kW while charging at this state of charge."""
        return self.power_kw * (1 - self._fall() * max(0.0, soc_pct - self.knee_pct))

    def wall_kwh(self, from_pct: float, to_pct: float) -> float:
        """Wall energy that lifts the state of charge this far."""
        return (to_pct - from_pct) / 100 * self.usable_kwh / self.efficiency

    def hours(self, from_pct: float, to_pct: float) -> float:
        """Hours that it takes from one state of charge up to another."""
        flat = max(0.0, min(to_pct, self.knee_pct) - from_pct) / self._rate()
        low, high = (max(pct, self.knee_pct) - self.knee_pct for pct in (from_pct, to_pct))
        fall = self._fall()
        return flat + log((1 - fall * low) / (1 - fall * high)) / (fall * self._rate())

    def soc_after(self, from_pct: float, hours: float) -> float:
        """State of charge after charging for so long, were there no limit."""
        flat = max(0.0, self.knee_pct - from_pct) / self._rate()
        if hours <= flat:
            return from_pct + self._rate() * hours
        fall, start = self._fall(), max(from_pct, self.knee_pct) - self.knee_pct
        left = (1 - fall * start) * exp(-fall * self._rate() * (hours - flat))
        return self.knee_pct + (1 - left) / fall

    def pieces(self, soc_pct: float, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
        """[start, end) in intervals that have constant power or lie inside one quarter of an hour."""
        knee = start + timedelta(hours=self.hours(soc_pct, max(soc_pct, self.knee_pct)))
        if start < min(knee, end):
            yield start, min(knee, end)
        at = max(start, knee)
        while at < end:
            cut = min(_next_quarter(at), end)
            yield at, cut
            at = cut

    def _rate(self) -> float:
        """Percent per hour at full power."""
        return 100 * self.power_kw * self.efficiency / self.usable_kwh

    def _fall(self) -> float:
        """Share of the power lost per percent above the knee."""
        return (1 - self.final_share) / (100 - self.knee_pct)


def _next_quarter(at: datetime) -> datetime:
    day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day + ((at - day) // _QUARTER + 1) * _QUARTER
