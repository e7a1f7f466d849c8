"""The demo's books: what charging really cost and emitted, from metered truth alone, beside three other ways.

Plans do not enter here. Every way charges the delivered energy in the same stay, on final prices and actual
carbon.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from deploy.demo.ways import WAYS, Settlement, Span, Totals, four_ways
from streams.contracts.forecast import Slot
from streams.contracts.session import Promise
from streams.domain.settle import Profile

#: A car counts as ready this close to its target: OEMs report whole percents.
READY_WITHIN_PCT = 0.5

_PROMISES = (Promise.MET, Promise.MISSED, Promise.UNREACHABLE, Promise.LEFT_EARLY)
_SAME_BLOCK = timedelta(minutes=1)
_AT_PLUG_IN = timedelta(minutes=5)


@dataclass(frozen=True)
class MeteredStay:
    """One finished stay as the simulator metered it; ValueError unless its charges lie in order inside it.

    `charges` are (start, end, wall kWh); `power_kw` is what the car can draw at the wall; `ready_by` is the
    first after plug-in, `soc_at_ready_pct` the state of charge then or, when the car left before, at unplug.
    """

    car: str
    zone: str
    plug_in: datetime
    plug_out: datetime
    ready_by: datetime
    power_kw: float
    usable_kwh: float
    efficiency: float
    soc_at_plug_in_pct: float
    soc_at_ready_pct: float
    target_soc_pct: float
    carbon_price_per_tonne: float
    charges: Profile

    def __post_init__(self) -> None:
        edges = [self.plug_in, *(at for start, end, _ in self.charges for at in (start, end)), self.plug_out]
        in_order = all(earlier <= later for earlier, later in pairwise(edges))
        if not in_order or any(end <= start for start, end, _ in self.charges):
            raise ValueError(f"{self.car}: metered charges must lie in order inside the stay")

    @property
    def energy_kwh(self) -> float:
        """Delivered, at the wall."""
        return sum(kwh for _, _, kwh in self.charges)

    @property
    def span(self) -> Span:
        """Where the other ways may charge: in this stay, at the car's power, or the metered one if higher."""
        metered_kw = [kwh / ((end - start) / timedelta(hours=1)) for start, end, kwh in self.charges]
        return Span(self.plug_in, self.plug_out, max([self.power_kw, *metered_kw]), self.zone)

    def soc_after(self, wall_kwh: float) -> float:
        """The state of charge that `wall_kwh` would have brought since plug-in, in percent, not capped."""
        return self.soc_at_plug_in_pct + 100 * wall_kwh * self.efficiency / self.usable_kwh


@dataclass(frozen=True)
class _Book:
    stay: MeteredStay
    ways: dict[str, Totals]

    def objective(self, way: str) -> float:
        return self.ways[way].objective(self.stay.carbon_price_per_tonne)


def settle_fleet(stays: Sequence[MeteredStay], prices: Sequence[Slot], carbon: Sequence[Slot]) -> dict[str, Any]:
    """The books of a fleet, as numbers for JSON. Every aggregate is a sum or a ratio of sums.

    `prices` in currency per kWh and `carbon` in g/kWh share their edges (ValueError otherwise). Stays they do
    not cover are counted under `unsettled` and left out of `energy_kwh` and all amounts: no price is not 0.
    `objective` is cost with carbon priced in; `captured` is what was saved of it over what the oracle saves,
    where a missed promise earns nothing (null when there was nothing to save).
    """
    settlement = Settlement(prices, carbon)
    settled = [stay for stay in stays if settlement.covers(stay.plug_in, stay.plug_out)]
    unsettled = [stay for stay in stays if not settlement.covers(stay.plug_in, stay.plug_out)]
    books = [_book(stay, settlement) for stay in settled]
    return {
        "sessions": len(stays),
        "energy_kwh": round(_energy_kwh(settled), 3),
        "cost": {way: round(sum(book.ways[way].cost for book in books), 4) for way in WAYS},
        "carbon_kg": {way: round(sum(book.ways[way].carbon_g for book in books) / 1000, 4) for way in WAYS},
        "objective": {way: round(sum(book.objective(way) for book in books), 4) for way in WAYS},
        "captured": _captured(books),
        "ready_by": _promises(stays),
        "blocks_per_session": _blocks_per_session(stays),
        "leaked_kwh": round(sum(map(leaked_kwh, stays)), 3),
        "unsettled": {"sessions": len(unsettled), "energy_kwh": round(_energy_kwh(unsettled), 3)},
    }


def promise(stay: MeteredStay) -> Promise:
    """Met, else left early, else unreachable (even from plug-in at full power), else missed."""
    enough_pct = stay.target_soc_pct - READY_WITHIN_PCT
    if stay.soc_at_ready_pct >= enough_pct:
        return Promise.MET
    if stay.plug_out < stay.ready_by:
        return Promise.LEFT_EARLY
    hours = (stay.ready_by - stay.plug_in) / timedelta(hours=1)
    return Promise.MISSED if stay.soc_after(hours * stay.power_kw) >= enough_pct else Promise.UNREACHABLE


def blocks(charges: Profile) -> Profile:
    """The charges joined where no more than a minute lies between them; empty ones do not count."""
    joined: list[tuple[datetime, datetime, float]] = []
    for start, end, kwh in charges:
        if kwh <= 0:
            continue
        if joined and start - joined[-1][1] <= _SAME_BLOCK:
            first, _, before_kwh = joined.pop()
            joined.append((first, end, before_kwh + kwh))
        else:
            joined.append((start, end, kwh))
    return tuple(joined)


def leaked_kwh(stay: MeteredStay) -> float:
    """Energy of a block that began with the plug-in and stopped short of the target: gone before a plan held.

    Charging up to the minimum state of charge at once is planned and counts too, so this is an upper bound.
    """
    runs = blocks(stay.charges)
    if not runs:
        return 0.0
    start, end, kwh = runs[0]
    held = start - stay.plug_in > _AT_PLUG_IN
    never_stopped = end >= stay.plug_out or stay.soc_after(kwh) >= stay.target_soc_pct - READY_WITHIN_PCT
    return 0.0 if held or never_stopped else kwh


def _book(stay: MeteredStay, settlement: Settlement) -> _Book:
    return _Book(stay, four_ways(stay.charges, stay.span, stay.carbon_price_per_tonne, settlement))


def _captured(books: Sequence[_Book]) -> float | None:
    saved = possible = 0.0
    for book in books:
        saving = book.objective("unmanaged") - book.objective("managed")
        saved += min(saving, 0.0) if promise(book.stay) is Promise.MISSED else saving
        possible += book.objective("unmanaged") - book.objective("oracle")
    return round(saved / possible, 4) if possible > 0 else None


def _promises(stays: Sequence[MeteredStay]) -> dict[str, int]:
    kept = Counter(map(promise, stays))
    return {str(kind): kept[kind] for kind in _PROMISES}


def _blocks_per_session(stays: Sequence[MeteredStay]) -> float | None:
    """Blocks over sessions that took energy; null when none did."""
    counts = [len(blocks(stay.charges)) for stay in stays if stay.energy_kwh > 0]
    return round(sum(counts) / len(counts), 3) if counts else None


def _energy_kwh(stays: Sequence[MeteredStay]) -> float:
    return sum(stay.energy_kwh for stay in stays)
