"""registered cars -> telemetry: reads each car when a reading is worth having, never while it blocks a partition."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import structlog

from agents.cars import Cars
from agents.engine.stage import DAWN, Lane, Record, Stage, Work
from oem_connectors.errors import NeedsConsent, OemError, Throttled
from streams.contracts.base import account_of
from streams.contracts.command import FINAL, CommandEvent
from streams.contracts.internal import Tick, TickPhase
from streams.contracts.registration import Registration
from streams.contracts.schedule import Schedule
from streams.contracts.telemetry import Telemetry
from streams.contracts.vehicle import VehicleState
from streams.domain.polling import PollPolicy, next_poll
from streams.topics import COMMAND, REGISTRATION, SCHEDULE, TELEMETRY, TICK, VEHICLE
from tables import POLLS
from tables.rows import PollRow

LOG = structlog.get_logger("d2ev")
#: After a failed read, and after consent was lost.
AGAIN, MUCH_LATER = timedelta(minutes=10), timedelta(hours=6)


def stage(cars: Callable[[], Cars], policy: PollPolicy) -> Stage:
    """The stage, reading with `cars` within `policy`."""
    return Stage(
        "polling",
        reads=(REGISTRATION, VEHICLE, SCHEDULE, COMMAND, TICK),
        writes=(TELEMETRY,),
        tables=(POLLS,),
        step=Poller(cars, policy).step,
        restore=_restore,
    )


class Seen:
    """What decides when to read a car next. Rebuilt from the topics after a take-over; until then it is read sooner."""

    __slots__ = ("command", "schedule", "state")

    def __init__(self) -> None:
        self.state: VehicleState | None = None
        self.schedule: Schedule | None = None
        self.command: CommandEvent | None = None


class Poller:
    """Reads what is due on the beat of reading; every reading sets the instant of the next."""

    def __init__(self, cars: Callable[[], Cars], policy: PollPolicy) -> None:
        self._cars = cars
        self._policy = policy

    def step(self, work: Work) -> None:
        for record in work:
            if not isinstance(record.value, Tick):
                self._note(work, record)
            elif record.value.phase is TickPhase.READ:
                for car in work.due.pop(work.now):
                    row = work.get(POLLS, car)
                    if row is not None:
                        work.spawn(account_of(car), partial(self._read, car=row.registration))

    async def _read(self, lane: Lane, car: Registration) -> None:
        try:
            reading = await self._cars().read(lane.partition, car)
        except OemError as error:
            LOG.info("read failed", oem=car.oem, error=type(error).__name__)
            wait = _wait(error)
            await lane.commit(lambda work: work.due.set(car.car, work.memory.clock + wait))
        else:
            await lane.commit(lambda work: self._took(work, car.car, reading))

    def _took(self, work: Work, car: str, reading: Telemetry) -> None:
        if work.get(POLLS, car) is None:
            return  # erased while it was read
        work.send(TELEMETRY, car, reading)
        self._set_next(work, car)

    def _set_next(self, work: Work, car: str) -> None:
        seen: Seen = work.memory.scratch.get(car) or Seen()
        pending = seen.command is not None and seen.command.phase not in FINAL
        at, _ = next_poll(car, seen.state, seen.schedule, pending, work.now, self._policy)
        work.due.set(car, at)

    def _note(self, work: Work, record: Record) -> None:
        if record.topic == REGISTRATION.name:
            _enrol(work, record)
            return
        if record.value is None or work.get(POLLS, record.key) is None:
            return
        seen: Seen = work.memory.scratch.setdefault(record.key, Seen())
        match record.value:
            case VehicleState() as state:
                seen.state = state
            case Schedule() as schedule:
                seen.schedule = schedule
            case CommandEvent() as command:
                seen.command = command
        self._set_next(work, record.key)


def _enrol(work: Work, record: Record) -> None:
    if record.value is None or record.value.consent != "given":
        work.delete(POLLS, record.key)
        work.due.set(record.key, None)
        return
    work.put(POLLS, record.key, PollRow(registration=record.value))
    work.due.set(record.key, DAWN)


def _wait(error: OemError) -> timedelta:
    if isinstance(error, Throttled) and error.retry_after is not None:
        return error.retry_after
    return MUCH_LATER if isinstance(error, NeedsConsent) else AGAIN


def _restore(work: Work) -> None:
    for car, _ in work.items(POLLS):
        work.due.set(car, DAWN)
