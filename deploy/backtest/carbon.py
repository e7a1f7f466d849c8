"""Recorded carbon intensity: forecast beside actual, forecasts by vintage, or plain slots; g per kWh."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from agents.feeds.source import Curve
from agents.feeds.sources.table import table_of
from deploy.backtest.recording import Recording, Vintage, content, curves, last_word, vintages_of
from deploy.backtest.rows import BadFile
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
_SOURCE: Final = "recorded-carbon"
_ACTUAL: Final = ("actual", "actual_g_per_kwh")


def carbon(paths: Sequence[Path]) -> Recording:
    """The carbon of one file, or of several that hold vintages and one with actual values; BadFile on bad ones."""
    found = [(path, _forecasts(path)) for path in paths]
    issued = vintages_of(curve for _, told in found for curve in told)
    rest = [path for path, told in found if told[0].issued_at is None]
    if len(rest) > 1:
        raise BadFile(f"{rest[1]}: give one file with actual values, all others with vintages ({_KNOWN[1]})")
    if not issued:
        return _one(rest[0], found[0][1][0])
    remark = "forecast vintages as recorded; without an actual the last word on each slot is the truth"
    vintages = Recording(paths[0].stem, UNIT, issued, last_word(paths[0], issued), remark)
    expected = next((told[0] for _, told in found if told[0].issued_at is None), None)
    return _settled(vintages, _one(rest[0], expected)) if expected else vintages


def _forecasts(path: Path) -> tuple[Curve, ...]:
    found = curves(path, _SOURCE, _KNOWN)
    if not found:
        raise BadFile(f"{path}: holds no value")
    return found


def _one(path: Path, expected: Curve) -> Recording:
    """A file without vintages. An actual that is missing or 0 (never true of a grid) gives way to its forecast."""
    if not any(table_of(content(path)).has(column) for column in _ACTUAL):
        remark = "no forecast recorded: the outturn stands in"
        return Recording(path.stem, UNIT, _ahead(expected.slots), expected.slots, remark)
    measured = curves(path, _SOURCE, _KNOWN, value="actual")
    actual = {slot.start: slot for curve in measured for slot in curve.slots}
    outturn = tuple(actual.get(slot.start, slot) for slot in expected.slots)
    remark = (
        "the recorded forecast is the last one kept, here issued up to two days ahead: better than what was "
        "known then, so carbon figures flatter"
    )
    mended = sum(slot.start not in actual for slot in expected.slots)
    if mended:
        remark += f"; {mended} slots without a believable actual count with their forecast"
    return Recording(path.stem, UNIT, _ahead(expected.slots), outturn, remark)


def _settled(vintages: Recording, actual: Recording) -> Recording:
    """Recorded vintages, and what came true while they lasted."""
    start, end = vintages.vintages[0].issued_at, max(v.slots[-1].end for v in vintages.vintages)
    outturn = tuple(slot for slot in actual.outturn if slot.end > start and slot.start < end)
    if not outturn:
        raise BadFile(
            f"{actual.name}: no actual values in the time of the vintages, {start:%Y-%m-%d} to {end:%Y-%m-%d}"
        )
    return vintages._replace(outturn=outturn, remark="forecast vintages and actual values as recorded")


def _ahead(slots: Sequence[Slot]) -> tuple[Vintage, ...]:
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
