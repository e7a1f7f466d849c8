"""Recorded prices: day-ahead by the hour or finer, half-hourly tariffs in pence, or slots with their own vintages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from deploy.backtest.rows import BadFile, Row, read, step, unknown_columns
from streams.contracts.forecast import Forecast, ForecastKind, Slot
from streams.domain.ready import local_instant

#: When the prices of a day become known, local time of the day before, where a recording does not say.
PUBLISHED: Final = time(13)

_KNOWN: Final = (
    "start_utc,price_eur_mwh",
    "valid_from,valid_to,value_inc_vat (pence)",
    "start,end,price_per_kwh[,issued_at][,currency]",
)


class Vintage(NamedTuple):
    """Slots that became known together."""

    issued_at: datetime
    slots: tuple[Slot, ...]


class Recording(NamedTuple):
    """One recorded curve: every vintage, oldest first, and what became true in the end."""

    name: str
    unit: str
    vintages: tuple[Vintage, ...]
    outturn: tuple[Slot, ...]
    remark: str

    def forecast(self, kind: ForecastKind, vintage: Vintage) -> Forecast:
        """A vintage as the message that would have announced it."""
        return Forecast.model_construct(
            kind=kind,
            key=self.name,
            unit=self.unit,
            issued_at=vintage.issued_at,
            source="recorded",
            known_until=vintage.slots[-1].end,
            slots=vintage.slots,
        )


def prices(path: Path, zone: ZoneInfo, currency: str) -> Recording:
    """The prices of a file, in currency per kWh; BadFile when it cannot be used.

    `zone`: whose days are auctioned. `currency`: of generic files without a currency column.
    """
    columns, rows = read(path)
    if {"start_utc", "price_eur_mwh"} <= columns:
        unit, slots = "EUR/kWh", _by_start(list(rows))
    elif {"valid_from", "valid_to", "value_inc_vat"} <= columns:
        unit, slots = "GBP/kWh", _spans(rows, ("valid_from", "valid_to", "value_inc_vat"), 100)
    elif {"start", "end", "price_per_kwh"} <= columns:
        listed = list(rows)
        unit = f"{listed[0].cells.get('currency') or currency}/kWh"
        if "issued_at" in columns:
            return vintages_of(listed, ("start", "end", "price_per_kwh"), path.stem, unit)
        slots = _spans(listed, ("start", "end", "price_per_kwh"), 1)
    else:
        raise unknown_columns(path, columns, _KNOWN)
    remark = f"prices of a day count as known at {PUBLISHED:%H:%M} local time of the day before"
    return Recording(path.stem, unit, tuple(_auctions(slots, zone)), tuple(slots), remark)


def vintages_of(rows: list[Row], columns: tuple[str, str, str], name: str, unit: str) -> Recording:
    """Rows that say when each was issued; what became true is the last word on every slot."""
    by_issue: defaultdict[datetime, list[Row]] = defaultdict(list)
    for row in rows:
        by_issue[row.instant("issued_at")].append(row)
    vintages = tuple(Vintage(at, tuple(_spans(by_issue[at], columns, 1))) for at in sorted(by_issue))
    last = {slot.start: slot for vintage in vintages for slot in vintage.slots}
    slots = _disjoint(rows[0], [last[start] for start in sorted(last)])
    return Recording(
        name, unit, vintages, tuple(slots), "vintages as recorded; the last word on each slot is the truth"
    )


def _by_start(rows: list[Row]) -> list[Slot]:
    starts = [(row, row.instant("start_utc")) for row in rows]
    length = step(starts)
    return [Slot(start=at, end=at + length, value=row.number("price_eur_mwh") / 1000) for row, at in starts]


def _spans(rows: Iterable[Row], columns: tuple[str, str, str], divisor: float) -> list[Slot]:
    """Slots from start, end and value columns, sorted; BadFile when two overlap."""
    start, end, value = columns
    slots: list[Slot] = []
    row = None
    for row in rows:
        begin, finish = row.instant(start), row.instant(end)
        if finish <= begin:
            raise row.bad(f"{end} is not after {start}; mend or remove the line")
        slots.append(Slot(start=begin, end=finish, value=row.number(value) / divisor))
    slots.sort(key=lambda slot: slot.start)
    return _disjoint(row, slots) if row else slots


def _disjoint(row: Row, slots: list[Slot]) -> list[Slot]:
    for before, after in pairwise(slots):
        if after.start < before.end:
            raise BadFile(f"{row.path}: two slots hold {after.start:%Y-%m-%dT%H:%MZ}; leave each time in one slot")
    return slots


def _auctions(slots: list[Slot], zone: ZoneInfo) -> Iterable[Vintage]:
    """One vintage per local day, issued the day before."""
    days: defaultdict[datetime, list[Slot]] = defaultdict(list)
    for slot in slots:
        day = slot.start.astimezone(zone).date()
        days[local_instant(day - timedelta(days=1), PUBLISHED, zone)].append(slot)
    for issued_at in sorted(days):
        yield Vintage(issued_at, tuple(days[issued_at]))
