"""Compares what a car should do with what it does, and asks for at most one command.

Level-triggered: the same facts give the same answer however often they are looked at. Only a car known to be
plugged in at home is commanded, one command at a time; a car that cannot be controlled is left charging.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from streams.contracts.command import Action, CommandEvent, CommandPhase
from streams.domain.attempt import held_back, intent, needs_wake, only_seems_on, refused, wait_until
from streams.domain.backstop import Change, change, passed, taken_back
from streams.domain.control import (
    ON,
    ControlState,
    in_flight,
    observe_preference,
    observe_registration,
    observe_schedule,
)
from streams.domain.desired import (
    ControlPolicy,
    Situation,
    Want,
    desired,
    last_safe_start,
    plan_due,
    release_at,
    spans,
    usable_plan,
)
from streams.domain.hands import by_driver, full, hands_off, held_in_doubt, outdone, overridden
from streams.domain.leads import NO_LEADS, Leads
from streams.domain.outcome import observe_command
from streams.domain.risk import risk
from streams.domain.sighting import observe_state

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
    """The one command that brings the car closer to what it should do, or none, with the reason.

    `can`: the commands that this model takes; `leads`: how long such cars take to obey.
    """
    control = passed(control, now)
    registration, state = control.registration, control.state
    if registration is None or state is None or state.session is None:
        return Decision(None, _absent(control), None, control, None)
    case = Situation(control, registration, state, state.session, now, policy, can, leads)
    if state.session.ended_at is not None:
        return _left(case, "unplugged")
    reason = hands_off(state)
    if reason == "away":
        return _left(case, reason)
    if state.unplug_suspected_at is not None and not held_in_doubt(case):
        return Decision(None, "unplug_suspected", None, control, now + policy.confirm_window)
    want = desired(case)
    if want.charge is not case.control.wish or control.wished_since is None:
        control = control.model_copy(update={"wish": want.charge, "wished_since": min(want.since, now)})
        case = case._replace(control=control)
    if reason is None or held_in_doubt(case):
        return _told(case, want, _decide(case, want))
    return _told(case, want, _rest(case, reason))


def _absent(control: ControlState) -> str:
    if control.registration is None:
        return "not_registered"
    return "unknown_state" if control.state is None else "unplugged"


def _left(case: Situation, reason: str) -> Decision:
    """A car that is unplugged or away is not commanded, but for taking back the start that we wrote into it."""
    undo = None if in_flight(case.control) else taken_back(case)
    return _changed(case, undo, Decision(None, reason, None, case.control, None))


def _told(case: Situation, want: Want, decision: Decision) -> Decision:
    """The decision, and whether the driver must hear that the promise is at risk."""
    control = decision.control
    at_risk, next_at = risk(case._replace(control=control), want, settled=full(control, case.session) is not None)
    if control.at_risk is not at_risk:
        control = control.model_copy(update={"at_risk": at_risk})
    instants = [at for at in (decision.next_at, next_at) if at is not None and at > case.now]
    return decision._replace(control=control, next_at=min(instants, default=None))


def _decide(case: Situation, want: Want) -> Decision:
    control, session = case.control, case.session
    if control.command is not None and in_flight(control):
        return Decision(None, "command_in_flight", None, control, _judged_by(control.command, case.policy))
    stands_down = by_driver(case, want) or outdone(case, want)
    if stands_down and not overridden(case):
        stood_down = {"driver_override_session": session.id, "driver_override_at": case.now}
        case = case._replace(control=control.model_copy(update=stood_down))
    if overridden(case):
        return _changed(case, change(case, want, overridden=True), _rest(case, "driver_override"))
    decision = _towards(case, want)
    start_pending = want.charge and case.state.charge not in ON
    if decision.action is not None or start_pending:
        return decision
    case = case._replace(control=decision.control)
    return _changed(case, change(case, want, overridden=False), decision)


def _changed(case: Situation, wanted: Change | None, resting: Decision) -> Decision:
    """The change of the car's own schedule where it is due, else the decision to do nothing."""
    if wanted is None:
        return resting
    if case.now < wanted.due:
        instants = [at for at in (resting.next_at, wanted.due) if at is not None]
        return resting._replace(next_at=min(instants))
    want = Want(None, "backstop", case.now)
    command = intent(case, want, wanted.action, wanted.start_at)
    control = observe_command(case.control, command)
    return Decision(wanted.action, want.reason, command, control, _judged_by(command, case.policy))


def _towards(case: Situation, want: Want) -> Decision:
    charging = case.state.charge in ON
    if want.charge and charging and only_seems_on(case):
        return _command(case, want, Action.START)
    if want.charge is None or charging is want.charge:
        return _rest(case, want.reason, settled=True)
    if want.charge:
        why = full(case.control, case.session)
        return _rest(case, why, settled=True) if why is not None else _command(case, want, Action.START)
    return _command(case, want, Action.STOP)


def _command(case: Situation, want: Want, switch: Action) -> Decision:
    """The command, unless something says not yet."""
    goal = f"{case.session.id} {switch} {want.reason}"
    if case.control.goal != goal:
        fresh = {"goal": goal, "attempts": 0, "gave_up": False}
        case = case._replace(control=case.control.model_copy(update=fresh))
    if _hopeless(case, switch):
        # The driver is told. A car that should charge is asked on, ever more slowly: no car may stay held.
        case = case._replace(control=case.control.model_copy(update={"gave_up": True}))
        if switch is Action.STOP:
            return _rest(case, "cannot_control")
    never = refused(case, want, switch)
    if never is not None:
        return _rest(case, never)
    why = held_back(case, want, switch)
    if why is not None:
        return _rest(case, why, case.now + case.policy.confirm_window)
    action = Action.WAKE if switch is Action.START and needs_wake(case, want) else switch
    until, why = wait_until(case, want, action)
    if until is not None and case.now < until:
        return _rest(case, why, until)
    command = intent(case, want, action)
    control = observe_command(case.control, command)
    return Decision(action, want.reason, command, control, _judged_by(command, case.policy))


def _hopeless(case: Situation, switch: Action) -> bool:
    control = case.control
    stuck = switch is Action.START and control.cannot_resume and control.obeyed_session == case.session.id
    return stuck or control.attempts >= case.policy.max_attempts


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
    edges = [at for span in spans(case, plan) for at in span]
    return [grace, *edges, *(at for at in (release_at(case, plan), last_safe_start(case, plan)) if at is not None)]


def _judged_by(command: CommandEvent, policy: ControlPolicy) -> datetime:
    begun = command.not_after if command.phase is CommandPhase.INTENT else command.at
    return begun + policy.confirm_window
