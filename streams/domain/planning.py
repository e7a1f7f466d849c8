"""Which schedule is in force for a car: the planner's answer, published only when it matters to someone.

Safe by default: what is unknown (state of charge, prices) makes the car charge now. What is announced is what is
executed, so offsets and kept blocks are part of the schedule, and a plan stays unless something material changed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from pydantic import BaseModel, ConfigDict

from streams.contracts.forecast import Forecast
from streams.contracts.preference import Preference
from streams.contracts.registration import Registration
from streams.contracts.schedule import Block, PlanInputs, PlanReason, Schedule
from streams.contracts.telemetry import Charge
from streams.contracts.vehicle import PlugSession, VehicleState
from streams.domain import wording
from streams.domain.ids import spread_seconds
from streams.domain.planner import CostSlot, Plan, PlanRequest, Profile, combine, plan, price_of
from streams.domain.ready import ready_by

#: A saving below this (currency per session) is not worth a new announcement.
WORTHWHILE: Final = 0.02
#: A car that runs off its plan by more than this is planned anew.
TOLERANCE_POINTS: Final = 2.0
#: After the last block, a car short by this much is topped up.
TOP_UP_POINTS: Final = 1.0
NO_CURRENCY: Final = "XXX"  # ISO 4217: no currency involved

_PRICED: Final = {PlanReason.CHEAPEST, PlanReason.UNREACHABLE}
_FROM_NOW: Final = {PlanReason.BOOST, PlanReason.NO_FORECAST, PlanReason.UNKNOWN_SOC, PlanReason.UNREACHABLE}


class PlanningState(BaseModel):
    """What planning knows of one car: the newest of each message, and the schedule in force."""

    model_config = ConfigDict(frozen=True)

    car: str
    registration: Registration | None = None
    preference: Preference | None = None
    state: VehicleState | None = None
    schedule: Schedule | None = None


class _Case(NamedTuple):
    """One decision, with everything resolved: who, until when, how full, how much."""

    registration: Registration
    preference: Preference
    state: VehicleState
    session: PlugSession
    schedule: Schedule | None
    """The schedule in force in this session."""
    soc_pct: float | None
    """Known since the car was plugged in."""
    target_pct: float
    ready_by: datetime
    now: datetime
    spread_seconds_max: int

    def wall_kwh(self, points: float) -> float:
        return max(0.0, points) / 100 * self.registration.usable_kwh / self.registration.efficiency

    def points(self, wall_kwh: float) -> float:
        return wall_kwh * self.registration.efficiency / self.registration.usable_kwh * 100


def observe_registration(planning: PlanningState, message: Registration) -> PlanningState:
    """The registration, unless a newer one is known."""
    known = planning.registration
    stale = known is not None and known.registered_at > message.registered_at
    return planning if stale else planning.model_copy(update={"registration": message})


def observe_preference(planning: PlanningState, message: Preference) -> PlanningState:
    """The preference, unless a newer one is known."""
    stale = planning.preference is not None and planning.preference.updated_at > message.updated_at
    return planning if stale else planning.model_copy(update={"preference": message})


def observe_state(planning: PlanningState, message: VehicleState) -> PlanningState:
    """The car's state, unless a newer one is known."""
    stale = planning.state is not None and planning.state.received_time > message.received_time
    return planning if stale else planning.model_copy(update={"state": message})


def observe_schedule(planning: PlanningState, message: Schedule) -> PlanningState:
    """The schedule in force, unless a later revision of the same session is known."""
    known = planning.schedule
    stale = known is not None and known.session_id == message.session_id and known.revision > message.revision
    return planning if stale else planning.model_copy(update={"schedule": message})


def decide(
    planning: PlanningState,
    price: Forecast | None,
    carbon: Forecast | None,
    now: datetime,
    spread_seconds_max: int = 600,
) -> Schedule | None:
    """The schedule to publish, or None to keep the one in force (or when the car is not, or no longer, enrolled)."""
    if planning.registration is None or planning.state is None or planning.registration.consent != "given":
        return None
    session = planning.state.session
    if session is None or session.ended_at is not None:
        return _hands_off(planning, PlanReason.UNPLUGGED, now)
    if planning.state.at_home is False:
        return _hands_off(planning, PlanReason.AWAY, now)
    case = _case(planning, planning.registration, planning.state, session, now, spread_seconds_max)
    slots = combine(price, carbon, now, case.ready_by) if price else ()
    reason = _reason(case, slots)
    if _keeps(case, reason, slots):
        return None
    return _schedule(case, reason, slots, price, carbon)
