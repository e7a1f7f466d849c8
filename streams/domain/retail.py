"""What a driver pays for a kWh: the energy's price from a source or a table, then fees, then VAT.

    price = (energy / (1 + source_vat) * multiplier + fees) * (1 + vat)

Amounts are in one currency per kWh; another one is refused, never converted. Wall times hold in the tariff's zone, on
days of 23 and 25 hours too: an hour that the clock skips is billed to nobody, one that comes twice is billed twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from streams.contracts.forecast import Slot

EVERY_DAY: Final = frozenset(range(7))
_DAY: Final = timedelta(days=1)
_QUARTER: Final = timedelta(minutes=15)
_JUST: Final = timedelta(microseconds=1)
_MIDNIGHT: Final = time()


class CannotPrice(ValueError):
    """No price follows: the currencies differ, or the table has a hole. The message says where."""


@dataclass(frozen=True)
class Band:
    """An amount per kWh on some weekdays (Monday is 0) from `start` to `end`, wall time.

    It runs past midnight if `end` is not later, and is then of the day on which it began; equal times are 24 hours.
    """

    amount: float
    days: frozenset[int] = EVERY_DAY
    start: time = _MIDNIGHT
    end: time = _MIDNIGHT

    def covers(self, weekday: int, at: time) -> bool:
        """Whether it holds at a wall time."""
        if self.start < self.end:
            return weekday in self.days and self.start <= at < self.end
        begun_today = weekday in self.days and at >= self.start
        return begun_today or ((weekday - 1) % 7 in self.days and at < self.end)


#: One amount for all times, or bands of which the first that covers a time counts.
Amount = float | tuple[Band, ...]


@dataclass(frozen=True)
class Formula:
    """How a retail price follows from the price of energy. VAT as a share: 0.21 is 21 %.

    `source_vat` is what the source's prices already include. Fees (network, taxes, margin) are without VAT.
    """

    currency: str
    zone: ZoneInfo
    fees: tuple[Amount, ...] = ()
    vat: float = 0.0
    source_vat: float = 0.0
    multiplier: float = 1.0

    @property
    def unit(self) -> str:
        """The unit of the prices it makes."""
        return f"{self.currency}/kWh"

    def price(self, energy: float, at: datetime) -> float:
        """The price of a kWh at an instant whose energy costs so much. Raises `CannotPrice`."""
        fees = sum(amount_at(fee, at, self.zone) for fee in self.fees)
        return round((energy / (1 + self.source_vat) * self.multiplier + fees) * (1 + self.vat), 9)


def retail(energy: Sequence[Slot], unit: str, formula: Formula) -> tuple[Slot, ...]:
    """The retail price of every slot, cut where a fee changes; gaps stay gaps. Raises `CannotPrice`."""
    if unit != formula.unit:
        raise CannotPrice(f"the source's prices are in {unit}, the tariff is in {formula.unit}")
    return tuple(
        Slot(start=start, end=end, value=formula.price(slot.value, start))
        for slot in energy
        for start, end in pairwise(_cut(formula.fees, formula, slot.start, slot.end))
    )


def by_table(energy: Amount, formula: Formula, start: datetime, end: datetime) -> tuple[Slot, ...]:
    """The retail price from `start` to `end` where the contract itself says what energy costs. Raises `CannotPrice`."""
    return tuple(
        Slot(start=begin, end=finish, value=formula.price(amount_at(energy, begin, formula.zone), begin))
        for begin, finish in pairwise(_cut((energy, *formula.fees), formula, start, end))
    )


def amount_at(amount: Amount, at: datetime, zone: ZoneInfo) -> float:
    """The amount that counts at an instant. Raises `CannotPrice` where no band does."""
    if not isinstance(amount, tuple):
        return amount
    local = at.astimezone(zone)
    for band in amount:
        if band.covers(local.weekday(), local.time()):
            return band.amount
    raise CannotPrice(f"no band covers {local:%a %H:%M}")


def uncovered(amount: Amount) -> str | None:
    """The first wall time of a week for which there is no band, for example "Mon 07:00"; None where all are covered."""
    if not isinstance(amount, tuple):
        return None
    times = sorted({at for band in amount for at in (band.start, band.end)} | {_MIDNIGHT})
    for weekday, name in enumerate(("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")):
        for at in times:
            if not any(band.covers(weekday, at) for band in amount):
                return f"{name} {at:%H:%M}"
    return None


def _cut(amounts: Sequence[Amount], formula: Formula, start: datetime, end: datetime) -> list[datetime]:
    return [start, *_edges(amounts, formula.zone, start, end), end]


def _edges(amounts: Sequence[Amount], zone: ZoneInfo, start: datetime, end: datetime) -> list[datetime]:
    """The instants inside (start, end) at which an amount changes, sorted."""
    tables = [amount for amount in amounts if isinstance(amount, tuple)]
    if not tables:
        return []
    times = {at for bands in tables for band in bands for at in (band.start, band.end)} | {_MIDNIGHT}
    first, days = start.astimezone(zone).date(), (end - start) // _DAY + 2
    found = {
        datetime.combine(first + n * _DAY, at, zone).replace(fold=fold).astimezone(UTC)
        for n in range(days)
        for at in times
        for fold in (0, 1)
    }
    inside = sorted(at for at in found | set(_clock_changes(zone, start, end)) if start < at < end)
    return [at for at in inside if _all_at(tables, at, zone) != _all_at(tables, at - _JUST, zone)]


def _all_at(amounts: Sequence[Amount], at: datetime, zone: ZoneInfo) -> list[float]:
    return [amount_at(amount, at, zone) for amount in amounts]


def _clock_changes(zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[datetime]:
    """Clocks change on full quarter hours of UTC."""
    at = start.replace(minute=start.minute // 15 * 15, second=0, microsecond=0)
    while at < end:
        if at.astimezone(zone).utcoffset() != (at - _JUST).astimezone(zone).utcoffset():
            yield at
        at += _QUARTER
