"""Recorded prices and carbon of Great Britain, as forecasts known at a time and as final settlement."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from agents.feeds.source import Answer, Source
from agents.feeds.sources.recorded import CARBON, PRICES
from streams.contracts.forecast import Forecast, ForecastKind, Slot

DATA = Path(__file__).with_name("data")
#: Recorded slots reach this far past a window: the last plans see their night, a late unplug still settles.
SETTLED_PAST_END = timedelta(days=1)

_HOUR = timedelta(hours=1)
_HALF_HOUR = timedelta(minutes=30)
_CARBON_EVERY = timedelta(hours=6)
_CARBON_AHEAD = timedelta(hours=48)
_CARBON_BEHIND = timedelta(hours=24)
_AUCTION_ZONE = ZoneInfo("Europe/Paris")  # day-ahead delivery days follow CET/CEST, in Great Britain too
_PUBLISHED_UTC = time(11, tzinfo=UTC)
_PRICE_SOURCE = "recorded GB day-ahead auction, passed through without fees or VAT"
_CARBON_SOURCE = "NESO Carbon Intensity API (CC BY 4.0), recorded: outturn behind, last kept forecast ahead"


@dataclass(frozen=True)
class Window:
    """A recorded stretch [start, end) from local noon to local noon, so that a day holds a whole night."""

    name: str
    start: datetime
    end: datetime
    zone: str = "Europe/London"
    tariff: str = "GB"
    region: str = "GB"

    @property
    def days(self) -> int:
        """How many local days, noon to noon; one may have 23, 24 or 25 hours."""
        zone = ZoneInfo(self.zone)
        return (self.end.astimezone(zone).date() - self.start.astimezone(zone).date()).days


def _window(name: str, first: date, days: int) -> Window:
    zone = ZoneInfo("Europe/London")
    start, end = (datetime.combine(first + timedelta(days=n), time(12), zone).astimezone(UTC) for n in (0, days))
    return Window(name, start, end)


#: `default` holds the clock change of 2023-03-26, `price-spike` the dearest hour of January to August 2023
#: (01-23 17:00Z, 296.01 EUR/MWh), `negative-prices` the most negative one (07-02 13:00Z, -88.20 EUR/MWh).
WINDOWS = {
    "default": _window("default", date(2023, 3, 24), 5),
    "price-spike": _window("price-spike", date(2023, 1, 21), 5),
    "negative-prices": _window("negative-prices", date(2023, 6, 30), 5),
}


def window(name: str = "default", days: int | None = None) -> Window:
    """The window of that name, or its first `days` days; ValueError when there is no such stretch."""
    if name not in WINDOWS:
        raise ValueError(f"no recorded window {name!r}; there are: {', '.join(WINDOWS)}")
    whole = WINDOWS[name]
    if days is None:
        return whole
    if not 1 <= days <= whole.days:
        raise ValueError(f"window {name!r} holds 1 to {whole.days} days, not {days}")
    first = whole.start.astimezone(ZoneInfo(whole.zone)).date()
    return replace(whole, end=_window(name, first, days).end)


def prices(window: Window) -> list[Forecast]:
    """Day-ahead vintages in EUR/kWh, oldest first, from the day in force at the start to a day past the end.

    One vintage per delivery day of the auction (CET/CEST), issued at 11:00Z the day before. The tariff is the
    recorded wholesale price passed through, without network fees, taxes, supplier margin or VAT.
    """
    first = window.start.astimezone(_AUCTION_ZONE).date()
    last = (window.end + SETTLED_PAST_END).astimezone(_AUCTION_ZONE).date()
    return [_delivery_day(window, first + timedelta(days=n)) for n in range((last - first).days + 1)]


def _delivery_day(window: Window, day: date) -> Forecast:
    start, end = (datetime.combine(day + timedelta(days=n), time(), _AUCTION_ZONE).astimezone(UTC) for n in (0, 1))
    return Forecast(
        kind=ForecastKind.PRICE,
        key=window.tariff,
        unit="EUR/kWh",
        issued_at=datetime.combine(day - timedelta(days=1), _PUBLISHED_UTC),
        source=_PRICE_SOURCE,
        known_until=end,
        slots=tuple(_slots(start, end, _HOUR, _price_at)),
    )


def carbon(window: Window) -> list[Forecast]:
    """Carbon vintages in gCO2/kWh, oldest first, every 6 h from the one in force at the start on.

    Each holds the outturn of the 24 h before it and the forecast of the 48 h after it, half-hourly. The
    recorded forecast is the last one the API kept for each half hour, so a late vintage: better than what
    was known 48 h ahead, still off by some 10 g/kWh. Outturn is final: it is what settlement counts.
    """
    issued = window.start.replace(hour=window.start.hour // 6 * 6)
    vintages = []
    while issued < window.end + SETTLED_PAST_END:
        vintages.append(_carbon_vintage(window, issued))
        issued += _CARBON_EVERY
    return vintages


def _carbon_vintage(window: Window, issued: datetime) -> Forecast:
    until = issued + _CARBON_AHEAD
    outturn = _slots(issued - _CARBON_BEHIND, issued, _HALF_HOUR, _actual_at)
    ahead = _slots(issued, until, _HALF_HOUR, _forecast_at)
    return Forecast(
        kind=ForecastKind.CARBON,
        key=window.region,
        unit="gCO2/kWh",
        issued_at=issued,
        source=_CARBON_SOURCE,
        known_until=until,
        slots=(*outturn, *ahead),
        basis="average",
    )


def settlement_slots(window: Window) -> tuple[list[Slot], list[Slot]]:
    """Final prices (EUR/kWh) and actual carbon (gCO2/kWh), half-hourly, aligned, to a day past the end."""
    end = window.end + SETTLED_PAST_END
    return (
        list(_slots(window.start, end, _HALF_HOUR, _price_at)),
        list(_slots(window.start, end, _HALF_HOUR, _actual_at)),
    )


def _slots(start: datetime, end: datetime, step: timedelta, value: Callable[[datetime], float]) -> Iterator[Slot]:
    while start < end:
        yield Slot(start=start, end=start + step, value=value(start))
        start += step


def _price_at(at: datetime) -> float:
    return _recorded_prices()[at.replace(minute=0)]


def _forecast_at(at: datetime) -> float:
    return _recorded_carbon("forecast")[at]


def _actual_at(at: datetime) -> float:
    return _recorded_carbon("actual")[at]


@cache
def _recorded_prices() -> dict[datetime, float]:
    return _values(PRICES, "prices_gb.csv")


@cache
def _recorded_carbon(value: Literal["forecast", "actual"]) -> dict[datetime, float]:
    return _values(CARBON, "carbon_gb.csv", value=value)


def _values(source: Source, name: str, **params: str) -> dict[datetime, float]:
    """What an extract holds at the start of each slot, as the feeds would read it."""
    curve = source.parse(Answer((DATA / name).read_bytes()), source.asked(params))
    return {slot.start: slot.value for slot in curve.slots}


def read_extract(name: str) -> list[dict[str, str]]:
    """The rows of one extract in `data/`, column name to text."""
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
