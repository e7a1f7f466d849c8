"""From what rows say to a curve: sorted, disjoint, clipped to what was asked, in one unit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from agents.feeds.source import Asked, Curve, NotPublished, Refused
from streams.contracts.forecast import Basis, ForecastKind, Slot

_MINUTE = timedelta(minutes=1)
CARBON_UNIT = "gCO2/kWh"
#: No currency is so weak, and no fuel so dirty, that a kWh is beyond these: what is, is a mistake in the unit.
LIMITS = {ForecastKind.PRICE: (-1000.0, 1000.0), ForecastKind.CARBON: (0.0, 5000.0)}
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)


class Piece(NamedTuple):
    """The value of [start, end), in the unit of its curve."""

    start: datetime
    end: datetime
    value: float


def prices(pieces: Iterable[Piece], currency: str, asked: Asked, **told: Any) -> Curve:
    """A price curve in `currency` per kWh. Raises `Refused`, or `NotPublished` where nothing is left."""
    if not _CURRENCY.fullmatch(currency):
        raise Refused("the currency must be a code of three letters")
    return _curve(ForecastKind.PRICE, f"{currency}/kWh", pieces, asked, **told)


def carbon(pieces: Iterable[Piece], basis: Basis, asked: Asked, **told: Any) -> Curve:
    """A carbon curve in gCO2 per kWh. Raises `Refused`, or `NotPublished` where nothing is left."""
    return _curve(ForecastKind.CARBON, CARBON_UNIT, pieces, asked, basis=basis, **told)


def _curve(kind: ForecastKind, unit: str, pieces: Iterable[Piece], asked: Asked, **told: Any) -> Curve:
    low, high = LIMITS[kind]
    whole = disjoint(pieces)
    for piece in whole:
        if not low <= piece.value <= high:
            raise Refused(f"the value of {_named(piece.start)} is absurd: not within {low:g} to {high:g} {unit}")
    slots = tuple(Slot(start=start, end=end, value=value) for start, end, value in _clipped(whole, asked))
    if not slots:
        raise NotPublished("nothing is published for the time asked")
    return Curve(kind, unit, slots, **told)


def disjoint(pieces: Iterable[Piece]) -> list[Piece]:
    """Sorted; the same said twice counts once; two values for one time, or an empty piece, are `Refused`."""
    ordered = sorted(set(pieces))
    for piece in ordered:
        if piece.end <= piece.start:
            raise Refused(f"the slot of {_named(piece.start)} does not end after its start")
    for before, after in pairwise(ordered):
        if (before.start, before.end) == (after.start, after.end):
            raise Refused(f"two values for {_named(after.start)}")
        if after.start < before.end:
            raise Refused(f"two slots hold {_named(after.start)}")
    return ordered


def _clipped(pieces: Sequence[Piece], asked: Asked) -> Iterable[Piece]:
    for start, end, value in pieces:
        begin = max(start, asked.start) if asked.start else start
        finish = min(end, asked.end) if asked.end else end
        if begin < finish:
            yield Piece(begin, finish, value)


def _named(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%MZ}"


def joined(curves: Sequence[Curve]) -> Curve:
    """Pages and days of one round as one curve: issued when the newest was, final where all are.

    Raises `Refused` where they differ in unit or basis, or hold two values for one time.
    """
    first = curves[0]
    if any((one.kind, one.unit, one.basis) != (first.kind, first.unit, first.basis) for one in curves):
        raise Refused("the parts of the answer differ in unit or basis")
    pieces = disjoint(Piece(slot.start, slot.end, slot.value) for one in curves for slot in one.slots)
    issued = [one.issued_at for one in curves if one.issued_at]
    return Curve(
        first.kind,
        first.unit,
        tuple(Slot(start=start, end=end, value=value) for start, end, value in pieces),
        max(issued) if issued else None,
        first.basis,
        all(one.final for one in curves),
        tuple(dict.fromkeys(note for one in curves for note in one.notes)),
    )


def stepped(rows: Iterable[tuple[datetime, float | None]], step: timedelta) -> list[Piece]:
    """Pieces of one length from rows that name only their start; None is a gap.

    Raises `Refused` where the starts lie another length apart: then the values last longer or shorter than we think.
    """
    listed = list(rows)
    starts = sorted({start for start, _ in listed})
    apart = {after - before for before, after in pairwise(starts)}
    wrong = {distance for distance in apart if distance % step} or (apart if step not in apart else set())
    if wrong:
        raise Refused(f"the slots are {min(wrong) / _MINUTE:g} minutes apart, not {step / _MINUTE:g}")
    return [Piece(start, start + step, value) for start, value in listed if value is not None]


def scaled(value: float, factor: float) -> float:
    """A value in another unit, without the dust of binary fractions."""
    return round(value * factor, 9)


def span(asked: Asked) -> tuple[datetime, datetime]:
    """The time asked for, which a request needs. Raises ValueError where it is open."""
    if asked.start is None or asked.end is None or asked.end <= asked.start:
        raise ValueError("a request needs a time from start to end")
    return asked.start, asked.end


def days(asked: Asked, zone: str) -> list[date]:
    """The local days that the time asked for touches."""
    start, end = span(asked)
    local = ZoneInfo(zone)
    first, last = start.astimezone(local).date(), (end - timedelta(microseconds=1)).astimezone(local).date()
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def midnight(day: date, zone: str) -> datetime:
    """The start of a local day, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)
