"""What of a car decides when it is read: nothing that every reading changes, so that it is cheap to keep for good."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from streams.contracts.base import Instant
from streams.contracts.command import FINAL, Action, CommandEvent, CommandPhase
from streams.contracts.schedule import Schedule
from streams.contracts.telemetry import Charge
from streams.contracts.vehicle import PlugSession, VehicleState
from streams.domain.habit import Habit, learn


class Watched(BaseModel):
    """One car as the rule of reading knows it. Every fold gives the same object back when nothing changed."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    known: bool = Field(default=False, description="it was read before")
    session_id: str | None = Field(default=None, description="the plug session going on")
    seen_at: Instant | None = Field(default=None, description="when we saw it begin")
    has_soc: bool = Field(default=False, description="a state of charge was sampled in it")
    doubtful: bool = Field(default=False, description="one reading said unplugged")
    charging: bool = False
    at_home: bool | None = None
    came_home_at: Instant | None = None
    planned_session: str | None = None
    edges: tuple[Instant, ...] = Field(default=(), description="starts and ends of the planned blocks, in order")
    pending: bool = Field(default=False, description="a command awaits its proof")
    switched_session: str | None = Field(default=None, description="a start or stop of ours was confirmed in it")
    habit: Habit = Habit()


def observe_state(watched: Watched, state: VehicleState, zone: ZoneInfo) -> Watched:
    """The newest state of the car."""
    session = open_session(state)
    came_home = watched.at_home is False and state.at_home is True and session is None
    known = {
        "known": True,
        "session_id": None if session is None else session.id,
        "seen_at": None if session is None else session.seen_at,
        "has_soc": session is not None and session.soc_pct is not None,
        "doubtful": state.unplug_suspected_at is not None,
        "charging": state.charge in {Charge.CHARGING, Charge.STARTING},
        "at_home": state.at_home,
        "came_home_at": state.received_time if came_home else watched.came_home_at,
        "habit": watched.habit if session is None or state.at_home is False else learn(watched.habit, session, zone),
    }
    return _changed(watched, known)


def observe_schedule(watched: Watched, schedule: Schedule) -> Watched:
    """The plan in force."""
    edges = tuple(at for block in schedule.blocks for at in (block.start, block.end))
    return _changed(watched, {"planned_session": schedule.session_id, "edges": edges})


def observe_command(watched: Watched, command: CommandEvent) -> Watched:
    """A command of ours in a newer phase."""
    known: dict[str, Any] = {"pending": command.phase not in FINAL}
    if command.phase is CommandPhase.CONFIRMED and command.action in {Action.START, Action.STOP}:
        known["switched_session"] = command.session_id
    return _changed(watched, known)


def open_session(state: VehicleState) -> PlugSession | None:
    """The plug session that is going on, if any."""
    session = state.session
    return None if session is None or session.ended_at is not None else session


def _changed(watched: Watched, known: dict[str, Any]) -> Watched:
    if all(getattr(watched, name) == value for name, value in known.items()):
        return watched
    return watched.model_copy(update=known)
