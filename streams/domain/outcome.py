"""What a step of a command changes in what control knows: tries and budgets, who is held, what a car cannot do.

A command that the OEM let us not even try is no failure of the car, and spends nothing.
"""

from __future__ import annotations

from typing import Any, Final

from streams.contracts.command import FINAL, Action, CommandEvent, CommandPhase
from streams.contracts.telemetry import Charge
from streams.domain.confirm import CONTRADICTED, IGNORED
from streams.domain.control import ControlState, session_id

#: `detail` of a command that never reached the car, through no fault of the car.
NO_TRY: Final = frozenset({"throttled", "unavailable"})
SWITCHES: Final = frozenset({Action.START, Action.STOP})
BACKSTOPS: Final = frozenset({Action.SCHEDULE, Action.UNSCHEDULE})
#: Starts without effect after an obeyed stop that tell a car which cannot resume.
_RESUME_TRIES: Final = 2
_RANK: Final = {
    CommandPhase.INTENT: 0,
    CommandPhase.SENDING: 1,
    CommandPhase.SENT: 2,
} | dict.fromkeys(FINAL, 3)
_MAY_HOLD: Final = frozenset({CommandPhase.SENDING, CommandPhase.SENT, CommandPhase.CONFIRMED, CommandPhase.UNKNOWN})


def observe_command(control: ControlState, message: CommandEvent) -> ControlState:
    """A step of a command, unless a later step or a later command is known."""
    known = control.command
    new = known is None or known.id != message.id
    if known is not None:
        if not new and _RANK[message.phase] <= _RANK[known.phase]:
            return control
        if new and (message.decided_at, message.attempt) <= (known.decided_at, known.attempt):
            return control
    changed: dict[str, Any] = {"command": message}
    if new:
        changed |= _spent(control, message, 1)
    if message.action in BACKSTOPS:
        changed |= _backstop(control, message, new=new)
    if message.action in SWITCHES:
        changed |= _switched(control, message)
    if message.phase in FINAL:
        changed |= _tried(control, message, new=new)
    return control.model_copy(update=changed)


def no_try(command: CommandEvent) -> bool:
    """It provably never reached the car."""
    refused = command.phase is CommandPhase.FAILED and command.detail in NO_TRY
    return refused or command.phase is CommandPhase.EXPIRED


def _spent(control: ControlState, message: CommandEvent, count: int) -> dict[str, Any]:
    """The budgets of the session after `count` more of this command."""
    if message.session_id != session_id(control):
        return {}
    spent = {"commands": max(control.commands + count, 0)}
    if message.action is Action.STOP:
        spent["stops"] = max(control.stops + count, 0)
    if message.action is Action.WAKE:
        spent["wakes"] = max(control.wakes + count, 0)
    return spent


def _tried(control: ControlState, message: CommandEvent, *, new: bool) -> dict[str, Any]:
    if no_try(message):
        refused = message.phase is CommandPhase.FAILED
        refusals = {"refusals": control.refusals + refused, "retry_after": message.retry_at}
        return refusals if new else refusals | _spent(control, message, -1)
    changed: dict[str, Any] = {"refusals": 0}
    if message.phase is CommandPhase.CONFIRMED:
        return changed | ({"attempts": 0, "gave_up": False, "retry_after": None} if message.action in SWITCHES else {})
    changed["retry_after"] = message.retry_at
    if message.action in BACKSTOPS:
        return changed
    contradicted = message.detail == CONTRADICTED
    return changed | {"attempts": control.attempts + 1, "undone": control.undone + contradicted}


def _switched(control: ControlState, message: CommandEvent) -> dict[str, Any]:
    changed: dict[str, Any] = {"last_switch": message}
    if message.action is Action.STOP and message.phase in _MAY_HOLD:
        changed |= {"held_session": message.session_id, "held_since": message.at}
    if message.action is Action.START and message.phase is CommandPhase.CONFIRMED:
        changed |= {"held_session": None, "held_since": None}
    return changed | (
        _stop_learned(control, message) if message.action is Action.STOP else _start_learned(control, message)
    )


def _stop_learned(control: ControlState, message: CommandEvent) -> dict[str, Any]:
    if message.phase is CommandPhase.CONFIRMED:
        return {"obeyed_session": message.session_id, "stop_ignored_session": None, "ignores_stop": False}
    if message.phase is not CommandPhase.FAILED or message.detail != IGNORED:
        return {}
    again = control.stop_ignored_session not in {None, message.session_id}
    return {"stop_ignored_session": message.session_id, "ignores_stop": control.ignores_stop or again}


def _start_learned(control: ControlState, message: CommandEvent) -> dict[str, Any]:
    if control.obeyed_session != message.session_id:
        return {}
    if message.phase is CommandPhase.CONFIRMED:
        full = control.state is not None and control.state.charge is Charge.COMPLETE
        if full:
            return {}
        proven = {"proven_at": control.proven_at or message.at}
        return proven | {"obeyed_session": None, "resume_failures": 0, "cannot_resume": False}
    if message.phase is not CommandPhase.FAILED or message.detail != IGNORED:
        return {}
    failures = control.resume_failures + 1
    return {"resume_failures": failures, "cannot_resume": control.cannot_resume or failures >= _RESUME_TRIES}


def _backstop(control: ControlState, message: CommandEvent, *, new: bool) -> dict[str, Any]:
    """What may stand in the car: known before the car is changed, given up only when the change provably failed."""
    failed = message.phase in {CommandPhase.FAILED, CommandPhase.EXPIRED}
    if message.action is Action.UNSCHEDULE:
        if message.phase is CommandPhase.CONFIRMED:
            return {"backstop_at": None, "backstop_before": control.backstop_at, "backstop_tries": 0}
        unproved = message.phase in FINAL and not no_try(message)
        return {"backstop_tries": control.backstop_tries + unproved}
    if failed:
        tries = {"backstop_tries": control.backstop_tries + (not no_try(message))}
        restored = {"backstop_at": control.backstop_before, "backstop_before": control.backstop_at}
        return tries if new else tries | restored
    written: dict[str, Any] = {"backstop_at": message.start_at, "backstop_session": message.session_id}
    if message.phase is CommandPhase.CONFIRMED:
        written["backstop_tries"] = 0
    return written | {"backstop_before": control.backstop_at} if new else written
