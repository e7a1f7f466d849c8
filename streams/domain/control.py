"""What control knows of one car: the newest of each message, our last command, and the driver's own hands.

Every fold is pure and may see a message twice or late: an older one never undoes a newer one.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from streams.contracts.base import CarKey, Instant
from streams.contracts.command import FINAL, CommandEvent
from streams.contracts.preference import Preference
from streams.contracts.registration import Registration
from streams.contracts.schedule import Schedule
from streams.contracts.telemetry import Charge
from streams.contracts.vehicle import PlugSession, VehicleState
from streams.domain.boost import Boost, asked, bound

#: The car draws power, or is about to.
ON: Final = frozenset({Charge.CHARGING, Charge.STARTING})


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
    refusals: int = Field(default=0, ge=0, description="commands in a row that the OEM let us not even try")
    retry_after: Instant | None = Field(default=None, description="the OEM asked us to wait until then")
    gave_up: bool = Field(default=False, description="attempts are used up: tell the driver")
    commands: int = Field(default=0, ge=0, description="commands spent in this session")
    stops: int = Field(default=0, ge=0, description="the stops among them")
    wakes: int = Field(default=0, ge=0, description="the wakes among them")
    began_at: Instant | None = Field(default=None, description="rest turned into charging after this sample")
    halted_at: Instant | None = Field(default=None, description="charging turned into rest after this sample")
    powered_at: Instant | None = Field(default=None, description="the newest sample that showed power")
    undone_switch: str | None = Field(default=None, description="our switch that the car no longer follows")
    undone: int = Field(default=0, ge=0, description="how often something undid what we had achieved in this session")
    driver_override_session: str | None = None
    driver_override_at: Instant | None = None
    own_schedule_session: str | None = Field(default=None, description="the car's own schedule rules in it")
    boost: Boost | None = None
    wish: bool | None = Field(default=None, description="what was wanted at the last look")
    wished_since: Instant | None = Field(default=None, description="and since when without a break")
    at_risk: bool = Field(default=False, description="no power near the last safe start: tell the driver")
    obeyed_session: str | None = Field(default=None, description="in it a stop of ours was obeyed, and no start since")
    resume_failures: int = Field(default=0, ge=0, description="starts in a row without effect after an obeyed stop")
    proven_at: Instant | None = Field(default=None, description="when it first resumed at our word after a stop")
    cannot_resume: bool = Field(default=False, description="once stopped it does not start again")
    stop_ignored_session: str | None = Field(default=None, description="the last session in which a stop was ignored")
    ignores_stop: bool = Field(default=False, description="stops were ignored in two sessions")
    backstop_at: Instant | None = Field(default=None, description="the start that we wrote into the car")
    backstop_before: Instant | None = Field(default=None, description="what it replaced: the car may show it still")
    backstop_session: str | None = Field(default=None, description="the session that it was written for")
    backstop_tries: int = Field(default=0, ge=0, description="writings of it in a row that failed")


def observe_registration(control: ControlState, message: Registration) -> ControlState:
    """The registration, unless a newer one is known."""
    known = control.registration
    stale = known is not None and message.registered_at < known.registered_at
    return control if stale else _updated(control, registration=message)


def observe_preference(control: ControlState, message: Preference) -> ControlState:
    """The preference, unless a newer one is known."""
    known = control.preference
    if known is not None and message.updated_at < known.updated_at:
        return control
    boost = bound(asked(control.boost, known, message), control.state)
    return _updated(control, preference=message, boost=boost)


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


def open_session(control: ControlState) -> PlugSession | None:
    """The plug session that is going on, if any."""
    session = None if control.state is None else control.state.session
    return None if session is None or session.ended_at is not None else session


def session_id(control: ControlState) -> str | None:
    """The plug session that goes on, or the last one."""
    session = None if control.state is None else control.state.session
    return None if session is None else session.id


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
