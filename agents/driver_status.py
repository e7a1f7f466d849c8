"""everything about a car -> the driver's read model: one record that says what is so, why, and what comes next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from agents.engine.stage import DAWN, Record, Stage, Work
from agents.observe import observer
from oem_connectors.base import Connector
from streams.contracts.account import AccountState
from streams.contracts.base import account_of
from streams.contracts.command import Action
from streams.contracts.internal import Standing, Tick, TickPhase
from streams.contracts.preference import Preference
from streams.contracts.registration import Registration
from streams.contracts.schedule import Schedule
from streams.contracts.session import SessionSettled
from streams.contracts.vehicle import VehicleState
from streams.domain.status import (
    StatusState,
    next_turn,
    observe_account,
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
        SessionSettled: observe_settled,
        AccountState: observe_account,
        Standing: observe_standing,
    }
)


def controllable(connectors: Mapping[str, Connector], oem: str, model: str) -> bool:
    """Whether cars of this model take starts and stops. Of a maker that nobody knows: no, so that advice is given."""
    connector = connectors.get(oem)
    return connector is not None and all(connector.can(model, action) for action in (Action.START, Action.STOP))


def stage(connectors: Mapping[str, Connector]) -> Stage:
    """The stage, telling plans as advice for cars that their connectors do not let us start and stop."""
    reporter = Reporter(connectors)
    return Stage(
        "driver_status",
        step=reporter.step,
        restore=_restore,
        writes=(STATUS,),
        tables=(STATUSES,),
        reads=(REGISTRATION, PREFERENCE, ACCOUNT, VEHICLE, SCHEDULE, STANDING, SESSION, TICK),
    )


class Reporter:
    """Remembers what is said of each car, and tells its driver what changed."""

    def __init__(self, connectors: Mapping[str, Connector]) -> None:
        self._connectors = connectors

    def step(self, work: Work) -> None:
        """Remember what is said; on the last beat, tell what changed."""
        for record in work:
            message = record.value
            if isinstance(message, Tick):
                if message.phase is TickPhase.TELL:
                    work.attend(partial(self._tell, work))
            elif isinstance(message, AccountState):
                for car, _ in work.items(STATUSES):
                    if account_of(car) == message.account:
                        _note(work, car, message)
            elif message is None:
                _forget(work, record)
            else:
                _note(work, record.key, message)

    def _tell(self, work: Work, car: str) -> None:
        row = work.get(STATUSES, car)
        enrolled = None if row is None else row.state.registration
        if row is None or enrolled is None:
            return
        told = status(row.state, work.now, controllable=controllable(self._connectors, enrolled.oem, enrolled.model))
        if told is not None and told.version != row.told:
            work.put(STATUSES, car, row.model_copy(update={"told": told.version}))
            work.send(STATUS, car, told)
        work.due.set(car, next_turn(row.state, work.now))


def _note(work: Work, car: str, message: object) -> None:
    row = work.get(STATUSES, car) or StatusRow(state=StatusState(car=car))
    state = _observe(row.state, message)
    if state is not row.state:
        work.put(STATUSES, car, row.model_copy(update={"state": state}))
        work.due.set(car, DAWN)


def _forget(work: Work, record: Record) -> None:
    if record.topic == REGISTRATION.name and work.get(STATUSES, record.key) is not None:
        work.delete(STATUSES, record.key)
        work.send(STATUS, record.key, None)


def _restore(work: Work) -> None:
    for car, _ in work.items(STATUSES):
        work.due.set(car, DAWN)
