"""schedules and vehicle states -> command intents: on every beat, desired against observed, one action a car."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from agents.engine.stage import DAWN, Record, Stage, Work
from agents.observe import observer
from streams.contracts.command import CommandEvent
from streams.contracts.internal import Standing, Tick, TickPhase
from streams.contracts.preference import Preference
from streams.contracts.registration import Registration
from streams.contracts.schedule import Schedule
from streams.contracts.vehicle import VehicleState
from streams.domain.reconcile import (
    ControlPolicy,
    ControlState,
    observe_command,
    observe_preference,
    observe_registration,
    observe_schedule,
    observe_state,
    reconcile,
)
from streams.topics import COMMAND, PREFERENCE, REGISTRATION, SCHEDULE, STANDING, TICK, VEHICLE
from tables import CONTROL

_observe: Callable[[ControlState, object], ControlState] = observer(
    {
        Registration: observe_registration,
        Preference: observe_preference,
        VehicleState: observe_state,
        Schedule: observe_schedule,
        CommandEvent: observe_command,
    }
)


def stage(policy: ControlPolicy) -> Stage:
    """The stage, commanding within `policy`."""

    def step(work: Work) -> None:
        for record in work:
            if isinstance(record.value, Tick):
                if record.value.phase is TickPhase.ACT:
                    work.attend(partial(_act, work, policy=policy))
            else:
                _note(work, record)

    reads = (REGISTRATION, PREFERENCE, VEHICLE, SCHEDULE, COMMAND, TICK)
    return Stage("dispatch", reads=reads, writes=(COMMAND, STANDING), tables=(CONTROL,), step=step, restore=_restore)


def _note(work: Work, record: Record) -> None:
    """Remember the message and look at the car on the next beat."""
    if record.value is None:
        if record.topic == REGISTRATION.name:
            work.delete(CONTROL, record.key)
            work.due.set(record.key, None)
        return
    known = work.get(CONTROL, record.key) or ControlState(car=record.key)
    control = _observe(known, record.value)
    if control is not known:
        work.put(CONTROL, record.key, control)
        if _facts(control) != _facts(known):
            work.due.set(record.key, DAWN)


def _facts(control: ControlState) -> tuple[object, ...]:
    """What a decision turns on, apart from the time: a reading that changes none of it asks for no new look."""
    state, command = control.state, control.command
    sent = None if command is None else (command.id, command.phase)
    seen = None
    if state is not None:
        cable = (state.plug, state.at_home, state.session, state.unplug_suspected_at)
        seen = (*cable, state.charge, state.soc_pct, state.soc_time, state.limit_pct)
    return control.registration, control.preference, control.schedule, seen, sent, control.retry_after


def _act(work: Work, car: str, policy: ControlPolicy) -> None:
    control = work.get(CONTROL, car)
    if control is None:
        return
    decision = reconcile(control, work.now, policy)
    if decision.command is not None:
        work.send(COMMAND, car, decision.command)
    if decision.control != control:
        work.put(CONTROL, car, decision.control)
    before, after = _standing(control), _standing(decision.control)
    if before != after:
        gave_up, driver = after
        standing = Standing(
            car=car, gave_up_session=gave_up, driver_session=driver, reason=decision.reason, at=work.now
        )
        work.send(STANDING, car, standing)
    work.due.set(car, decision.next_at)


def _standing(control: ControlState) -> tuple[str | None, str | None]:
    session = None if control.state is None or control.state.session is None else control.state.session.id
    return session if control.gave_up else None, control.driver_override_session


def _restore(work: Work) -> None:
    """After a take-over every car is looked at once: reconciling asks for nothing that is already so."""
    for car, _ in work.items(CONTROL):
        work.due.set(car, DAWN)
