"""The driver's read model: plugged in? charging? ready when? and why. Derived from facts, never commanded."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from pydantic import BaseModel, ConfigDict

from streams.contracts.account import AccountState, Link
from streams.contracts.driver_status import DriverStatus, StatusReason
from streams.contracts.internal import Standing
from streams.contracts.preference import Preference
from streams.contracts.registration import Registration
from streams.contracts.schedule import PlanReason, Schedule
from streams.contracts.session import SessionSettled
from streams.contracts.telemetry import FLOWING, Charge, Plug
from streams.contracts.vehicle import PlugSession, VehicleState
from streams.domain import wording
from streams.domain.boost import Boost, asked, bound, terms
from streams.domain.ids import stable_id

_LOST: Final = {Link.NEEDS_CONSENT, Link.REVOKED}
_BROKEN: Final = {Charge.NO_POWER, Charge.FAULT}


class StatusState(BaseModel):
    """What the driver's status is made from: the newest of each message about one car."""

    model_config = ConfigDict(frozen=True)

    car: str
    registration: Registration | None = None
    preference: Preference | None = None
    state: VehicleState | None = None
    schedule: Schedule | None = None
    standing: Standing | None = None
    settled: SessionSettled | None = None
    account: AccountState | None = None
    boost: Boost | None = None


def observe_registration(s: StatusState, message: Registration) -> StatusState:
    """The registration, unless a newer one is known."""
    stale = s.registration is not None and s.registration.registered_at > message.registered_at
    return s if stale else s.model_copy(update={"registration": message})


def observe_preference(s: StatusState, message: Preference) -> StatusState:
    """The preference, unless a newer one is known."""
    stale = s.preference is not None and s.preference.updated_at > message.updated_at
    if stale:
        return s
    boost = bound(asked(s.boost, s.preference, message), s.state)
    return s.model_copy(update={"preference": message, "boost": boost})


def observe_state(s: StatusState, message: VehicleState) -> StatusState:
    """The car's state, unless a newer one is known."""
    stale = s.state is not None and s.state.received_time > message.received_time
    return s if stale else s.model_copy(update={"state": message, "boost": bound(s.boost, message)})


def observe_schedule(s: StatusState, message: Schedule) -> StatusState:
    """The schedule in force, unless it is older than the known one."""
    stale = s.schedule is not None and s.schedule.inputs.now > message.inputs.now
    return s if stale else s.model_copy(update={"schedule": message})


def observe_standing(s: StatusState, message: Standing) -> StatusState:
    """How control stands with the car."""
    stale = s.standing is not None and s.standing.at > message.at
    return s if stale else s.model_copy(update={"standing": message})


def observe_settled(s: StatusState, message: SessionSettled) -> StatusState:
    """The last settled session."""
    stale = s.settled is not None and s.settled.ended_at > message.ended_at
    return s if stale else s.model_copy(update={"settled": message})


def observe_account(s: StatusState, message: AccountState) -> StatusState:
    """The link to the OEM account."""
    stale = s.account is not None and s.account.since > message.since
    return s if stale else s.model_copy(update={"account": message})


def status(s: StatusState, now: datetime, *, controllable: bool = True) -> DriverStatus | None:
    """The driver's status at `now`; None while the car is not enrolled.

    `controllable`: whether the model takes starts and stops. Of one that does not, the plan is told as advice.
    """
    if s.registration is None or s.registration.consent != "given":
        return None
    schedule = _in_force(s)
    bare = _bare(s, s.registration, schedule, now, controllable=controllable)
    told = bare.model_copy(update={"sentence": wording.status_sentence(bare, schedule)})
    content = told.model_dump_json(exclude={"at", "version"})
    return told.model_copy(update={"version": stable_id(content)})


def next_turn(s: StatusState, now: datetime) -> datetime | None:
    """When the status will say something else by the clock alone: a block begins or ends, a reading grows old."""
    schedule, state = _in_force(s), s.state
    turns = [at for block in schedule.blocks for at in (block.start, block.end)] if schedule else []
    if schedule and schedule.ready_by:
        turns.append(schedule.ready_by)
    if state and state.soc_time and state.plug is Plug.PLUGGED:
        turns += [state.soc_time + age for age in wording.AGES]
    return min((at for at in turns if at > now), default=None)


def _bare(
    s: StatusState, registration: Registration, schedule: Schedule | None, now: datetime, *, controllable: bool
) -> DriverStatus:
    state, session, settled = s.state, _live(s), s.settled
    cost, carbon_g = (settled.cost, settled.carbon_g) if settled else (None, None)
    return DriverStatus(
        car=s.car,
        driver=registration.driver,
        reason=_reason(s, schedule, now, controllable=controllable),
        sentence="",
        plug=state.plug if state else Plug.UNKNOWN,
        charge=state.charge if state else Charge.UNKNOWN,
        soc_pct=state.soc_pct if state else None,
        soc_time=state.soc_time if state else None,
        at_home=state.at_home if state else None,
        session_id=session.id if session else None,
        plan_revision=schedule.revision if schedule else None,
        next_start=_next_start(schedule, now),
        planned_until=_planned_until(schedule, now),
        ready_at=schedule.ready_at if schedule else None,
        ready_by=schedule.ready_by if schedule else None,
        target_soc_pct=_target_pct(s, schedule),
        expected_soc_pct=schedule.expected_soc_pct if schedule else None,
        shortfall_kwh=schedule.shortfall_kwh if schedule else 0.0,
        home_zone=registration.home_zone,
        name=_name(registration),
        language=s.preference.language if s.preference else "en",
        link=s.account.link if s.account else Link.LINKED,
        controllable=controllable,
        saved=cost.unmanaged - cost.managed if cost else None,
        saved_carbon_g=carbon_g.unmanaged - carbon_g.managed if carbon_g else None,
        currency=settled.currency if settled else None,
        cost=cost.managed if cost else None,
        charged_kwh=settled.energy_kwh if settled else None,
        settled_session_id=settled.session_id if settled else None,
        version="",
        at=now,
    )


def _name(registration: Registration) -> str:
    """The model as people say it, without what we note behind it; makers that tell no model stand for themselves."""
    model = registration.model.partition("+")[0].strip()
    words = registration.oem.split("_")
    return model or " ".join(word.upper() if len(word) <= 3 else word.capitalize() for word in words)


def _live(s: StatusState) -> PlugSession | None:
    session = s.state.session if s.state else None
    return session if session and session.ended_at is None else None


def _in_force(s: StatusState) -> Schedule | None:
    session = _live(s)
    mine = session is not None and s.schedule is not None and s.schedule.session_id == session.id
    return s.schedule if mine and s.schedule and s.schedule.reason is not PlanReason.UNPLUGGED else None


def _next_start(schedule: Schedule | None, now: datetime) -> datetime | None:
    starts = (block.start for block in schedule.blocks if block.start > now) if schedule else iter(())
    return next(starts, None)


def _planned_until(schedule: Schedule | None, now: datetime) -> datetime | None:
    ends = (block.end for block in schedule.blocks if block.start <= now < block.end) if schedule else iter(())
    return next(ends, None)


def _target_pct(s: StatusState, schedule: Schedule | None) -> float | None:
    if schedule and schedule.target_soc_pct is not None:
        return schedule.target_soc_pct
    return s.preference.target_soc_pct if s.preference else None


def _reason(s: StatusState, schedule: Schedule | None, now: datetime, *, controllable: bool) -> StatusReason:
    """The first that applies: can we see the car, may we act, does it obey, what is the plan."""
    session, state = _live(s), s.state
    if s.account is not None and s.account.link in _LOST:
        return StatusReason.LINK_LOST
    if state is None or session is None:
        return _without_session(state)
    if state.at_home is False:
        return StatusReason.AWAY
    if controllable:
        return _with_session(s, state, session, schedule, now)
    return _advised(s.standing, state, session, schedule, now)


def _with_session(
    s: StatusState, state: VehicleState, session: PlugSession, schedule: Schedule | None, now: datetime
) -> StatusReason:
    if state.charge in _BROKEN or (s.standing is not None and s.standing.gave_up_session == session.id):
        return StatusReason.CANNOT_CONTROL
    if schedule is None or schedule.reason is PlanReason.AWAY:
        return StatusReason.PLANNING
    handed_over = None if s.standing is None else _handed_over(s.standing, state, session)
    if handed_over is not None:
        return handed_over
    if schedule.reason is PlanReason.AT_TARGET and state.charge in FLOWING and _boosted(s, session):
        return StatusReason.CHARGING_BOOST  # which a target does not end
    return _by_plan(schedule, state.charge, now)


def _boosted(s: StatusState, session: PlugSession) -> bool:
    return s.preference is not None and terms(s.preference, s.boost, session).mode == "boost"


def _advised(
    standing: Standing | None, state: VehicleState, session: PlugSession, schedule: Schedule | None, now: datetime
) -> StatusReason:
    """Of a car that takes no commands: what it shows and what is planned. That its driver acts is no news."""
    if state.charge in _BROKEN:
        return StatusReason.CANNOT_CONTROL
    if schedule is None or schedule.reason is PlanReason.AWAY:
        return StatusReason.PLANNING
    if standing is not None and _at_risk(standing, state.charge, session):
        return StatusReason.AT_RISK
    return _whoever_acts(schedule, state.charge, now) or StatusReason.ADVICE_ONLY


def _at_risk(standing: Standing, charge: Charge, session: PlugSession) -> bool:
    return standing.at_risk_session == session.id and charge not in FLOWING and charge is not Charge.COMPLETE


def _handed_over(standing: Standing, state: VehicleState, session: PlugSession) -> StatusReason | None:
    """Something else than the plan decides: a hand at the car, the car's own schedule, or nothing that we can see."""
    flowing = state.charge in FLOWING
    over = state.charge is Charge.COMPLETE or (not flowing and _at_limit(state))
    if _at_risk(standing, state.charge, session):
        return StatusReason.AT_RISK
    if standing.driver_session == session.id and not over:
        return StatusReason.CHARGING_BY_DRIVER if flowing else StatusReason.STOPPED_BY_DRIVER
    own = standing.own_schedule_session == session.id and not flowing and not over
    return StatusReason.OWN_SCHEDULE if own else None


def _at_limit(state: VehicleState) -> bool:
    """As full as the car itself lets it be: not all makers have a word for that."""
    return state.soc_pct is not None and state.limit_pct is not None and state.soc_pct >= state.limit_pct


def _without_session(state: VehicleState | None) -> StatusReason:
    if state is None or state.plug is Plug.UNKNOWN:
        return StatusReason.UNKNOWN
    return StatusReason.UNPLUGGED if state.plug is Plug.UNPLUGGED else StatusReason.PLANNING


def _whoever_acts(schedule: Schedule, charge: Charge, now: datetime) -> StatusReason | None:
    """What is so whether we or the driver carry out the plan."""
    if schedule.reason is PlanReason.PAUSED:
        return StatusReason.PAUSED
    if charge is Charge.COMPLETE or (schedule.reason is PlanReason.AT_TARGET and charge not in FLOWING):
        return StatusReason.AT_TARGET
    short = schedule.reason is PlanReason.UNREACHABLE and _charges_on(schedule, now)
    return StatusReason.CANNOT_BE_READY if short else None


def _charges_on(schedule: Schedule, now: datetime) -> bool:
    return any(block.end > now for block in schedule.blocks)


def _by_plan(schedule: Schedule, charge: Charge, now: datetime) -> StatusReason:
    whoever = _whoever_acts(schedule, charge, now)
    if whoever is not None:
        return whoever
    flowing = charge in FLOWING
    if _planned_until(schedule, now) is not None:
        return _in_block(schedule, flowing=flowing)
    if flowing:
        return StatusReason.STOPPING  # whose hand it was, if not ours, control tells
    return StatusReason.WAITING_FOR_CHEAP if _charges_on(schedule, now) else StatusReason.AT_TARGET


def _in_block(schedule: Schedule, *, flowing: bool) -> StatusReason:
    if not flowing:
        return StatusReason.STARTING
    boost = schedule.reason is PlanReason.BOOST
    return StatusReason.CHARGING_BOOST if boost else StatusReason.CHARGING_AS_PLANNED
