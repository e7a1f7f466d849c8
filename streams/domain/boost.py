"""Charging at once because the driver asked for it: for which stay a boost holds, and when it is over.

A boost belongs to the plug session that goes on when it is asked for, else to the next one to begin. It outlives
every plan and ends with its session, with a full car, or with another wish.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from streams.contracts.base import Instant
from streams.contracts.preference import Preference
from streams.contracts.telemetry import Charge
from streams.contracts.vehicle import PlugSession, VehicleState


class Boost(BaseModel):
    """A boost that was asked for."""

    model_config = ConfigDict(frozen=True)

    asked_at: Instant
    session_id: str | None = Field(default=None, description="the session it is for; null: the next one to begin")
    over: bool = False


def asked(boost: Boost | None, known: Preference | None, message: Preference) -> Boost | None:
    """The boost after a preference that is not older than `known`; the same message again asks for nothing new."""
    if message.mode != "boost":
        return None
    again = known is not None and known.mode == "boost" and message.updated_at <= known.updated_at
    return boost if again else Boost(asked_at=message.updated_at)


def bound(boost: Boost | None, state: VehicleState | None) -> Boost | None:
    """The boost after a reading of the car: bound to its session, free again, or over."""
    session = None if state is None else state.session
    if boost is None or boost.over or state is None or session is None:
        return boost
    if session.ended_at is not None and session.ended_at <= boost.asked_at:
        # The end of the stay was seen after the boost was asked for: it was meant for the next one.
        return boost.model_copy(update={"session_id": None}) if boost.session_id else boost
    if _full(state, session, boost.asked_at):
        return boost.model_copy(update={"over": True})
    return boost if boost.session_id else boost.model_copy(update={"session_id": session.id})


def terms(preference: Preference, boost: Boost | None, session: PlugSession) -> Preference:
    """The preference as it holds for this session: a boost that is over, or for another one, is no boost."""
    if preference.mode != "boost" or boost is None:
        return preference
    holds = not boost.over and boost.session_id in {None, session.id}
    return preference if holds else preference.model_copy(update={"mode": "smart"})


def _full(state: VehicleState, session: PlugSession, since: datetime) -> bool:
    """A later sample shows that nothing more goes in."""
    if state.car_time <= since:
        return False
    if state.charge is Charge.COMPLETE:
        return True
    known = state.soc_pct is not None and state.soc_time is not None and state.soc_time >= session.plugged_at
    most = 100.0 if state.limit_pct is None else state.limit_pct
    return known and state.soc_pct is not None and state.soc_pct >= most
