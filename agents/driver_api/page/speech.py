"""Words, times and amounts for one reader: in their language, at the clock of the home, everyday units."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from agents.driver_api.page.words import WORDS
from streams.contracts.base import Language
from streams.domain.wording import Audience

#: What prices of energy are quoted in.
_COINS: Final[Mapping[str, str]] = {
    "EUR": "ct", "GBP": "p", "USD": "¢", "SEK": "öre", "DKK": "øre", "NOK": "øre", "CHF": "Rp.",
}  # fmt: skip


class Speech(NamedTuple):
    """How to say things to one reader."""

    language: Language
    zone: str
    now: datetime
    #: How old the news are that are spoken of.
    age: timedelta = timedelta()

    def text(self, name: str, **values: object) -> str:
        """The text of that name, filled."""
        return WORDS[self.language][name].format(**values)

    def time(self, at: datetime | None) -> str:
        """An exact time; the weekday or date where it is far, the zone in the hour that the clock shows twice."""
        return f"{self._audience().time(at)}{'' if at is None else self._which(at)}"

    def wall(self, at: datetime) -> str:
        """Hours and minutes; with the zone's short name in the hour that the clock shows twice."""
        return f"{at.astimezone(ZoneInfo(self.zone)):%H:%M}{self._which(at)}"

    @property
    def as_of(self) -> str:
        """When that was so."""
        return self.wall(self.now - self.age)

    def day(self, at: datetime) -> str:
        """The weekday and the date."""
        local = at.astimezone(ZoneInfo(self.zone))
        weekday = list(_DAYS)[local.weekday()]
        name, month = self.text(f"day.{weekday}"), self.month(local.month)
        return f"{name} {local.day} {month}" if self.language == "en" else f"{name}, {local.day}. {month}"

    def month(self, number: int) -> str:
        """The name of a month of the year."""
        return self.text("months").split()[number - 1]

    def month_of(self, month: str) -> str:
        """YYYY-MM for people."""
        return f"{self.month(int(month[5:]))} {month[:4]}"

    def number(self, value: float, digits: int = 0) -> str:
        """A number with so many decimals."""
        return _minus(value, digits) + self._audience().number(abs(value), digits)

    def money(self, value: float, currency: str) -> str:
        """An amount of money."""
        return _minus(value, 2) + self._audience().money(value, currency)

    def kg(self, grams: float) -> str:
        """A mass of CO2, in kg."""
        return self.number(grams / 1000, 1)

    def _which(self, at: datetime) -> str:
        local = at.astimezone(ZoneInfo(self.zone))
        return f" {local:%Z}" if _twice(local) else ""

    def _audience(self) -> Audience:
        return Audience(self.language, self.zone, self.now)


def coin(currency: str) -> tuple[str, float]:
    """What a price per kWh is quoted in, and how many of it make one of the currency."""
    small = _COINS.get(currency)
    return (f"{currency}/kWh", 1.0) if small is None else (f"{small}/kWh", 100.0)


def clock_change(start: datetime, end: datetime, zone: str) -> tuple[datetime, float] | None:
    """The instant in (start, end] at which the clock of the zone is put forward or back, and by how many hours."""
    home, step = ZoneInfo(zone), timedelta(minutes=15)
    at = start.replace(minute=0, second=0, microsecond=0)
    while at < end:
        before, after = at.astimezone(home).utcoffset(), (at + step).astimezone(home).utcoffset()
        if before is not None and after is not None and before != after:
            return at + step, (after - before) / timedelta(hours=1)
        at += step
    return None


def _minus(value: float, digits: int) -> str:
    return "−" if round(value, digits) < 0 else ""


def _twice(local: datetime) -> bool:
    return local.replace(fold=0).utcoffset() > local.replace(fold=1).utcoffset()  # type: ignore[operator]


_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
