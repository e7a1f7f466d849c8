"""How a command is made: is it out of the question, must the car wake first, how long to wait, its name and expiry.

A result that nobody saw is resolved by reading, never by repeating: a wake brings the reading.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from streams.contracts.command import Action, CommandEvent, CommandPhase
from streams.domain.control import last_switch, soc_in_session
from streams.domain.desired import Situation, Want, next_start, span_at, usable_plan
from streams.domain.ids import stable_id
from streams.domain.outcome import BACKSTOPS

#: `detail` of a failed command that a wake may mend.
ASLEEP: Final = "asleep"
#: The reason of a start that only shows that the car resumes.
PROOF: Final = "proof"


def refused(case: Situation, want: Want, switch: Action) -> str | None:
    """Why this car is never switched so, if so: what it cannot do, whose schedule rules, what was spent."""
    control, policy = case.control, case.policy
    # A promise in danger goes before the car's own schedule; that no plan came is none.
    in_danger = want.urgent and want.reason != "no_plan"
    own_schedule = control.own_schedule_session == case.session.id and not in_danger
    if switch is Action.START:
        return "cannot_start" if Action.START not in case.can else "own_schedule" if own_schedule else None
    commands = control.stops >= policy.max_stops or control.commands >= policy.max_commands
    spent = commands or control.wakes >= policy.max_wakes  # who is stopped may have to be woken
    reasons = {
        "cannot_start": Action.START not in case.can,
        "cannot_stop": Action.STOP not in case.can,
        "cannot_resume": control.cannot_resume,
        "ignores_stop": control.ignores_stop,
        "own_schedule": own_schedule,
        "budget_spent": spent,
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def held_back(case: Situation, want: Want, switch: Action) -> str | None:
    """Why this switch must not be made on what we know, if so."""
    if switch is Action.STOP:
        if case.now - case.state.charge_at > case.policy.max_state_age:
            return "stale_state"
        return "unobservable" if _unresolved(case) else None
    waits = not want.urgent and case.now < case.session.seen_at + case.policy.soc_grace
    return "stale_soc" if waits and soc_in_session(case.control, case.session) is None else None


def may_rest(case: Situation) -> bool:
    """The sample is older than a stop of ours that may hold."""
    control = case.control
    held = control.held_session == case.session.id and control.held_since is not None
    return held and control.held_since is not None and case.state.charge_at <= control.held_since


def only_seems_on(case: Situation) -> bool:
    """Is "charging" the past? The sample is older than a stop that may hold, or too old to say. Then we must ask."""
    return may_rest(case) or case.now - case.state.charge_at > case.policy.max_state_age


def needs_wake(case: Situation, want: Want) -> bool:
    """The car slept through the start, or nothing shows what became of it; a wake is over once the car was read.

    No budget keeps a car asleep whose promise is at stake.
    """
    control, command = case.control, case.control.command
    spent = control.wakes >= case.policy.max_wakes or control.commands >= case.policy.max_commands
    if Action.WAKE not in case.can or (spent and not want.urgent):
        return False
    if control.attempts == 0 or command is None or command.session_id != case.session.id:
        return False
    if command.action is Action.WAKE:
        unseen = command.phase is not CommandPhase.CONFIRMED and case.state.car_time <= command.at
        return unseen and not spent  # beyond the budget each wake is followed by a start, seen or not
    return (command.action is Action.START and command.detail == ASLEEP) or _unresolved(case)


def wait_until(case: Situation, want: Want, action: Action) -> tuple[datetime | None, str]:
    """Until when the command waits, and why: the OEM's word, backoff after failures, dwell, a budget overdrawn."""
    control, policy = case.control, case.policy
    waits: list[tuple[datetime, str]] = []
    if control.retry_after is not None:
        waits.append((control.retry_after, "retry_later"))
    command, last = control.command, last_switch(control, case.session)
    failures = control.refusals or control.attempts
    asleep = command is not None and command.detail == ASLEEP and action is Action.WAKE
    slept = asleep and control.wakes < 3 * policy.max_wakes  # one that never stays awake is not asked every minute
    at_once = command is None or slept or _woken(command)  # who waits between wake and start finds the car asleep
    if failures and command is not None and not at_once:
        pause = policy.backoff * 2 ** min(failures - 1, 10)
        waits.append((command.at + min(pause, policy.max_backoff), "retry_later"))
    proving = last is not None and PROOF in {want.reason, last.reason}
    if last is not None and not (want.urgent or proving or action is Action.WAKE or last.action is action):
        waits.append((last.decided_at + policy.min_dwell, "min_dwell"))
    overdrawn = control.commands - policy.max_commands
    if command is not None and overdrawn >= 0 and not at_once:
        # A car that takes minutes to wake would be asleep again, were the start put off for longer.
        rounds = 1 if command.action is Action.WAKE else overdrawn + 1
        waits.append((command.at + policy.max_backoff * rounds, "budget_spent"))
    return max(waits, default=(None, ""))


def intent(case: Situation, want: Want, action: Action, start_at: datetime | None = None) -> CommandEvent:
    """The command, named after what it is for: deciding the same again gives the same name."""
    previous, plan = case.control.command, usable_plan(case.control, case.session)
    first = previous is None or previous.session_id != case.session.id
    attempt = 1 if previous is None or first else previous.attempt + 1
    revision = 0 if plan is None else plan.revision
    return CommandEvent(
        id=stable_id(case.control.car, case.session.id, action, revision, attempt),
        car=case.control.car,
        session_id=case.session.id,
        plan_revision=revision,
        action=action,
        phase=CommandPhase.INTENT,
        attempt=attempt,
        at=case.now,
        decided_at=case.now,
        not_after=_not_after(case, want, action),
        reason=want.reason,
        serves=f"{want.reason}@{want.since:%Y-%m-%dT%H:%MZ}",
        start_at=start_at,
    )


def _not_after(case: Situation, want: Want, action: Action) -> datetime:
    """No start after its block, no stop into the next one."""
    latest = case.now + case.policy.command_ttl
    plan = usable_plan(case.control, case.session)
    if plan is None or action is Action.WAKE or action in BACKSTOPS or want.urgent:
        return latest
    if action is Action.START:
        running = span_at(case, plan)
        return latest if running is None else min(latest, running[1])
    later = next_start(case, plan)
    return latest if later is None else min(latest, later)


def _unresolved(case: Situation) -> bool:
    last = last_switch(case.control, case.session)
    return last is not None and last.phase is CommandPhase.UNKNOWN and case.state.charge_at <= last.at


def _woken(command: CommandEvent) -> bool:
    return command.action is Action.WAKE and command.phase is CommandPhase.CONFIRMED
