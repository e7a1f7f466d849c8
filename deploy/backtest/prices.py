"""Recorded prices: day-ahead by the hour or finer, half-hourly tariffs in pence, or slots with their own vintages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from deploy.backtest.recording import Recording, Vintage, curves, last_word, vintages_of
from deploy.backtest.rows import BadFile
from streams.contracts.forecast import Slot
from streams.domain.ready import local_instant

#: When the prices of a day become known, local time of the day before, where a recording does not say.
PUBLISHED: Final = time(13)

_KNOWN: Final = (
    "start_utc,price_eur_mwh",
    "valid_from,valid_to,value_inc_vat (pence)",
    "start,end,price_per_kwh[,issued_at][,currency]",
)


def prices(path: Path, zone: ZoneInfo, currency: str) -> Recording:
    """The prices of a file, in currency per kWh; BadFile when it cannot be used.

    `zone`: whose days are auctioned. `currency`: of generic files without a currency column.
    """
    found = curves(path, "recorded-prices", _KNOWN, currency=currency)
    if not found:
        raise BadFile(f"{path}: holds no price")
    issued = vintages_of(found)
    if issued:
        remark = "vintages as recorded; the last word on each slot is the truth"
        return Recording(path.stem, found[0].unit, issued, last_word(path, issued), remark)
    slots = found[0].slots
    remark = f"prices of a day count as known at {PUBLISHED:%H:%M} local time of the day before"
    return Recording(path.stem, found[0].unit, tuple(_auctions(slots, zone)), slots, remark)


def _auctions(slots: Iterable[Slot], zone: ZoneInfo) -> Iterable[Vintage]:
    """One vintage per local day, issued the day before."""
    days: defaultdict[datetime, list[Slot]] = defaultdict(list)
    for slot in slots:
        day = slot.start.astimezone(zone).date()
        days[local_instant(day - timedelta(days=1), PUBLISHED, zone)].append(slot)
    for issued_at in sorted(days):
        yield Vintage(issued_at, tuple(days[issued_at]))
