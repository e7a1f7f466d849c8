"""Which schedule is in force for a car: the planner's answer, published only when it matters to someone.

Safe by default: what is unknown (state of charge, prices) makes the car charge now. What is announced is what
is executed, so offsets and kept blocks are part of the schedule, and a plan stays unless something material
changed.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from pydantic import BaseModel, ConfigDict

from streams.contracts.preference import Preference
from streams.contracts.registration import Registration
from streams.contracts.schedule import Block, PlanInputs, PlanReason, Schedule
from streams.contracts.telemetry import Charge, Plug
from streams.contracts.vehicle import PlugSession, VehicleState
from streams.domain import wording
from streams.domain.boost import Boost, asked, bound, terms
from streams.domain.case import Case, PlanRules, reason_for
from streams.domain.hysteresis import at_once_kwh, cheapest, keeps, missed_ready_by
from streams.domain.market import Market
from streams.domain.planner import Curve, Profile
from streams.domain.planner.columns import CurveName, Row
from streams.domain.power import learn
from streams.domain.ready import ready_by

DEFAULT_RULES: Final = PlanRules()
NO_CURRENCY: Final = "XXX"  # ISO 4217: no currency involved


class PlanningState(BaseModel):
    """What planning knows of one car: the newest of each message, and the schedule in force."""

    model_config = ConfigDict(frozen=True)

    car: str
    registration: Registration | None = None
    preference: Preference | None = None
    state: VehicleState | None = None
    schedule: Schedule | None = None
    boost: Boost | None = None
    #: What the car was seen to draw at home while it charged, in kW at the wall.
    learned_kw: float | None = None
    #: Cheap blocks of this session that are over, of schedules no longer in force.
    blocks_over: int = 0


class _Draft(NamedTuple):
    reason: PlanReason
    curve: Curve | None
    profile: Profile
    provisional: bool


def observe_registration(planning: PlanningState, message: Registration) -> PlanningState:
    """The registration, unless a newer one is known."""
    known = planning.registration
    stale = known is not None and known.registered_at > message.registered_at
    return planning if stale else planning.model_copy(update={"registration": message})


def observe_preference(planning: PlanningState, message: Preference) -> PlanningState:
    """The preference, unless a newer one is known."""
    stale = planning.preference is not None and planning.preference.updated_at > message.updated_at
    if stale:
        return planning
    boost = bound(asked(planning.boost, planning.preference, message), planning.state)
    return planning.model_copy(update={"preference": message, "boost": boost})


def observe_state(planning: PlanningState, message: VehicleState) -> PlanningState:
    """The car's state, unless a newer one is known."""
    stale = planning.state is not None and planning.state.received_time > message.received_time
    if stale:
        return planning
    learned_kw = learn(planning.learned_kw, message, planning.registration)
    boost = bound(planning.boost, message)
    return planning.model_copy(update={"state": message, "learned_kw": learned_kw, "boost": boost})


def observe_schedule(planning: PlanningState, message: Schedule) -> PlanningState:
    """The schedule in force, unless a later revision of the same session is known."""
    known = planning.schedule
    stale = known is not None and known.session_id == message.session_id and known.revision > message.revision
    if stale:
        return planning
    over = 0
    if known is not None and known.session_id == message.session_id:
        over = planning.blocks_over + _blocks_over(known, message.inputs.now)
    return planning.model_copy(update={"schedule": message, "blocks_over": over})


def _blocks_over(schedule: Schedule, now: datetime) -> int:
    """How many cheap blocks of a schedule have ended."""
    return sum(block.end <= now for block in schedule.blocks) if schedule.reason is PlanReason.CHEAPEST else 0


def decide(
    planning: PlanningState, market: Market | None, now: datetime, rules: PlanRules = DEFAULT_RULES
) -> Schedule | None:
    """The schedule to publish, or None to keep the one in force (or while the car is not enrolled).

    Whoever publishes it folds it back with `observe_schedule` before the next decision.
    """
    registration, state = planning.registration, planning.state
    if registration is None or state is None or registration.consent != "given":
        return None
    session = state.session
    if session is None or session.ended_at is not None:
        return _hands_off(planning, state, PlanReason.UNPLUGGED, now)
    if state.at_home is False:
        return _hands_off(planning, state, PlanReason.AWAY, now)
    case = _case(planning, registration, state, session, now, rules)
    horizon = max(case.ready_by, now + case.duration(case.need_kwh))
    curve = market.curve(case.preference.carbon_price_per_tonne, now, horizon) if market else None
    reason = reason_for(case, curve)
    if keeps(case, reason, curve):
        return None
    draft = _Draft(reason, curve, *_profile(case, reason, curve))
    return _schedule(case, draft, market)


def watched(planning: PlanningState, rules: PlanRules = DEFAULT_RULES) -> Row | None:
    """What new prices would be weighed against: the cheap plan in force; None where prices decide nothing."""
    registration, schedule, state = planning.registration, planning.schedule, planning.state
    if registration is None or schedule is None or state is None:
        return None
    if schedule.reason not in {PlanReason.CHEAPEST, PlanReason.NO_FORECAST}:
        return None
    preference = planning.preference or Preference(car=planning.car, updated_at=registration.registered_at)
    ready = (schedule.ready_by or schedule.inputs.now) - timedelta(minutes=preference.margin_minutes)
    return Row(
        curve=CurveName(registration.tariff, registration.region, preference.carbon_price_per_tonne),
        power_kw=planning.learned_kw or registration.power_kw,
        ready_s=int(ready.timestamp()),
        worthwhile=rules.worthwhile,
        charging=state.charge in {Charge.CHARGING, Charge.STARTING},
        steady=not registration.taper and schedule.reason is PlanReason.CHEAPEST,
        blocks=tuple((int(b.start.timestamp()), int(b.end.timestamp()), b.energy_kwh) for b in schedule.blocks),
    )


def _case(
    planning: PlanningState,
    registration: Registration,
    state: VehicleState,
    session: PlugSession,
    now: datetime,
    rules: PlanRules,
) -> Case:
    wish = planning.preference or Preference(car=planning.car, updated_at=registration.registered_at)
    preference = terms(wish, planning.boost, session)
    known = state.soc_time is not None and state.soc_time >= session.plugged_at
    in_force = planning.schedule
    if in_force is not None and in_force.session_id != session.id:
        in_force = None
    if in_force is not None and rules.max_blocks is not None:  # the limit is the session's
        over = planning.blocks_over + _blocks_over(in_force, now)
        rules = replace(rules, max_blocks=max(1, rules.max_blocks - over))
    limit_pct = 100.0 if state.limit_pct is None else state.limit_pct
    case = Case(
        registration=registration,
        preference=preference,
        state=state,
        session=session,
        schedule=in_force,
        soc_pct=state.soc_pct if known else None,
        target_pct=min(preference.target_soc_pct, limit_pct),
        ready_by=ready_by(preference, registration.home_zone, now),
        power_kw=planning.learned_kw or registration.power_kw,
        now=now,
        rules=rules,
    )
    missed = missed_ready_by(case)
    return replace(case, ready_by=missed) if missed else case


def _profile(case: Case, reason: PlanReason, curve: Curve | None) -> tuple[Profile, bool]:
    if reason in {PlanReason.AT_TARGET, PlanReason.PAUSED}:
        return (), False
    if reason is PlanReason.CHEAPEST and curve is not None:
        return cheapest(case, curve, case.need_kwh, at_once_kwh(case))
    from_now = (case.now, case.now + case.duration(case.need_kwh), case.need_kwh)
    return ((from_now,) if case.need_kwh > 0 else ()), False


def _schedule(case: Case, draft: _Draft, market: Market | None) -> Schedule:
    cost, carbon_g = draft.curve.bill(draft.profile) if draft.curve else (0.0, 0.0)
    expected_pct = _expected_pct(case, draft.profile)
    settled = expected_pct is None or draft.reason is PlanReason.AT_TARGET
    missing = 0.0 if settled else case.target_pct - (expected_pct or 0.0)
    shortfall_kwh = missing / 100 * case.registration.usable_kwh if missing > 1e-6 else 0.0
    old = case.schedule
    schedule = Schedule(
        car=case.registration.car,
        session_id=case.session.id,
        revision=old.revision + 1 if old else 1,
        blocks=tuple(Block(start=start, end=end, energy_kwh=kwh) for start, end, kwh in draft.profile),
        energy_kwh=sum(kwh for _, _, kwh in draft.profile),
        cost=cost,
        currency=market.currency if market else (old.currency if old else NO_CURRENCY),
        carbon_g=carbon_g,
        objective=cost + case.preference.carbon_price_per_tonne * carbon_g * 1e-6,
        reachable=shortfall_kwh == 0.0,
        shortfall_kwh=shortfall_kwh,
        target_soc_pct=case.target_pct,
        expected_soc_pct=expected_pct,
        ready_by=case.ready_by,
        ready_at=_ready_at(case, draft),
        known_until=draft.curve.known_until if draft.curve else None,
        provisional=draft.provisional,
        reason=draft.reason,
        sentence="",
        inputs=_inputs(case, market),
    )
    to = wording.Audience(case.preference.language, case.registration.home_zone, case.now)
    return schedule.model_copy(update={"sentence": wording.plan_sentence(schedule, to)})


def _expected_pct(case: Case, profile: Profile) -> float | None:
    """State of charge at ready-by if all goes to plan; null while today's is unknown."""
    if case.soc_pct is None:
        return None
    in_time = (kwh * max(0.0, min(1.0, (case.ready_by - a) / (b - a))) for a, b, kwh in profile)
    expected = case.soc_pct + case.points(sum(in_time))
    return min(100.0, expected)


def _ready_at(case: Case, draft: _Draft) -> datetime | None:
    """When the target is reached, at the latest; null when nothing leads there."""
    if draft.profile:
        return draft.profile[-1][1]
    return case.now if draft.reason is PlanReason.AT_TARGET else None


def _inputs(case: Case, market: Market | None) -> PlanInputs:
    carbon = market.carbon_at(case.now) if market else None
    return PlanInputs(
        now=case.now,
        soc_pct=case.soc_pct,
        soc_time=case.state.soc_time,
        price_issued_at=market.price.issued_at if market else None,
        carbon_issued_at=carbon.issued_at if carbon else None,
        preference_updated_at=case.preference.updated_at,
        carbon_price_per_tonne=case.preference.carbon_price_per_tonne,
        power_kw=case.power_kw,
    )


def _hands_off(planning: PlanningState, state: VehicleState, reason: PlanReason, now: datetime) -> Schedule | None:
    """An empty schedule, once; none for a car that never said if it is plugged in: that is not unplugged."""
    if state.session is None and state.plug is not Plug.UNPLUGGED:
        return None
    session_id = state.session.id if state.session else None
    old = planning.schedule
    same_session = old is not None and old.session_id == session_id
    if old is not None and same_session and old.reason is reason:
        return None
    return Schedule(
        car=planning.car,
        session_id=session_id,
        revision=old.revision + 1 if old is not None and same_session else 1,
        blocks=(),
        energy_kwh=0,
        cost=0,
        currency=old.currency if old else NO_CURRENCY,
        carbon_g=0,
        objective=0,
        reachable=True,
        shortfall_kwh=0,
        reason=reason,
        sentence=wording.hands_off_sentence(reason, planning.preference.language if planning.preference else "en"),
        inputs=PlanInputs(now=now, soc_pct=state.soc_pct, soc_time=state.soc_time),
    )
