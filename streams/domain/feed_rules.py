"""What counts of what a source says: whole days, absurd values, corrections, and when a vintage was issued."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import Final, NamedTuple

from streams.contracts.forecast import Forecast, ForecastKind, Slot

#: A vintage holds no more; what is cut is the oldest.
MOST_SLOTS: Final = 2000
#: A level so many times that of the last days is another unit, not another market.
_LEAP: Final = 50.0
#: Comparing needs so much of a past.
_ENOUGH: Final = timedelta(hours=24)
#: A spike lies farther outside the range of the last days than this many times that range.
_FAR: Final = 3.0
#: A source that dates all its words alike may still have another word.
_SAME: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(hours=1)
_JUST_AFTER: Final = timedelta(milliseconds=1)

_HARD: Final = (-2.0, 10.0)
_NORDIC: Final = (-20.0, 100.0)
_DOLLAR: Final = (-2.0, 25.0)
#: What a kWh can cost in a currency, taxes and the market's own limits included.
_PRICES: Final[Mapping[str, tuple[float, float]]] = {
    "EUR": _HARD, "GBP": _HARD, "CHF": _HARD, "USD": _HARD, "CAD": _DOLLAR, "AUD": _DOLLAR, "NZD": _DOLLAR,
    "DKK": _NORDIC, "NOK": _NORDIC, "SEK": _NORDIC, "PLN": _NORDIC,
}  # fmt: skip
_OTHER_CURRENCY: Final = (-1000.0, 1000.0)
#: Grams of CO2 per kWh; the dirtiest plants emit about 1300.
_CARBON: Final = (0.0, 2000.0)
#: Below this share of the upper bound levels are not compared: near 0 every ratio is large.
_FLOOR: Final = 0.002


class Absurd(ValueError):
    """Nobody should plan with these values; the message says which and why."""


class Coverage(NamedTuple):
    """How many slots of a stretch are known, and how many it has."""

    have: int
    want: int

    @property
    def whole(self) -> bool:
        """Nothing is missing."""
        return self.have >= self.want


def coverage(slots: Iterable[Slot], start: datetime, end: datetime, length: timedelta) -> Coverage:
    """The slots of `length` inside [start, end): by elapsed time, so that a day has as many as it really has."""
    known = sum((max(min(s.end, end) - max(s.start, start), timedelta()) for s in slots), timedelta())
    return Coverage(known // length, -((start - end) // length))


def hourly(slots: Iterable[Slot]) -> Iterator[Slot]:
    """The same values, slots that are longer than an hour cut at every full hour: plans compare days hour by hour."""
    for slot in slots:
        start = slot.start
        while slot.end - start > _HOUR:
            end = start.replace(minute=0, second=0, microsecond=0) + _HOUR
            yield Slot(start=start, end=end, value=slot.value)
            start = end
        yield slot if start == slot.start else Slot(start=start, end=slot.end, value=slot.value)


def usual_length(slots: Sequence[Slot]) -> timedelta:
    """The shortest slot, at most an hour: the step of a source that does not always have the same."""
    return min(_HOUR, *(slot.end - slot.start for slot in slots))


def known_until(slots: Sequence[Slot], now: datetime) -> datetime:
    """The end of the unbroken run of slots that holds `now`, or that comes first after it; else of the last slot."""
    until: datetime | None = None
    for slot in slots:
        if slot.end <= now:
            continue
        if until is not None and slot.start > until:
            break
        until = slot.end
    return until or slots[-1].end


def bounds(kind: ForecastKind, unit: str) -> tuple[float, float]:
    """What values of this kind and unit can be."""
    return _CARBON if kind is ForecastKind.CARBON else _PRICES.get(unit.partition("/")[0], _OTHER_CURRENCY)


def refuse_absurd(kind: ForecastKind, unit: str, slots: Sequence[Slot], past: Sequence[Slot]) -> None:
    """Raise `Absurd` for a value out of bounds, or for a level that leaps away from that of the last days.

    Prices may fall to nothing, so they leap only upwards; carbon of a whole grid leaps either way.
    """
    low, high = bounds(kind, unit)
    for slot in slots:
        if not low <= slot.value <= high:
            raise Absurd(f"{slot.value:g} {unit} at {slot.start:%Y-%m-%dT%H:%MZ} is not within {low:g} to {high:g}")
    if not _enough(past):
        return
    was, level = _level(past, high), _level(slots, high)
    if level > _LEAP * was or (kind is ForecastKind.CARBON and was > _LEAP * level):
        raise Absurd(f"the values are {level / was:.3g} times those of the last days: is it another unit?")


def has_spike(slots: Sequence[Slot], past: Sequence[Slot]) -> bool:
    """Some value lies far outside the range of the last days. It may be true, so it is flagged, not refused."""
    if not _enough(past):
        return False
    low, high = min(slot.value for slot in past), max(slot.value for slot in past)
    room = _FAR * (high - low)
    return any(not low - room <= slot.value <= high + room for slot in slots)


def _enough(past: Sequence[Slot]) -> bool:
    return sum((slot.end - slot.start for slot in past), timedelta()) >= _ENOUGH


def _level(slots: Sequence[Slot], high: float) -> float:
    return max(median(abs(slot.value) for slot in slots), _FLOOR * high)


def is_news(new: Forecast, known: Forecast | None) -> bool:
    """Whether a vintage says anything that is not known: a value, a time, a basis, or other flags."""
    if known is None or (new.unit, new.basis, new.flags) != (known.unit, known.basis, known.flags):
        return True
    return any(not _is_known(slot, known.slots) for slot in new.slots)


def _is_known(slot: Slot, known: Sequence[Slot]) -> bool:
    """Whether the known slots hold the same value for all of a slot's time."""
    at = slot.start
    for one in known:
        if one.end > at:
            if one.start > at or one.value != slot.value:
                return False
            at = one.end
            if at >= slot.end:
                return True
    return False


def issued(said: datetime | None, newest: datetime | None, now: datetime) -> datetime | None:
    """When a vintage was issued: the source's word, else when we first saw it; always after the `newest` before it.

    A word from the future counts as now. None: the source shows an older copy than we have had.
    """
    at = now if said is None else min(said, now)
    if newest is None or at > newest:
        return at
    if said is not None and said < newest - _SAME:
        return None
    return newest + _JUST_AFTER


def needs_renewal(known: Forecast, max_age: timedelta, now: datetime) -> bool:
    """Half of the time for which a vintage is good has passed: the same word, heard again, is to be issued anew."""
    return known.good_until is not None and known.good_until - now <= max_age / 2
