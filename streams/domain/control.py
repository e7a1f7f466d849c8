"""What control knows of one car: the newest of each message, our last command, and the driver's own hands.

Every fold is pure and may see a message twice or late: an older one never undoes a newer one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from streams.contracts.base import CarKey, Instant
from streams.contracts.command import FINAL, Action, CommandEvent, CommandPhase
from streams.contracts.preference import Preference
from streams.contracts.registration import Registration
from streams.contracts.schedule import Schedule
from streams.contracts.telemetry import Charge
from streams.contracts.vehicle import PlugSession, VehicleState

#: The car draws power, or is about to.
ON: Final = frozenset({Charge.CHARGING, Charge.STARTING})
_RESTING: Final = frozenset({Charge.IDLE, Charge.SCHEDULED})
_RANK: Final = {
    CommandPhase.INTENT: 0,
    CommandPhase.SENDING: 1,
    CommandPhase.SENT: 2,
} | dict.fromkeys(FINAL, 3)
_MAY_HOLD: Final = frozenset({CommandPhase.SENDING, CommandPhase.SENT, CommandPhase.CONFIRMED, CommandPhase.UNKNOWN})
_NEW_SESSION: Final[dict[str, Any]] = {
    "goal": "",
    "attempts": 0,
    "gave_up": False,
    "began_at": None,
    "halted_at": None,
    "driver_override_session": None,
    "driver_override_at": None,
}


class ControlState(BaseModel):
    """Everything a decision about one car is made from."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    car: CarKey
    registration: Registration | None = None
    preference: Preference | None = None
    state: VehicleState | None = None
    schedule: Schedule | None = None
    command: CommandEvent | None = Field(default=None, description="our last command in its newest phase")
    last_switch: CommandEvent | None = Field(default=None, description="our last start or stop")
    held_session: str | None = Field(default=None, description="the session in which a stop of ours may hold")
    held_since: Instant | None = Field(default=None, description="when that stop was last known to be under way")
    goal: str = Field(default="", description="what `attempts` count towards")
    attempts: int = Field(default=0, ge=0, description="commands without effect towards the goal")
    retry_after: Instant | None = Field(default=None, description="the OEM asked us to wait until then")
    gave_up: bool = Field(default=False, description="attempts are used up: tell the driver")
    began_at: Instant | None = Field(default=None, description="rest turned into charging after this sample")
    halted_at: Instant | None = Field(default=None, description="charging turned into rest after this sample")
    driver_override_session: str | None = None
    driver_override_at: Instant | None = None
    own_schedule_session: str | None = Field(default=None, description="the car's own schedule rules in it")
    at_risk: bool = Field(default=False, description="no power near the last safe start: tell the driver")
    backstop_at: Instant | None = Field(default=None, description="the start that we wrote into the car")


def observe_registration(control: ControlState, message: Registration) -> ControlState:
    """The registration, unless a newer one is known."""
    known = control.registration
    stale = known is not None and message.registered_at < known.registered_at
    return control if stale else _updated(control, registration=message)


def observe_preference(control: ControlState, message: Preference) -> ControlState:
    """The preference, unless a newer one is known."""
    known = control.preference
    stale = known is not None and message.updated_at < known.updated_at
    return control if stale else _updated(control, preference=message)


def observe_schedule(control: ControlState, message: Schedule) -> ControlState:
    """The plan, unless a newer one is known: by revision within a session, by its time between sessions."""
    known = control.schedule
    if known is None:
        return _updated(control, schedule=message)
    if known.session_id == message.session_id:
        stale = message.revision < known.revision
    else:
        stale = message.inputs.now < known.inputs.now
    return control if stale else _updated(control, schedule=message)


def observe_state(control: ControlState, message: VehicleState) -> ControlState:
    """The car's state, unless a newer one is known. A new session begins with a clean slate."""
    known = control.state
    if known is not None and (_age_key(message) < _age_key(known) or message == known):
        return control
    changed: dict[str, Any] = {"state": message}
    before = None if known is None or known.session is None else known.session.id
    after = None if message.session is None else message.session.id
    if before != after:
        changed |= _NEW_SESSION
    elif known is not None:
        changed |= _hands(control, known, message.charge)
    since = control.held_since
    if message.charge in ON and not in_flight(control) and (since is None or message.car_time > since):
        changed |= {"held_session": None, "held_since": None}
    return control.model_copy(update=changed)


def observe_command(control: ControlState, message: CommandEvent) -> ControlState:
    """A step of a command, unless a later step or a later command is known."""
    known = control.command
    if known is not None:
        same = known.id == message.id
        if same and _RANK[message.phase] <= _RANK[known.phase]:
            return control
        if not same and (message.decided_at, message.attempt) <= (known.decided_at, known.attempt):
            return control
    changed: dict[str, Any] = {"command": message}
    if message.action is not Action.WAKE:
        changed |= _switched(control, message)
    if message.phase in FINAL and message.phase is not CommandPhase.CONFIRMED:
        changed |= {"attempts": control.attempts + 1, "retry_after": message.retry_at}
    return control.model_copy(update=changed)


def open_session(control: ControlState) -> PlugSession | None:
    """The plug session that is going on, if any."""
    session = None if control.state is None else control.state.session
    return None if session is None or session.ended_at is not None else session


def in_flight(control: ControlState) -> bool:
    """A command of ours has no final phase yet."""
    return control.command is not None and control.command.phase not in FINAL


def last_switch(control: ControlState, session: PlugSession) -> CommandEvent | None:
    """Our last start or stop in this session."""
    last = control.last_switch
    return last if last is not None and last.session_id == session.id else None


def soc_in_session(control: ControlState, session: PlugSession) -> float | None:
    """The state of charge, if the car sampled it since it was plugged in: an older one says nothing."""
    state = control.state
    if state is None or state.soc_time is None or state.soc_time < session.plugged_at:
        return None
    return state.soc_pct


def _updated(control: ControlState, **changed: Any) -> ControlState:
    after = control.model_copy(update=changed)
    return control if after == control else after


def _age_key(state: VehicleState) -> tuple[datetime, datetime, int]:
    return state.car_time, state.received_time, 0 if state.session is None else state.session.revision


def _switched(control: ControlState, message: CommandEvent) -> dict[str, Any]:
    changed: dict[str, Any] = {"last_switch": message}
    if message.action is Action.STOP and message.phase in _MAY_HOLD:
        changed |= {"held_session": message.session_id, "held_since": message.at}
    if message.phase is CommandPhase.CONFIRMED:
        changed |= {"attempts": 0, "gave_up": False, "retry_after": None}
        if message.action is Action.START:
            changed |= {"held_session": None, "held_since": None}
    return changed


def _hands(control: ControlState, known: VehicleState, after: Charge) -> dict[str, Any]:
    """When charging last began from rest or fell back to rest: whose hand it was is judged elsewhere.

    It happened after the sample before; where that leaves two explanations, the driver is not the first.
    """
    before, at = known.charge, known.car_time
    if after in ON:
        if before in ON:
            return {}
        return {"began_at": at if before in _RESTING else None, "halted_at": None}
    if before is Charge.CHARGING and after is Charge.IDLE:
        return {"began_at": None, "halted_at": at}
    return {"began_at": None, "halted_at": control.halted_at if after in _RESTING else None}
