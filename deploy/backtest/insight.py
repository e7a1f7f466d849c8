"""What could be known when: forecasts by vintage, never one issued later than the decision; and what came true."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Final, Protocol

from deploy.backtest.recording import Recording
from streams.contracts.forecast import Forecast, ForecastKind, Slot
from streams.domain.forecasts import merge
from streams.domain.market import Market
from streams.domain.planner import Curve, combine

#: How far past its plug-in a stay is planned and settled at most.
AHEAD: Final = timedelta(hours=50)
#: Past prices that a forecast keeps, from which unpublished ones are estimated.
_BEHIND: Final = timedelta(days=8)


class Insight(Protocol):
    """What the rule knows at an instant, and when it will know more."""

    def market(self, now: datetime) -> Market | None:
        """The forecasts known at `now`; None before the first price."""

    def next_issue(self, after: datetime) -> datetime | None:
        """When the next vintage is issued, strictly after `after`."""


class Vintages:
    """Recorded forecasts as they became known."""

    def __init__(self, price: Recording, carbon: Recording | None) -> None:
        self._price = _Known(price, ForecastKind.PRICE)
        self._carbon = _Known(carbon, ForecastKind.CARBON) if carbon else None
        issued = self._price.issued + (self._carbon.issued if self._carbon else [])
        self._issues = sorted(set(issued))
        self._market = lru_cache(maxsize=96)(self._make)

    def market(self, now: datetime) -> Market | None:
        """By vintages issued at `now` or before; hour by hour, because curves begin with the hour."""
        price = self._price.at(now)
        if price < 0:
            return None
        return self._market(price, self._carbon.at(now) if self._carbon else -1, _hour(now))

    def next_issue(self, after: datetime) -> datetime | None:
        """When the next vintage of either kind is issued."""
        i = bisect_right(self._issues, after)
        return self._issues[i] if i < len(self._issues) else None

    def _make(self, price: int, carbon: int, hour: datetime) -> Market:
        known = self._carbon.merged[carbon] if self._carbon and carbon >= 0 else None
        return Market(self._price.merged[price], known)


class _Known:
    """One recording, merged vintage by vintage as a worker would have."""

    def __init__(self, recording: Recording, kind: ForecastKind) -> None:
        self.issued = [vintage.issued_at for vintage in recording.vintages]
        self.merged: list[Forecast] = []
        known: Forecast | None = None
        for vintage in recording.vintages:
            known = merge(known, recording.forecast(kind, vintage))
            self.merged.append(known)

    def at(self, now: datetime) -> int:
        """The newest vintage issued at `now` or before; -1 when there was none."""
        return bisect_right(self.issued, now) - 1


class Outturn:
    """What came true: final prices and actual carbon. Also the insight of one who knew it all along."""

    def __init__(self, price: Recording, carbon: Recording | None) -> None:
        self._price, self._carbon = price, carbon
        self._starts = {id(r): [slot.start for slot in r.outturn] for r in (price, carbon) if r is not None}
        self._covered = _common(price.outturn, carbon.outturn if carbon else None)
        self._market = lru_cache(maxsize=96)(self._make)
        self._slots = lru_cache(maxsize=32)(self._curve)

    @property
    def stretches(self) -> list[tuple[datetime, datetime]]:
        """Where everything is known, sorted."""
        return self._covered

    def covers(self, start: datetime, end: datetime) -> bool:
        """Is every moment of [start, end) known?"""
        i = bisect_right(self._covered, start, key=lambda stretch: stretch[0]) - 1
        return i >= 0 and end <= self._covered[i][1]

    def market(self, now: datetime) -> Market | None:
        """Everything ahead, whenever it was issued."""
        return self._market(_hour(now))

    def next_issue(self, after: datetime) -> datetime | None:
        """Nothing is ever news."""
        return None

    def curve(self, start: datetime, carbon_price_per_tonne: float) -> Curve:
        """From the day of `start` on, as far as any stay is settled."""
        return self._slots(start.replace(hour=0, minute=0, second=0, microsecond=0), carbon_price_per_tonne)

    def _curve(self, day: datetime, carbon_price_per_tonne: float) -> Curve:
        until = day + timedelta(days=1) + AHEAD
        price = self._forecast(self._price, ForecastKind.PRICE, day, until)
        carbon = self._forecast(self._carbon, ForecastKind.CARBON, day, until) if self._carbon else None
        return Curve.of(combine(price, carbon, day, until), carbon_price_per_tonne)

    def _make(self, hour: datetime) -> Market:
        start, end = hour - _BEHIND, hour + AHEAD
        carbon = self._forecast(self._carbon, ForecastKind.CARBON, start, end) if self._carbon else None
        return Market(self._forecast(self._price, ForecastKind.PRICE, start, end), carbon)

    def _forecast(self, recording: Recording, kind: ForecastKind, start: datetime, end: datetime) -> Forecast:
        starts = self._starts[id(recording)]
        first = max(0, bisect_right(starts, start) - 1)
        slots = recording.outturn[first : bisect_left(starts, end)]
        return Forecast.model_construct(
            kind=kind,
            key=recording.name,
            unit=recording.unit,
            issued_at=start,
            source="outturn",
            known_until=slots[-1].end,
            slots=slots,
        )


def _common(price: Sequence[Slot], carbon: Sequence[Slot] | None) -> list[tuple[datetime, datetime]]:
    """Where both are known without a gap."""
    stretches = _stretches(price)
    if carbon is None:
        return stretches
    others = _stretches(carbon)
    shared = [(max(a, c), min(b, d)) for a, b in stretches for c, d in others]
    return sorted((start, end) for start, end in shared if start < end)


def _stretches(slots: Sequence[Slot]) -> list[tuple[datetime, datetime]]:
    cuts = [i for i, (before, after) in enumerate(pairwise(slots), 1) if before.end != after.start]
    firsts, lasts = [0, *cuts], [*cuts, len(slots)]
    return [(slots[first].start, slots[last - 1].end) for first, last in zip(firsts, lasts, strict=True)]


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)
