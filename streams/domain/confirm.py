"""What telemetry proves about a command: an OEM's 200 is not an effect, a later sample of the car is."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from streams.contracts.command import Action, CommandEvent, CommandPhase
from streams.contracts.telemetry import Charge
from streams.contracts.vehicle import VehicleState

#: `detail` of a judged command, for machines.
UNPLUGGED = "unplugged"
IGNORED = "ignored"
UNOBSERVABLE = "unobservable"
NEVER_SENT = "never_sent"

_EFFECT: Final = {
    Action.START: frozenset({Charge.CHARGING, Charge.COMPLETE}),
    Action.STOP: frozenset(Charge) - {Charge.CHARGING, Charge.STARTING, Charge.UNKNOWN},
    Action.WAKE: frozenset(Charge),
    Action.SCHEDULE: frozenset(Charge),
    Action.UNSCHEDULE: frozenset(Charge),
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
    if state is not None and _session_over(command, state):
        return _final(command, CommandPhase.FAILED, now, UNPLUGGED)
    fresh = state.charge if state is not None and state.car_time > command.at else None
    if fresh in _EFFECT[command.action]:
        return _final(command, CommandPhase.CONFIRMED, now, None)
    return None if now <= command.at + window else _without_effect(command, fresh, now)


def _without_effect(command: CommandEvent, fresh: Charge | None, now: datetime) -> CommandEvent:
    if fresh is None or fresh is Charge.UNKNOWN:
        return _final(command, CommandPhase.UNKNOWN, now, UNOBSERVABLE)
    return _final(command, CommandPhase.FAILED, now, IGNORED)


def _session_over(command: CommandEvent, state: VehicleState) -> bool:
    session = state.session
    return session is None or session.id != command.session_id or session.ended_at is not None


def _final(command: CommandEvent, phase: CommandPhase, now: datetime, detail: str | None) -> CommandEvent:
    return command.model_copy(update={"phase": phase, "at": now, "detail": detail})
