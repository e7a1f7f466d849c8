"""registered cars -> telemetry: reads each car when a reading is worth having, never while it blocks a partition."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import structlog

from agents.cars import Cars
from agents.engine.stage import DAWN, Lane, Record, Stage, Work
from oem_connectors.errors import NeedsConsent, OemError, Throttled
from streams.contracts.base import account_of
from streams.contracts.command import FINAL, CommandEvent
from streams.contracts.internal import Tick, TickPhase
from streams.contracts.registration import Registration
from streams.contracts.schedule import Schedule
from streams.contracts.vehicle import VehicleState
from streams.domain.polling import PollPolicy, next_poll
from streams.topics import COMMAND, REGISTRATION, SCHEDULE, TELEMETRY, TICK, VEHICLE
from tables import POLLS
from tables.rows import PollRow

LOG = structlog.get_logger("d2ev")
#: After a failed read, and after consent was lost.
AGAIN, MUCH_LATER = timedelta(minutes=10), timedelta(hours=6)


class Seen:
    """What decides when to read a car next. Rebuilt from the topics after a take-over; until then it is read sooner."""

    __slots__ = ("command", "schedule", "state")

    def __init__(self) -> None:
        self.state: VehicleState | None = None
        self.schedule: Schedule | None = None
        self.command: CommandEvent | None = None


def stage(cars: Callable[[], Cars], policy: PollPolicy) -> Stage:
    """The stage, reading with `cars` within `policy`."""

    def step(work: Work) -> None:
        seen: dict[str, Seen] = work.memory.scratch
        for record in work:
            if isinstance(record.value, Tick):
                if record.value.phase is TickPhase.READ:
                    for car in work.due.pop(work.now):
                        _read(work, car)
            else:
                _note(work, seen, record)

    def _read(work: Work, car: str) -> None:
        row = work.get(POLLS, car)
        if row is not None:
            registration = row.registration
            work.spawn(account_of(car), lambda lane: _reading(lane, registration))

    async def _reading(lane: Lane, car: Registration) -> None:
        try:
            reading = await cars().read(lane.partition, car)
        except OemError as error:
            LOG.info("read failed", oem=car.oem, error=type(error).__name__)
            wait = _wait(error)
            await lane.commit(lambda work: work.due.set(car.car, work.memory.clock + wait))
            return
        await lane.commit(lambda work: _took(work, car, reading))

    def _took(work: Work, car: Registration, reading: object) -> None:
        work.send(TELEMETRY, car.car, reading)
        _schedule_next(work, work.memory.scratch, car.car)

    def _schedule_next(work: Work, seen: dict[str, Seen], car: str) -> None:
        known = seen.get(car) or Seen()
        pending = known.command is not None and known.command.phase not in FINAL
        at, _ = next_poll(car, known.state, known.schedule, pending, work.memory.clock, policy)
        work.due.set(car, at)

    def _note(work: Work, seen: dict[str, Seen], record: Record) -> None:
        if record.topic == REGISTRATION.name:
            _enrol(work, record)
            return
        if record.value is None or work.get(POLLS, record.key) is None:
            return
        known = seen.setdefault(record.key, Seen())
        match record.value:
            case VehicleState() as state:
                known.state = state
            case Schedule() as schedule:
                known.schedule = schedule
            case CommandEvent() as command:
                known.command = command
        _ = work.now
        _schedule_next(work, seen, record.key)

    reads = (REGISTRATION, VEHICLE, SCHEDULE, COMMAND, TICK)
    return Stage("polling", reads=reads, writes=(TELEMETRY,), tables=(POLLS,), step=step, restore=_restore)


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
