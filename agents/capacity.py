"""caps and what cars need -> slot adders per region, in the partition that owns the cap."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from agents.engine.stage import DAWN, Stage, Work
from streams.contracts.capacity import RegionAdder, RegionCap, RegionDemand
from streams.contracts.forecast import Forecast
from streams.contracts.internal import Tick, TickPhase
from streams.domain.capacity import adders_for, differs, lifted
from streams.domain.forecasts import forecast_key, merge
from streams.domain.market import Market
from streams.topics import ADDER, CAP, DEMAND, REPLAN, TICK
from tables import CAPACITY_CURVES, CAPS, DEMANDS
from tables.rows import CapRow

#: Adders are looked for at most this often.
EVERY = timedelta(minutes=5)
#: So long what partitions tell at about the same time is waited for.
GATHER = timedelta(seconds=10)


def step(work: Work) -> None:
    """Keep caps, needs and curves; now and then look for the adders that hold the caps."""
    for record in work:
        match record.value:
            case Tick() as tick:
                if tick.phase is TickPhase.CHECK:
                    work.attend(partial(_look, work))
            case Forecast() as vintage:
                key = forecast_key(vintage)
                work.put(CAPACITY_CURVES, key, merge(work.get(CAPACITY_CURVES, key), vintage))
            case RegionDemand() as demand:
                _told(work, demand)
            case RegionCap() as cap:
                known = work.get(CAPS, cap.region)
                work.put(CAPS, cap.region, CapRow(cap=cap, issued=known.issued if known else None))
                work.due.set(cap.region, DAWN)
            case None if record.topic == CAP.name:
                _lift(work, record.key)


def _told(work: Work, demand: RegionDemand) -> None:
    """Needs of a region whose cap is another partition's end here."""
    row = work.get(CAPS, demand.region)
    if row is not None:
        work.put(DEMANDS, f"{demand.region}/{demand.partition}", demand)
        soonest = work.now + GATHER
        work.due.set(demand.region, soonest if row.looked_at is None else max(soonest, row.looked_at + EVERY))


def _look(work: Work, region: str) -> None:
    row = work.get(CAPS, region)
    if row is None:
        return
    demands = [demand for _, demand in work.items(DEMANDS) if demand.region == region]
    markets: dict[str, Market | None] = {}

    def market(tariff: str) -> Market | None:
        if tariff not in markets:
            price = work.get(CAPACITY_CURVES, f"price:{tariff}")
            carbon = work.get(CAPACITY_CURVES, f"carbon:{region}")
            markets[tariff] = Market(price, carbon) if price else None
        return markets[tariff]

    found = adders_for(row.cap, demands, market, work.now)
    new = differs(found, row.issued)
    if new:
        work.send(ADDER, region, found)
    issued = found if new else row.issued
    work.put(CAPS, region, row.model_copy(update={"looked_at": work.now, "issued": issued}))


def _lift(work: Work, region: str) -> None:
    """The cap is gone, and with it all adders that were in force."""
    row = work.get(CAPS, region)
    if row is None:
        return
    issued: RegionAdder | None = row.issued
    if issued is not None and any(slot.adder for slot in issued.slots):
        work.send(ADDER, region, lifted(issued, work.now))
    work.delete(CAPS, region)
    for key, demand in work.items(DEMANDS):
        if demand.region == region:
            work.delete(DEMANDS, key)


def _restore(work: Work) -> None:
    for region, _ in work.items(CAPS):
        work.due.set(region, DAWN)


STAGE = Stage(
    "capacity",
    reads=(CAP, DEMAND, REPLAN, TICK),
    writes=(ADDER,),
    tables=(CAPS, DEMANDS, CAPACITY_CURVES),
    step=step,
    restore=_restore,
)
