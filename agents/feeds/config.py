"""Which feeds there are: the TOML file, checked. A bad entry is one line: file, entry, field, and how to mend it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from agents.feeds.calendar import Calendar, Daily, Rolling, daily
from agents.feeds.source import Source
from agents.feeds.sources import SOURCES
from streams.contracts.forecast import ForecastKind
from streams.domain.retail import EVERY_DAY, Amount, Band, Formula, uncovered

_WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: Carbon that was not renewed for so long no longer counts; published prices hold until they end.
_CARBON_MAX_AGE_HOURS: Final = 12.0
_SOME_DAY: Final = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))


class BadFeeds(ValueError):
    """The file of feeds cannot be used; the message says where, and how to mend it."""


@dataclass(frozen=True)
class Feed:
    """One curve to publish: what it is called, where it comes from, when it is asked for, and until when it is good.

    `energy` is the contract's own price of energy where there is no source.
    """

    kind: ForecastKind
    key: str
    calendar: Calendar
    source: Source | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    formula: Formula | None = None
    energy: Amount | None = None
    max_age: timedelta | None = None

    @property
    def name(self) -> str:
        """For example price:agile-london."""
        return f"{self.kind.value}:{self.key}"


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("give an IANA zone such as Europe/Berlin")
    return name


_Zone = Annotated[str, AfterValidator(_known_zone)]
_Key = Annotated[str, StringConstraints(min_length=1, max_length=60, pattern=r"^[^\s:]+$")]
_Share = Annotated[float, Field(ge=0, lt=1)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


class _Band(_Entry):
    per_kwh: float
    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] = _WEEKDAYS
    start: time = Field(time(), alias="from")
    end: time = Field(time(), alias="to")

    def band(self) -> Band:
        return Band(self.per_kwh, frozenset(map(_WEEKDAYS.index, self.days)) or EVERY_DAY, self.start, self.end)


_Amount = float | tuple[_Band, ...]


class _Retail(_Entry):
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
    zone: _Zone | None = None
    fees: dict[str, _Amount] = Field(default_factory=dict)
    vat: _Share = 0.0
    source_vat: _Share = 0.0
    multiplier: float = Field(1.0, gt=0, le=10)


class _Curve(_Entry):
    source: str | None = None
    params: dict[str, str | int] = Field(default_factory=dict)
    every_minutes: float | None = Field(None, ge=5, le=1440)
    max_age_hours: float | None = Field(None, ge=1, le=168)


class _Price(_Curve):
    tariff: _Key
    energy: _Amount | None = None
    published: time | None = None
    retail: _Retail | None = None


class _Carbon(_Curve):
    region: _Key
    source: str
    ahead_hours: float = Field(48.0, ge=1, le=72)


class _File(_Entry):
    price: tuple[_Price, ...] = ()
    carbon: tuple[_Carbon, ...] = ()


def read(path: Path) -> tuple[Feed, ...]:
    """The feeds of a file. Raises BadFeeds."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise BadFeeds(f"{path}: {why}; set D2EV_FEEDS_FILE to a file as in docs/feeds.md") from None
    return parse(text, str(path))


def parse(text: str, name: str = "feeds") -> tuple[Feed, ...]:
    """The feeds in a TOML text; `name` is what errors call it. Raises BadFeeds."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadFeeds(f"{name}: is not TOML: {error}") from None
    try:
        file = _File.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise BadFeeds(f"{name}: {_where(raw, first['loc'])}: {_said(first['msg'])}") from None
    feeds: list[Feed] = []
    entries: tuple[_Price | _Carbon, ...] = (*file.price, *file.carbon)
    for entry in entries:
        where = f"price {entry.tariff!r}" if isinstance(entry, _Price) else f"carbon {entry.region!r}"
        try:
            feed = _price(entry) if isinstance(entry, _Price) else _carbon(entry)
        except ValueError as error:
            raise BadFeeds(f"{name}: {where}: {error}") from None
        if any(feed.name == other.name for other in feeds):
            raise BadFeeds(f"{name}: {where}: is there twice; leave one, or give the other its own name")
        feeds.append(feed)
    if not feeds:
        raise BadFeeds(f"{name}: names no feed; write [[price]] and [[carbon]] entries as in docs/feeds.md")
    return tuple(feeds)


def _where(raw: Mapping[str, Any], loc: tuple[int | str, ...]) -> str:
    """The entry by its own name where it has one, then the field."""
    kind, *rest = loc
    if not rest or not isinstance(rest[0], int):
        return ".".join(map(str, loc)) or "the file"
    number, field = rest[0], ".".join(str(part) for part in rest[1:])
    entry = raw[str(kind)][number]
    key = entry.get("tariff") or entry.get("region") if isinstance(entry, Mapping) else None
    return f"{kind} {key!r}: {field}" if isinstance(key, str) else f"{kind} number {number + 1}: {field}"


def _said(message: str) -> str:
    known = {"Extra inputs are not permitted": "no such field; mend its name or remove it"}
    return known.get(message, message.removeprefix("Value error, "))


def _price(entry: _Price) -> Feed:
    if (entry.source is None) == (entry.energy is None):
        raise ValueError("give either source or energy (the contract's own price per kWh)")
    source = None if entry.source is None else _source(entry.source, ForecastKind.PRICE)
    if source is None and entry.retail is None:
        raise ValueError("energy needs retail with its currency and zone")
    if source is None and entry.max_age_hours:
        raise ValueError("max_age_hours: the contract's own prices do not grow old; remove it")
    zone = (entry.retail.zone if entry.retail else None) or (source.zone if source else None)
    if zone is None:
        raise ValueError("retail.zone is missing: whose wall times hold?")
    formula = _formula(entry.retail, zone) if entry.retail else None
    energy = _amount("energy", entry.energy) if entry.energy is not None else None
    calendar = daily(source.name, source.zone, entry.published) if source else Daily(ZoneInfo(zone), time())
    if entry.every_minutes:
        calendar = Daily(calendar.zone, calendar.published, calendar.day_ends, timedelta(minutes=entry.every_minutes))
    age = timedelta(hours=entry.max_age_hours) if entry.max_age_hours else None
    params = _params(source, entry.params)
    return Feed(ForecastKind.PRICE, entry.tariff, calendar, source, params, formula, energy, age)


def _carbon(entry: _Carbon) -> Feed:
    source = _source(entry.source, ForecastKind.CARBON)
    calendar = Rolling(timedelta(minutes=entry.every_minutes or 30), timedelta(hours=entry.ahead_hours))
    age = timedelta(hours=entry.max_age_hours or _CARBON_MAX_AGE_HOURS)
    return Feed(ForecastKind.CARBON, entry.region, calendar, source, _params(source, entry.params), max_age=age)


def _source(name: str, kind: ForecastKind) -> Source:
    fitting = [one.name for one in SOURCES.values() if one.kind is kind and one.host]
    if name not in fitting:
        raise ValueError(f"source: no source of {kind.value} {name!r}; there are {', '.join(fitting)}")
    return SOURCES[name]


def _params(source: Source | None, given: Mapping[str, str | int]) -> Mapping[str, str]:
    """The settings of the source, checked with those it has."""
    if source is None:
        if given:
            raise ValueError("params: only a source has them")
        return {}
    params = {name: str(value) for name, value in given.items()}
    try:
        source.requests(source.asked(params, *_SOME_DAY))
    except ValueError as error:
        raise ValueError(f"params: {error}") from None
    return params


def _formula(retail: _Retail, zone: str) -> Formula:
    fees = tuple(_amount(f"retail.fees.{name}", amount) for name, amount in retail.fees.items())
    return Formula(retail.currency, ZoneInfo(zone), fees, retail.vat, retail.source_vat, retail.multiplier)


def _amount(field: str, given: _Amount) -> Amount:
    amount = given if isinstance(given, float) else tuple(band.band() for band in given)
    hole = uncovered(amount)
    if hole:
        raise ValueError(f"{field}: no band covers {hole}; end with {{ per_kwh = … }} for all other times")
    return amount
