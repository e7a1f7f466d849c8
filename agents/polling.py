"""registered cars -> telemetry: reads each car when a reading is worth having, never while it blocks a partition."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import structlog

from agents.cars import Cars
from agents.engine.stage import DAWN, Lane, Record, Stage, Work
from agents.fleet import Fleet, Why, why
from agents.metrics import Metrics
from agents.quotas import Quotas
from agents.reads import poll_policy
from oem_connectors.base import Connector
from oem_connectors.errors import Asleep, NeedsConsent, OemError, Throttled
from streams.contracts.account import AccountState, Link
from streams.contracts.base import account_of
from streams.contracts.command import CommandEvent
from streams.contracts.internal import Tick, TickPhase
from streams.contracts.registration import Registration
from streams.contracts.schedule import Schedule
from streams.contracts.telemetry import Telemetry
from streams.contracts.vehicle import VehicleState
from streams.domain.budget import Budget
from streams.domain.polling import PollPolicy, Worth
from streams.domain.reading_order import Case, Heard, Skip, Wanted, by_worth, left_alone, wakes
from streams.domain.watched import observe_command, observe_schedule, observe_state
from streams.topics import ACCOUNT, COMMAND, REGISTRATION, SCHEDULE, TELEMETRY, TICK, VEHICLE
from tables import POLLS
from tables.rows import PollRow

LOG = structlog.get_logger("d2ev")
#: After a failed read, while consent is missing, and while a grant may be on its way.
AGAIN, MUCH_LATER, SOON = timedelta(minutes=10), timedelta(hours=6), timedelta(minutes=1)
#: Readings of little worth leave this part of what an account may do at once to those of more.
LEFT_TO_BETTER = 0.5
_NO_CONSENT = frozenset({Link.NEEDS_CONSENT, Link.REVOKED})


def stage(
    cars: Callable[[], Cars],
    connectors: Mapping[str, Connector],
    partitions: int,
    budgets: Mapping[int, Budget],
    metrics: Metrics,
    grid: timedelta,
) -> Stage:
    """The stage, reading with `cars` on `grid`, as often as the makers allow and their cars bear."""
    poller = Poller(cars, connectors, Quotas(connectors, partitions), budgets, metrics, grid)
    return Stage(
        "polling",
        reads=(REGISTRATION, ACCOUNT, VEHICLE, SCHEDULE, COMMAND, TICK),
        writes=(TELEMETRY,),
        tables=(POLLS,),
        step=poller.step,
        restore=_restore,
    )


@dataclass(slots=True)
class Notes:
    """What one owner of a partition has in mind; the next one starts without."""

    heard: dict[str, Heard] = field(default_factory=dict)
    #: Cars of every account, and when the OEM lets us read them again.
    cars: dict[str, set[str]] = field(default_factory=dict)
    retry_at: dict[str, datetime] = field(default_factory=dict)
    #: Cars that were taken over and have no turn yet.
    taken_over: set[str] = field(default_factory=set)
    fleet: Fleet = field(default_factory=Fleet)


class Poller:
    """Reads what is due on the beat of reading; every reading sets the instant of the next."""

    def __init__(
        self,
        cars: Callable[[], Cars],
        connectors: Mapping[str, Connector],
        quotas: Quotas,
        budgets: Mapping[int, Budget],
        metrics: Metrics,
        grid: timedelta,
    ) -> None:
        self._cars = cars
        self._connectors = connectors
        self._quotas = quotas
        self._budgets = budgets
        self._metrics = metrics
        self._grid = grid
        self._policies: dict[tuple[str, str], PollPolicy] = {}

    def step(self, work: Work) -> None:
        for record in work:
            if isinstance(record.value, Tick):
                if record.value.phase is TickPhase.READ:
                    self._read_due(work)
            elif record.topic == REGISTRATION.name:
                _enrol(work, record)
            elif isinstance(record.value, AccountState):
                _note_link(work, record.value)
            elif record.value is not None:
                self._note(work, record)

    def _read_due(self, work: Work) -> None:
        now = work.now
        wanted: list[Wanted] = []
        work.attend(lambda car: wanted.extend(self._wanted(work, car)))
        for one, wait in by_worth(wanted, self._budgets[work.partition], now):
            row = work.get(POLLS, one.car)
            if row is None:
                continue
            if not wait:
                work.spawn(account_of(one.car), partial(self._read, car=row.registration))
                continue
            policy = self._policy(row.registration)
            soonest = policy.command_pending if one.worth <= Worth.TARGET_NEAR else policy.soonest
            self._skip(work, row.registration, Skip.QUOTA, now + max(wait, soonest))
        notes_of(work).fleet.show(self._metrics, work.partition)

    def _wanted(self, work: Work, car: str) -> list[Wanted]:
        """The car that is due, unless it is not to be read now."""
        row, notes, now = work.get(POLLS, car), notes_of(work), work.now
        if row is None:
            return []
        case = self._case(row, notes)
        if car in notes.taken_over:
            notes.taken_over.discard(car)
            if case.worth(now) > Worth.NEW_SESSION:
                work.due.set(car, case.next_after(now))
                return []
        if (skip := _forbidden(row, notes, now) or left_alone(case, now)) is not None:
            self._skip(work, row.registration, *skip)
            return []
        value = case.worth(now)
        leaves = 0.0 if value <= Worth.TARGET_NEAR else LEFT_TO_BETTER
        limits = self._quotas.read(row.registration.oem, car, wakes=wakes(case, now), leaves=leaves)
        return [Wanted(value, DAWN if case.heard is None else case.heard.received_time, car, limits)]

    def _skip(self, work: Work, car: Registration, why: Skip, until: datetime) -> None:
        self._metrics.polls_skipped.labels(car.oem, why.value).inc()
        work.due.set(car.car, until)

    async def _read(self, lane: Lane, car: Registration) -> None:
        try:
            reading = await self._cars().read(lane.partition, car)
        except OemError as error:
            LOG.info("read failed", oem=car.oem, error=type(error).__name__)
            failed = error
            await lane.commit(lambda work: self._failed(work, car.car, failed))
        else:
            await lane.commit(lambda work: self._took(work, car.car, reading))

    def _took(self, work: Work, car: str, reading: Telemetry) -> None:
        row = work.get(POLLS, car)
        if row is None:
            return  # erased while it was read
        notes_of(work).fleet.heard(car)
        work.send(TELEMETRY, car, reading)
        self._set_next(work, row)

    def _failed(self, work: Work, car: str, error: OemError) -> None:
        row, now = work.get(POLLS, car), work.memory.clock
        if row is None:
            return
        notes_of(work).fleet.unread(car, why(error))
        match error:
            case Throttled(retry_after=timedelta() as wait):
                notes_of(work).retry_at[account_of(car)] = now + wait
                work.due.set(car, now + wait)
            case Asleep() if row.watched.known:
                self._set_next(work, row)
            case _:
                work.due.set(car, now + _wait(error, row))

    def _note(self, work: Work, record: Record) -> None:
        row = work.get(POLLS, record.key)
        if row is None:
            return
        watched = row.watched
        match record.value:
            case VehicleState() as state:
                notes_of(work).heard[record.key] = Heard(state.car_time, state.received_time)
                notes_of(work).fleet.heard(record.key)
                watched = observe_state(watched, state, ZoneInfo(row.registration.home_zone))
            case Schedule() as schedule:
                watched = observe_schedule(watched, schedule)
            case CommandEvent() as command:
                watched = observe_command(watched, command)
        if watched is not row.watched:
            row = row.model_copy(update={"watched": watched})
            work.put(POLLS, record.key, row)
            self._set_next(work, row)

    def _set_next(self, work: Work, row: PollRow) -> None:
        work.due.set(row.registration.car, self._case(row, notes_of(work)).next_after(work.now))

    def _case(self, row: PollRow, notes: Notes) -> Case:
        car = row.registration
        return Case(car.car, row.watched, notes.heard.get(car.car), self._policy(car), ZoneInfo(car.home_zone))

    def _policy(self, car: Registration) -> PollPolicy:
        known = self._policies.get((car.oem, car.model))
        if known is None:
            connector = self._connectors.get(car.oem)
            known = PollPolicy(grid=self._grid) if connector is None else poll_policy(connector, car.model, self._grid)
            self._policies[car.oem, car.model] = known
        return known


def _wait(error: OemError, row: PollRow) -> timedelta:
    """That consent is lost is the account's word; before it comes, a new grant may just not be kept yet."""
    if not isinstance(error, NeedsConsent):
        return AGAIN
    return MUCH_LATER if row.needs_consent else SOON


def notes_of(work: Work) -> Notes:
    """The notes of this partition."""
    notes: Notes | None = work.memory.scratch.get("notes")
    if notes is None:
        notes = work.memory.scratch["notes"] = Notes()
    return notes


def _forbidden(row: PollRow, notes: Notes, now: datetime) -> tuple[Skip, datetime] | None:
    if row.needs_consent:
        return Skip.NEEDS_CONSENT, now + MUCH_LATER
    retry_at = notes.retry_at.get(account_of(row.registration.car))
    return None if retry_at is None or retry_at <= now else (Skip.RETRY_AFTER, retry_at)


def _enrol(work: Work, record: Record) -> None:
    cars = notes_of(work).cars.setdefault(account_of(record.key), set())
    if record.value is None or record.value.consent != "given":
        cars.discard(record.key)
        notes_of(work).heard.pop(record.key, None)
        notes_of(work).fleet.leave(record.key)
        work.delete(POLLS, record.key)
        work.due.set(record.key, None)
        return
    cars.add(record.key)
    notes_of(work).fleet.enrol(record.key, record.value.oem)
    known = work.get(POLLS, record.key)
    if known is not None:
        work.put(POLLS, record.key, known.model_copy(update={"registration": record.value}))
        return
    work.put(POLLS, record.key, PollRow(registration=record.value))
    work.due.set(record.key, DAWN)


def _note_link(work: Work, account: AccountState) -> None:
    needs_consent = account.link in _NO_CONSENT
    for car in notes_of(work).cars.get(account.account, ()):
        row = work.get(POLLS, car)
        if row is not None and row.needs_consent != needs_consent:
            work.put(POLLS, car, row.model_copy(update={"needs_consent": needs_consent}))
            work.due.set(car, DAWN)
            if needs_consent:
                notes_of(work).fleet.unread(car, Why.CONSENT)


def _restore(work: Work) -> None:
    notes = notes_of(work)
    for car, row in work.items(POLLS):
        notes.fleet.enrol(car, row.registration.oem)
        if row.needs_consent:
            notes.fleet.unread(car, Why.CONSENT)
        notes.cars.setdefault(account_of(car), set()).add(car)
        notes.taken_over.add(car)
        work.due.set(car, DAWN)
