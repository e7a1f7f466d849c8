"""everything about a car -> the driver's read model: one record that says what is so, why, and what comes next."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from agents.engine.stage import DAWN, Record, Stage, Work
from agents.observe import observer
from streams.contracts.account import AccountState
from streams.contracts.base import account_of
from streams.contracts.command import CommandEvent
from streams.contracts.internal import Standing, Tick, TickPhase
from streams.contracts.preference import Preference
from streams.contracts.registration import Registration
from streams.contracts.schedule import Schedule
from streams.contracts.session import SessionSettled
from streams.contracts.vehicle import VehicleState
from streams.domain.status import (
    StatusState,
    observe_account,
    observe_command,
    observe_preference,
    observe_registration,
    observe_schedule,
    observe_settled,
    observe_standing,
    observe_state,
    status,
)
from streams.topics import (
    ACCOUNT,
    COMMAND,
    PREFERENCE,
    REGISTRATION,
    SCHEDULE,
    SESSION,
    STANDING,
    STATUS,
    TICK,
    VEHICLE,
)
from tables import STATUSES
from tables.rows import StatusRow

_observe: Callable[[StatusState, object], StatusState] = observer(
    {
        Registration: observe_registration,
        Preference: observe_preference,
        VehicleState: observe_state,
        Schedule: observe_schedule,
        CommandEvent: observe_command,
        SessionSettled: observe_settled,
        AccountState: observe_account,
        Standing: observe_standing,
    }
)


def step(work: Work) -> None:
    """Remember what is said; on the last beat, tell what changed."""
    for record in work:
        message = record.value
        if isinstance(message, Tick):
            if message.phase is TickPhase.TELL:
                work.attend(partial(_tell, work))
        elif isinstance(message, AccountState):
            for car, _ in work.items(STATUSES):
                if account_of(car) == message.account:
                    _note(work, car, message)
        elif message is None:
            _forget(work, record)
        else:
            _note(work, record.key, message)


def _note(work: Work, car: str, message: object) -> None:
    row = work.get(STATUSES, car) or StatusRow(state=StatusState(car=car))
    state = _observe(row.state, message)
    if state is not row.state:
        work.put(STATUSES, car, row.model_copy(update={"state": state}))
        work.due.set(car, DAWN)


def _tell(work: Work, car: str) -> None:
    row = work.get(STATUSES, car)
    told = None if row is None else status(row.state, work.now)
    if row is not None and told is not None and told.version != row.told:
        work.put(STATUSES, car, row.model_copy(update={"told": told.version}))
        work.send(STATUS, car, told)


def _forget(work: Work, record: Record) -> None:
    if record.topic == REGISTRATION.name and work.get(STATUSES, record.key) is not None:
        work.delete(STATUSES, record.key)
        work.send(STATUS, record.key, None)


def _restore(work: Work) -> None:
    for car, _ in work.items(STATUSES):
        work.due.set(car, DAWN)


STAGE = Stage(
    "driver_status",
    step=step,
    restore=_restore,
    writes=(STATUS,),
    tables=(STATUSES,),
    reads=(REGISTRATION, PREFERENCE, ACCOUNT, VEHICLE, SCHEDULE, COMMAND, STANDING, SESSION, TICK),
)
