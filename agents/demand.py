"""schedules and caps -> what the cars of a capped region need, in sums, for the partition that owns the cap."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

from agents.engine.stage import DAWN, Record, Stage, Work
from agents.observe import observer
from streams.contracts.capacity import RegionCap
from streams.contracts.internal import Tick, TickPhase
from streams.contracts.preference import Preference
from streams.contracts.registration import Registration
from streams.contracts.schedule import Schedule
from streams.domain.demand import CarNeed, demand, observe_preference, observe_registration, observe_schedule
from streams.topics import CAP, CAPPED, DEMAND, PREFERENCE, REGISTRATION, SCHEDULE, TICK
from tables import CAPPED_REGIONS, NEEDS
from tables.rows import CappedRow

#: Needs are told at most this often.
EVERY = timedelta(minutes=5)
#: What did not change is told again after this: whoever adds up may have been elsewhere.
AGAIN = timedelta(minutes=30)

_observe: Callable[[CarNeed, object], CarNeed] = observer(
    {Registration: observe_registration, Preference: observe_preference, Schedule: observe_schedule}
)


def step(work: Work) -> None:
    """Keep what each car needs; where a region has a cap, say now and then what its cars here need together."""
    for record in work:
        if isinstance(record.value, Tick):
            if record.value.phase is TickPhase.CHECK:
                work.attend(partial(_tell, work))
        elif record.topic == CAP.name:
            work.broadcast(CAPPED, record.key, record.value)
        elif record.topic == CAPPED.name:
            _capped(work, record.key, record.value)
        else:
            _note(work, record)


def _capped(work: Work, region: str, cap: RegionCap | None) -> None:
    """From now on the cars of the region are counted, or no longer."""
    if cap is None:
        work.delete(CAPPED_REGIONS, region)
        work.due.set(region, None)
    else:
        work.put(CAPPED_REGIONS, region, CappedRow())
        work.due.set(region, DAWN)


def _note(work: Work, record: Record) -> None:
    known = work.get(NEEDS, record.key)
    if record.value is not None:
        work.put(NEEDS, record.key, _observe(known or CarNeed(), record.value))
    elif known is not None and record.topic == REGISTRATION.name:
        work.delete(NEEDS, record.key)


def _tell(work: Work, region: str) -> None:
    row = work.get(CAPPED_REGIONS, region) or CappedRow()
    found = demand(region, work.partition, work.items(NEEDS), work.now)
    told = row.told
    same = told is not None and (told.curves, told.cohorts) == (found.curves, found.cohorts)
    if told is None or not same or found.at - told.at >= AGAIN:
        work.broadcast(DEMAND, region, found)
        work.put(CAPPED_REGIONS, region, CappedRow(told=found))
    work.due.set(region, work.now + EVERY)


def _restore(work: Work) -> None:
    """After a take-over every capped region is looked at once; what was told already is not told again."""
    for region, _ in work.items(CAPPED_REGIONS):
        work.due.set(region, DAWN)


STAGE = Stage(
    "demand",
    reads=(REGISTRATION, PREFERENCE, SCHEDULE, CAP, CAPPED, TICK),
    writes=(CAPPED, DEMAND),
    tables=(NEEDS, CAPPED_REGIONS),
    step=step,
    restore=_restore,
)
