"""What telemetry proves about a command: an OEM's 200 is not an effect, a later sample of the car is."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from streams.contracts.command import Action, CommandEvent, CommandPhase
from streams.contracts.telemetry import Charge
from streams.contracts.vehicle import VehicleState

#: `detail` of a judged command, for machines.
UNPLUGGED: Final = "unplugged"
OBEYED: Final = "obeyed"
IGNORED: Final = "ignored"
CONTRADICTED: Final = "contradicted"
UNOBSERVABLE: Final = "unobservable"
NEVER_SENT: Final = "never_sent"
#: The OEM's own word that nothing was to be done.
ALREADY: Final = "already"
#: A car tells its schedule in whole minutes.
SAME_INSTANT: Final = timedelta(minutes=2)

_EFFECT: Final = {
    Action.START: frozenset({Charge.CHARGING, Charge.COMPLETE}),
    Action.STOP: frozenset(Charge) - {Charge.CHARGING, Charge.STARTING, Charge.UNKNOWN},
    Action.WAKE: frozenset(Charge),
}


def judge(command: CommandEvent, state: VehicleState | None, now: datetime, window: timedelta) -> CommandEvent | None:
    """The final phase of a command, or None while it is open.

    `sending` is judged like `sent`: a worker that died in between leaves a command that may have arrived.
    An `intent` that nobody sent expires `window` after its `not_after`.
    """
    if command.phase is CommandPhase.INTENT:
        unsent = now > command.not_after + window
        return _final(command, CommandPhase.EXPIRED, now, NEVER_SENT) if unsent else None
    if command.phase not in {CommandPhase.SENDING, CommandPhase.SENT}:
        return None
    fresh = state if state is not None and _heard(command, state) > command.at else None
    late = now > command.at + window
    if command.action in {Action.SCHEDULE, Action.UNSCHEDULE}:
        return _schedule(command, fresh, now, late=late)
    if state is not None and _session_over(command, state):
        return _final(command, CommandPhase.FAILED, now, UNPLUGGED)
    if fresh is not None and fresh.charge in _EFFECT[command.action]:
        return _final(command, CommandPhase.CONFIRMED, now, OBEYED if command.action is Action.STOP else None)
    return _without_effect(command, fresh, now) if late else None


def _without_effect(command: CommandEvent, fresh: VehicleState | None, now: datetime) -> CommandEvent:
    if fresh is None or fresh.charge is Charge.UNKNOWN:
        return _final(command, CommandPhase.UNKNOWN, now, UNOBSERVABLE)
    if command.detail == ALREADY:
        return _final(command, CommandPhase.UNKNOWN, now, CONTRADICTED)
    return _final(command, CommandPhase.FAILED, now, IGNORED)


def _schedule(command: CommandEvent, fresh: VehicleState | None, now: datetime, *, late: bool) -> CommandEvent | None:
    """The car's own schedule, in the session and after it.

    Many cars never say what they are set to: then the OEM's word stands once the car was read afresh.
    """
    if fresh is not None and _is_set(command, fresh):
        return _final(command, CommandPhase.CONFIRMED, now, None)
    if not late:
        return None
    if fresh is None or (fresh.scheduled_start is None and command.phase is CommandPhase.SENDING):
        return _final(command, CommandPhase.UNKNOWN, now, UNOBSERVABLE)
    if fresh.scheduled_start is None:
        return _final(command, CommandPhase.CONFIRMED, now, None)
    return _final(command, CommandPhase.FAILED, now, IGNORED)


def _is_set(command: CommandEvent, fresh: VehicleState) -> bool:
    if command.start_at is None:
        return fresh.scheduled_start is None
    return fresh.scheduled_start is not None and abs(fresh.scheduled_start - command.start_at) <= SAME_INSTANT


def _heard(command: CommandEvent, state: VehicleState) -> datetime:
    """When the car last spoke of what the command is about: any word proves it awake, of charging only that one."""
    return state.car_time if command.action is Action.WAKE else state.charge_at


def _session_over(command: CommandEvent, state: VehicleState) -> bool:
    session = state.session
    return session is None or session.id != command.session_id or session.ended_at is not None


def _final(command: CommandEvent, phase: CommandPhase, now: datetime, detail: str | None) -> CommandEvent:
    return command.model_copy(update={"phase": phase, "at": now, "detail": detail})
