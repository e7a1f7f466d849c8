"""Recorded carbon intensity: forecast beside actual, forecasts by vintage, or plain slots; g per kWh."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from deploy.backtest.prices import Recording, Vintage, vintages_of
from deploy.backtest.rows import BadFile, Row, read, step, unknown_columns
from streams.contracts.forecast import Slot

UNIT: Final = "gCO2/kWh"

_AHEAD: Final = timedelta(hours=48)
_DAY: Final = timedelta(days=1)
_KNOWN: Final = (
    "from,to,forecast,actual",
    "issued_at,from,forecast",
    "start_utc,forecast_g_per_kwh,actual_g_per_kwh",
    "start,end,g_per_kwh[,issued_at]",
)
_ISSUED: Final = frozenset({"issued_at", "from", "forecast"})
#: Columns of start, forecast and actual.
_BESIDE: Final = (("from", "forecast", "actual"), ("start_utc", "forecast_g_per_kwh", "actual_g_per_kwh"))


def carbon(paths: Sequence[Path]) -> Recording:
    """The carbon of one file, or of several that hold vintages and one with actual values; BadFile on bad ones."""
    found = [(path, *read(path)) for path in paths]
    issued = [row for _, columns, rows in found if columns >= _ISSUED for row in rows]
    rest = [one for one in found if not one[1] >= _ISSUED]
    if len(rest) > 1:
        raise BadFile(f"{rest[1][0]}: give one file with actual values, all others with vintages ({_KNOWN[1]})")
    if not issued:
        return _one(*rest[0])
    vintages = _vintages(issued)
    return _settled(vintages, _one(*rest[0])) if rest else vintages


def _one(path: Path, columns: frozenset[str], rows: Iterable[Row]) -> Recording:
    for start, forecast, actual in _BESIDE:
        if {start, forecast, actual} <= columns:
            return _with_actual(list(rows), (start, forecast, actual))
    if {"start", "end", "g_per_kwh"} <= columns:
        listed = list(rows)
        if "issued_at" in columns:
            return vintages_of(listed, ("start", "end", "g_per_kwh"), path.stem, UNIT)
        slots = [
            Slot(start=row.instant("start"), end=row.instant("end"), value=row.number("g_per_kwh")) for row in listed
        ]
        return Recording(path.stem, UNIT, _ahead(slots), tuple(slots), "no forecast recorded: the outturn stands in")
    raise unknown_columns(path, columns, _KNOWN)


def _with_actual(rows: list[Row], columns: tuple[str, str, str]) -> Recording:
    """An actual that is missing or 0 (never true of a grid) gives way to its forecast."""
    start, forecast, actual = columns
    starts = [(row, row.instant(start)) for row in rows]
    length = step(starts)
    expected, outturn, mended = [], [], 0
    for row, at in starts:
        said = row.number(forecast)
        measured = row.optional(actual)
        mended += not measured
        expected.append(Slot(start=at, end=at + length, value=said))
        outturn.append(Slot(start=at, end=at + length, value=measured or said))
    remark = (
        "the recorded forecast is the last one kept, here issued up to two days ahead: better than what was "
        "known then, so carbon figures flatter"
    )
    if mended:
        remark += f"; {mended} slots without a believable actual count with their forecast"
    return Recording(rows[0].path.stem, UNIT, _ahead(expected), tuple(outturn), remark)


def _vintages(rows: list[Row]) -> Recording:
    by_issue: defaultdict[datetime, list[tuple[Row, datetime]]] = defaultdict(list)
    for row in rows:
        by_issue[row.instant("issued_at")].append((row, row.instant("from")))
    vintages = []
    for issued_at in sorted(by_issue):
        length = step(by_issue[issued_at])
        slots = tuple(Slot(start=at, end=at + length, value=row.number("forecast")) for row, at in by_issue[issued_at])
        vintages.append(Vintage(issued_at, slots))
    last = {slot.start: slot for vintage in vintages for slot in vintage.slots}
    remark = "forecast vintages as recorded; without an actual the last word on each slot is the truth"
    return Recording(rows[0].path.stem, UNIT, tuple(vintages), tuple(last[at] for at in sorted(last)), remark)


def _settled(vintages: Recording, actual: Recording) -> Recording:
    """Recorded vintages, and what came true while they lasted."""
    start, end = vintages.vintages[0].issued_at, max(v.slots[-1].end for v in vintages.vintages)
    outturn = tuple(slot for slot in actual.outturn if slot.end > start and slot.start < end)
    if not outturn:
        raise BadFile(
            f"{actual.name}: no actual values in the time of the vintages, {start:%Y-%m-%d} to {end:%Y-%m-%d}"
        )
    return vintages._replace(outturn=outturn, remark="forecast vintages and actual values as recorded")


def _ahead(slots: list[Slot]) -> tuple[Vintage, ...]:
    """A vintage every noon (UTC) for the next two days."""
    vintages = []
    at = slots[0].start.replace(hour=12, minute=0, second=0, microsecond=0) - _DAY
    first = 0
    while at < slots[-1].end:
        while slots[first].end <= at:
            first += 1
        count = next((n for n, slot in enumerate(slots[first:]) if slot.start >= at + _AHEAD), len(slots) - first)
        if count:
            vintages.append(Vintage(at, tuple(slots[first : first + count])))
        at += _DAY
    return tuple(vintages)
