"""Compares what a car should do with what it does, and asks for at most one command.

Level-triggered: the same facts give the same answer however often they are looked at. Only a car known to be
plugged in at home is commanded, one command at a time; a car that cannot be controlled is left charging.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from streams.contracts.command import Action, CommandEvent, CommandPhase
from streams.contracts.telemetry import Charge
from streams.contracts.vehicle import PlugSession, VehicleState
from streams.domain.attempt import held_back, intent, needs_wake, only_seems_on, wait_until
from streams.domain.control import (
    ON,
    ControlState,
    in_flight,
    last_switch,
    observe_command,
    observe_preference,
    observe_registration,
    observe_schedule,
    observe_state,
    open_session,
)
from streams.domain.desired import (
    ControlPolicy,
    Situation,
    Want,
    desired,
    last_safe_start,
    plan_due,
    usable_plan,
)
from streams.domain.leads import NO_LEADS, Leads

__all__ = [
    "ControlPolicy",
    "ControlState",
    "Decision",
    "observe_command",
    "observe_preference",
    "observe_registration",
    "observe_schedule",
    "observe_state",
    "reconcile",
]


class Decision(NamedTuple):
    """What to do and why. Remember `control`; `next_at` is when the answer may change by itself."""

    action: Action | None
    reason: str
    command: CommandEvent | None
    control: ControlState
    next_at: datetime | None


def reconcile(
    control: ControlState,
    now: datetime,
    policy: ControlPolicy,
    can: frozenset[Action] = frozenset(Action),
    leads: Leads = NO_LEADS,
) -> Decision:
    """The one command that brings the car closer to what it should do, or none, with the reason."""
    del can, leads
    registration, state, session = control.registration, control.state, open_session(control)
    if registration is None or state is None or session is None:
        return Decision(None, _absent(control), None, control, None)
    reason = _hands_off(state)
    if reason is not None and not _held_in_doubt(control, state, session, now, policy):
        doubtful = state.unplug_suspected_at is not None
        return Decision(None, reason, None, control, now + policy.confirm_window if doubtful else None)
    if control.command is not None and in_flight(control):
        return Decision(None, "command_in_flight", None, control, _judged_by(control.command, policy))
    if _overridden(control, session):
        return Decision(None, "driver_override", None, control, None)
    case = Situation(control, registration, state, session, now, policy)
    want = desired(case)
    if _by_driver(case, want):
        stood_down = {"driver_override_session": session.id, "driver_override_at": now}
        return Decision(None, "driver_override", None, control.model_copy(update=stood_down), None)
    return _towards(case, want)


def _absent(control: ControlState) -> str:
    if control.registration is None:
        return "not_registered"
    return "unknown_state" if control.state is None else "unplugged"


def _hands_off(state: VehicleState) -> str | None:
    """Why this car must not be commanded at all."""
    if state.unplug_suspected_at is not None:
        return "unplug_suspected"
    if state.at_home is not True:
        return "home_unknown" if state.at_home is None else "away"
    silent = {Charge.NO_POWER, Charge.FAULT, Charge.DISCHARGING}
    return state.charge.value if state.charge in silent else None


def _held_in_doubt(
    control: ControlState, state: VehicleState, session: PlugSession, now: datetime, policy: ControlPolicy
) -> bool:
    """One odd "unplugged" does not keep a car held that we stopped: releasing an unplugged car does no harm."""
    suspected = state.unplug_suspected_at
    held = control.held_session == session.id and state.at_home is True
    return held and suspected is not None and now - suspected >= policy.doubt


def _overridden(control: ControlState, session: PlugSession) -> bool:
    """The driver's hand at the car counts until the next session, or until a boost asked for later."""
    if control.driver_override_session != session.id:
        return False
    preference, at = control.preference, control.driver_override_at
    boosted = preference is not None and preference.mode == "boost"
    return not (boosted and preference is not None and at is not None and preference.updated_at > at)


def _by_driver(case: Situation, want: Want) -> bool:
    """Charging began or ended against what we want, and no command of ours nor the plug-in explains it."""
    control, session = case.control, case.session
    began, halted = control.began_at, control.halted_at
    if want.charge is False and case.state.charge in ON:
        at, ours = began, Action.START
    elif want.charge is True and case.state.charge is Charge.IDLE and _full(case.state) is None:
        at, ours = halted, Action.STOP
    else:
        return False
    if at is None or at <= want.since:
        return False
    last = last_switch(control, session)
    if last is None:
        return at > session.plugged_at + case.policy.plug_in_blip
    return last.action is not ours and at > last.decided_at


def _towards(case: Situation, want: Want) -> Decision:
    charging = case.state.charge in ON
    if want.charge and charging and only_seems_on(case):
        return _command(case, want, Action.START)
    if want.charge is None or charging is want.charge:
        return _rest(case, want.reason, settled=True)
    if want.charge:
        full = _full(case.state)
        return _rest(case, full, settled=True) if full is not None else _command(case, want, Action.START)
    return _command(case, want, Action.STOP)


def _full(state: VehicleState) -> str | None:
    if state.charge is Charge.COMPLETE:
        return "complete"
    at_limit = state.soc_pct is not None and state.limit_pct is not None and state.soc_pct >= state.limit_pct
    return "limit_reached" if at_limit else None


def _command(case: Situation, want: Want, switch: Action) -> Decision:
    """The command, unless something says not yet."""
    goal = f"{case.session.id} {switch} {want.reason}"
    if case.control.goal != goal:
        fresh = {"goal": goal, "attempts": 0, "gave_up": False}
        case = case._replace(control=case.control.model_copy(update=fresh))
    if case.control.attempts >= case.policy.max_attempts:
        # The driver is told. A car that should charge is asked on, ever more slowly: no car may stay held.
        case = case._replace(control=case.control.model_copy(update={"gave_up": True}))
        if switch is Action.STOP:
            return _rest(case, "cannot_control")
    why = held_back(case, want, switch)
    if why is not None:
        return _rest(case, why, case.now + case.policy.confirm_window)
    action = Action.WAKE if switch is Action.START and needs_wake(case) else switch
    until, why = wait_until(case, want, action)
    if until is not None and case.now < until:
        return _rest(case, why, until)
    command = intent(case, want, action)
    control = observe_command(case.control, command)
    return Decision(action, want.reason, command, control, _judged_by(command, case.policy))


def _rest(case: Situation, reason: str, until: datetime | None = None, *, settled: bool = False) -> Decision:
    control = case.control
    if settled and (control.gave_up or control.attempts):
        control = control.model_copy(update={"gave_up": False, "attempts": 0})
    instants = [*_instants(case), *([] if until is None else [until])]
    next_at = min((at for at in instants if at > case.now), default=None)
    return Decision(None, reason, None, control, next_at)


def _instants(case: Situation) -> list[datetime]:
    """When the answer may change although no message arrives."""
    grace, plan = case.session.seen_at + case.policy.soc_grace, usable_plan(case.control, case.session)
    if plan is None:
        return [grace, plan_due(case)]
    edges = [at for block in plan.blocks for at in (block.start, block.end)]
    limit = last_safe_start(case, plan)
    return [grace, *edges, *([] if limit is None else [limit])]


def _judged_by(command: CommandEvent, policy: ControlPolicy) -> datetime:
    begun = command.not_after if command.phase is CommandPhase.INTENT else command.at
    return begun + policy.confirm_window
