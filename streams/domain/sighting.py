"""What a reading of the car changes in what control knows: whose hand it was, whose schedule it is, is there power?"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from streams.contracts.command import FINAL, Action
from streams.contracts.telemetry import Charge
from streams.contracts.vehicle import VehicleState
from streams.domain.boost import bound
from streams.domain.confirm import SAME_INSTANT
from streams.domain.control import ON, ControlState

_RESTING: Final = frozenset({Charge.IDLE, Charge.SCHEDULED})
_NEW_SESSION: Final[dict[str, Any]] = {
    "goal": "",
    "attempts": 0,
    "gave_up": False,
    "commands": 0,
    "stops": 0,
    "wakes": 0,
    "began_at": None,
    "halted_at": None,
    "powered_at": None,
    "undone": 0,
    "driver_override_session": None,
    "driver_override_at": None,
    "obeyed_session": None,
    "at_risk": False,
    "backstop_tries": 0,
    "wish": None,
    "wished_since": None,
}


def observe_state(control: ControlState, message: VehicleState) -> ControlState:
    """The car's state, unless a newer one is known. A new session begins with a clean slate."""
    known = control.state
    if known is not None and (_age_key(message) < _age_key(known) or message == known):
        return control
    changed: dict[str, Any] = {"state": message, "boost": bound(control.boost, message)}
    before = None if known is None or known.session is None else known.session.id
    after = None if message.session is None else message.session.id
    if before != after:
        changed |= _NEW_SESSION
    elif known is not None:
        changed |= _hands(control, known, message)
    if message.charge in ON:
        changed |= _power(control, message)
    return control.model_copy(update=changed | _schedule(control, message))


def _age_key(state: VehicleState) -> tuple[datetime, datetime, int]:
    return state.car_time, state.received_time, 0 if state.session is None else state.session.revision


def _power(control: ControlState, message: VehicleState) -> dict[str, Any]:
    """A car that charges is not held, unless a stop of ours is still on its way."""
    changed: dict[str, Any] = {"powered_at": message.charge_at} if message.charge is Charge.CHARGING else {}
    last, since = control.last_switch, control.held_since
    under_way = last is not None and last.phase not in FINAL
    if not under_way and (since is None or message.charge_at > since):
        changed |= {"held_session": None, "held_since": None}
    return changed


def _hands(control: ControlState, known: VehicleState, message: VehicleState) -> dict[str, Any]:
    """When charging last began from rest or fell back to rest: whose hand it was is judged elsewhere.

    It happened after the sample before; where that leaves two explanations, the driver is not the first.
    """
    before, after, at = known.charge, message.charge, known.charge_at
    if after in ON:
        if before in ON:
            return {}
        if _by_our_schedule(control, at, message.car_time):
            return {"began_at": None, "halted_at": None}
        began_at = at if before in _RESTING else None
        return {"began_at": began_at, "halted_at": None} | _undone(control, known, Action.STOP)
    undone = _undone(control, known, Action.START) if before is Charge.CHARGING and after in _RESTING else {}
    # A car with our start in it says "scheduled" where another says "idle".
    at_rest = after is Charge.IDLE or (after is Charge.SCHEDULED and bool(_ours(control)))
    if before is Charge.CHARGING and at_rest:
        return {"began_at": None, "halted_at": at} | undone
    return {"began_at": None, "halted_at": control.halted_at if after in _RESTING else None} | undone


def _undone(control: ControlState, known: VehicleState, action: Action) -> dict[str, Any]:
    """The car followed our last switch and now does the opposite: what comes later is not that switch's any more."""
    last, session = control.last_switch, known.session
    if last is None or session is None or last.session_id != session.id or last.action is not action:
        return {}
    if known.charge_at <= last.decided_at or control.undone_switch == last.id:
        return {}
    return {"undone_switch": last.id, "undone": control.undone + 1}


def _by_our_schedule(control: ControlState, after: datetime, until: datetime) -> bool:
    """The start that we wrote into the car came between two samples."""
    return any(after - SAME_INSTANT <= at <= until for at in _ours(control))


def _ours(control: ControlState) -> list[datetime]:
    return [at for at in (control.backstop_at, control.backstop_before) if at is not None]


def _still_there(control: ControlState, start: datetime, seen: datetime) -> dict[str, Any]:
    """What we wrote last never arrived: what it was to replace stands."""
    before, last = control.backstop_before, control.command
    open_or_newer = last is not None and (last.phase not in FINAL or seen <= last.at)
    if before is None or abs(start - before) > SAME_INSTANT or start == control.backstop_at or open_or_newer:
        return {}
    return {"backstop_at": before, "backstop_before": control.backstop_at}


def _schedule(control: ControlState, message: VehicleState) -> dict[str, Any]:
    """Does the car follow a schedule that is not ours? It does as long as it waits for it, or charges by it."""
    session, start = message.session, message.scheduled_start
    if session is None or session.ended_at is not None:
        return {"own_schedule_session": None}
    if start is not None and start > message.car_time:
        if any(abs(start - at) <= SAME_INSTANT for at in _ours(control)):
            return {"own_schedule_session": None} | _still_there(control, start, message.car_time)
        replaced = control.backstop_at or control.backstop_before
        return {"own_schedule_session": session.id, "backstop_at": None, "backstop_before": replaced}
    if message.charge is Charge.SCHEDULED:
        return {} if control.backstop_at is not None else {"own_schedule_session": session.id}
    by_it = control.own_schedule_session == session.id and (message.charge in ON or message.charge is Charge.UNKNOWN)
    return {} if by_it else {"own_schedule_session": None}
