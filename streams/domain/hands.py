"""Whose car it is at the moment: when we keep our hands off, and what the driver's hand at the car means.

An unexplained switch at the car is the driver's wish. It counts for the stay, and nothing that we want undoes it.
"""

from __future__ import annotations

from streams.contracts.command import Action
from streams.contracts.telemetry import Charge
from streams.contracts.vehicle import PlugSession, VehicleState
from streams.domain.boost import terms
from streams.domain.case import TOLERANCE_POINTS
from streams.domain.control import ON, ControlState, last_switch, soc_in_session
from streams.domain.desired import Situation, Want, usable_plan


def hands_off(state: VehicleState) -> str | None:
    """Why this car must not be commanded at all."""
    if state.unplug_suspected_at is not None:
        return "unplug_suspected"
    if state.at_home is not True:
        return "home_unknown" if state.at_home is None else "away"
    silent = {Charge.NO_POWER, Charge.FAULT, Charge.DISCHARGING}
    return state.charge.value if state.charge in silent else None


def held_in_doubt(case: Situation) -> bool:
    """One odd "unplugged" does not keep a car held that we stopped: releasing an unplugged car does no harm."""
    suspected = case.state.unplug_suspected_at
    held = case.control.held_session == case.session.id and case.state.at_home is True
    return held and suspected is not None and case.now - suspected >= case.policy.doubt


def overridden(case: Situation) -> bool:
    """The driver's hand at the car counts until the next session, or until a boost asked for later."""
    control, wish, at = case.control, case.control.preference, case.control.driver_override_at
    if control.driver_override_session != case.session.id:
        return False
    boosted = wish is not None and terms(wish, control.boost, case.session).mode == "boost"
    return not (boosted and wish is not None and at is not None and wish.updated_at > at)


def outdone(case: Situation, want: Want) -> bool:
    """Something undoes what we achieve, time and again: we do not duel. But what we hold is for us to let go."""
    differs = want.charge is not None and want.charge is not (case.state.charge in ON)
    ours_to_undo = want.charge is True and case.control.held_session == case.session.id
    return differs and not ours_to_undo and want.reason != "boost" and case.control.undone >= case.policy.max_rounds


def by_driver(case: Situation, want: Want) -> bool:
    """Charging began or ended against what we want, and no command of ours nor the plug-in explains it."""
    control, session = case.control, case.session
    began, halted = control.began_at, control.halted_at
    own_schedule = control.own_schedule_session == session.id
    if want.charge is False and case.state.charge in ON and not own_schedule:
        at, ours = began, Action.START
    elif want.charge is True and _rests(case) and full(case.control, case.session) is None:
        at, ours = halted, Action.STOP
    else:
        return False
    since = want.since if want.reason == "boost" else min(want.since, control.wished_since or want.since)
    if at is None or at <= since:
        return False
    last = last_switch(control, session)
    if last is None:
        return at > session.plugged_at + case.policy.plug_in_blip
    explained = last.action is ours and control.undone_switch != last.id
    return not explained and at > last.decided_at


def _rests(case: Situation) -> bool:
    """It charges no more; one that waits does so for a start of ours, not for its own."""
    waits = case.state.charge is Charge.SCHEDULED and case.control.own_schedule_session != case.session.id
    return waits or case.state.charge is Charge.IDLE


def full(control: ControlState, session: PlugSession) -> str | None:
    """Why nothing more goes in, if so. A state of charge from before the plug-in says nothing of it."""
    state, soc_pct = control.state, soc_in_session(control, session)
    if state is None:
        return None
    if state.charge is Charge.COMPLETE:
        return None if _stopped_short(control, session) else "complete"
    at_limit = soc_pct is not None and state.limit_pct is not None and soc_pct >= state.limit_pct
    return "limit_reached" if at_limit else None


def _stopped_short(control: ControlState, session: PlugSession) -> bool:
    """A car that we stopped well short of its target says "complete" of our stop, not of its battery."""
    plan, soc_pct = usable_plan(control, session), soc_in_session(control, session)
    if control.held_session != session.id or plan is None or plan.target_soc_pct is None or soc_pct is None:
        return False
    limit_pct = 100.0 if control.state is None or control.state.limit_pct is None else control.state.limit_pct
    return soc_pct < min(plan.target_soc_pct, limit_pct) - TOLERANCE_POINTS
