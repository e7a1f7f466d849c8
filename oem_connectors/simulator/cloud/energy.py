"""Where a car's energy is over time: state of charge, distance driven, and what the wall delivered."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from datetime import datetime, timedelta

from oem_connectors.simulator.cloud.battery import Battery

_KWH_PER_KM = 0.18
_HOUR = timedelta(hours=1)
Piece = tuple[datetime, datetime, float]


class Energy:
    """The present, how it goes on (rest, charge or drive), and the past.

    Between two calls of `settle` the state of charge is a function of time, so looking changes nothing.
    """

    def __init__(self, battery: Battery, standby_kw: float, at: datetime, soc_pct: float, odometer_km: float) -> None:
        self.at, self.soc_pct = at, soc_pct
        self._battery, self._standby_pct_per_hour = battery, 100 * standby_kw / battery.usable_kwh
        self._odometer_km = odometer_km
        self._past: list[tuple[datetime, float]] = [(at, soc_pct)]
        self._charging = False
        self._drive: tuple[datetime, float, float] | None = None

    def rest(self) -> None:
        """From now on nothing but standby draws on the battery."""
        self._charging, self._drive = False, None

    def charge(self) -> None:
        """From now on the wall feeds the battery."""
        self._charging, self._drive = True, None

    def drive(self, until: datetime, soc_pct: float) -> None:
        """From now on the car is on the road, back at `until` with this state of charge."""
        drop_kwh = max(0.0, self.soc_pct - soc_pct) / 100 * self._battery.usable_kwh
        self._charging, self._drive = False, (until, soc_pct, max(3.0, drop_kwh / _KWH_PER_KM))

    def soc_at(self, at: datetime) -> float:
        """State of charge then, past or to come; the past is exact at events and on quarters of an hour."""
        if at >= self.at:
            return self._ahead(at)
        place = bisect_right(self._past, at, key=lambda point: point[0])
        if place == 0:
            return self._past[0][1]
        (t0, soc0), (t1, soc1) = self._past[place - 1], self._past[place]
        return soc0 + (soc1 - soc0) * ((at - t0) / (t1 - t0))

    def odometer_at(self, at: datetime) -> float:
        """Distance driven up to then, not before the last settlement."""
        if self._drive is None:
            return self._odometer_km
        until, _, km = self._drive
        return self._odometer_km + km * self._driven(until, at)

    def power_kw(self, at: datetime) -> float:
        """Power at the wall."""
        return self._battery.power_at(self._ahead(at)) if self._charging else 0.0

    def full_at(self, limit_pct: float) -> datetime:
        """When charging from now on reaches the limit."""
        return self.at + self._battery.hours(self.soc_pct, limit_pct) * _HOUR

    def settle(self, to: datetime, soc_pct: float | None = None) -> Iterator[Piece]:
        """Move the present, to `soc_pct` where that is known. Yields wall energy as (start, end, kWh)."""
        end_pct = self._ahead(to) if soc_pct is None else soc_pct
        if self._charging:
            start, started = self.at, self.soc_pct
            for low, high in self._battery.pieces(started, start, to):
                reached = (
                    end_pct if high == to else min(self._battery.soc_after(started, (high - start) / _HOUR), end_pct)
                )
                yield low, high, self._battery.wall_kwh(self.soc_pct, reached)
                self._move(high, reached)
        if self._drive is not None:
            until, target, km = self._drive
            share = self._driven(until, to)
            self._odometer_km += km * share
            self._drive = until, target, km * (1 - share)
        self._move(to, end_pct)

    def _move(self, to: datetime, soc_pct: float) -> None:
        self.at, self.soc_pct = to, soc_pct
        if self._past[-1][0] == to:
            self._past.pop()
        self._past.append((to, soc_pct))

    def _ahead(self, at: datetime) -> float:
        hours = (at - self.at) / _HOUR
        if self._charging:
            return min(self._battery.soc_after(self.soc_pct, hours), 100.0)
        if self._drive is not None:
            until, target, _ = self._drive
            return self.soc_pct + (target - self.soc_pct) * self._driven(until, at)
        return max(0.0, self.soc_pct - self._standby_pct_per_hour * hours)

    def _driven(self, until: datetime, at: datetime) -> float:
        """The share of the road ahead that is driven by then."""
        return 1.0 if at >= until else (at - self.at) / (until - self.at)
