"""How a command is made: whether the car must be woken first, how long to wait, its name and its expiry.

A result that nobody saw is resolved by reading, never by repeating: a wake brings the reading.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from streams.contracts.command import Action, CommandEvent, CommandPhase
from streams.domain.control import last_switch, soc_in_session
from streams.domain.desired import Situation, Want, block_at, next_block, usable_plan
from streams.domain.ids import stable_id

#: `detail` of a failed command that a wake may mend.
ASLEEP: Final = "asleep"


def held_back(case: Situation, want: Want, switch: Action) -> str | None:
    """Why this switch must not be made on what we know, if so."""
    if switch is Action.STOP:
        if case.now - case.state.car_time > case.policy.max_state_age:
            return "stale_state"
        return "unobservable" if _unresolved(case) else None
    waits = not want.urgent and case.now < case.session.seen_at + case.policy.soc_grace
    return "stale_soc" if waits and soc_in_session(case.control, case.session) is None else None


def only_seems_on(case: Situation) -> bool:
    """Is "charging" the past? The sample is older than a stop that may hold, or too old to say. Then we must ask."""
    control, seen = case.control, case.state.car_time
    held = control.held_session == case.session.id and control.held_since is not None and seen <= control.held_since
    return held or case.now - seen > case.policy.max_state_age


def needs_wake(case: Situation) -> bool:
    """The car slept through the start, or nothing shows what became of it."""
    command = case.control.command
    if case.control.attempts == 0 or command is None or command.session_id != case.session.id:
        return False
    slept = command.action is Action.START and command.detail == ASLEEP
    return slept or (_unresolved(case) and not _woken(command))


def wait_until(case: Situation, want: Want, action: Action) -> tuple[datetime | None, str]:
    """Until when the command waits, and why: the OEM's word, backoff after failures, dwell after a switch."""
    control, policy = case.control, case.policy
    waits: list[tuple[datetime, str]] = []
    if control.retry_after is not None:
        waits.append((control.retry_after, "retry_later"))
    command, last = control.command, last_switch(control, case.session)
    slept = command is not None and command.detail == ASLEEP and action is Action.WAKE
    if control.attempts and command is not None and not slept and not _woken(command):
        pause = policy.backoff * 2 ** min(control.attempts - 1, 10)
        waits.append((command.at + min(pause, policy.max_backoff), "retry_later"))
    if last is not None and not want.urgent and action is not Action.WAKE and last.action is not action:
        waits.append((last.decided_at + policy.min_dwell, "min_dwell"))
    return max(waits, default=(None, ""))


def intent(case: Situation, want: Want, action: Action) -> CommandEvent:
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
    )


def _not_after(case: Situation, want: Want, action: Action) -> datetime:
    """No start after its block, no stop into the next one."""
    latest = case.now + case.policy.command_ttl
    plan = usable_plan(case.control, case.session)
    if plan is None or action is Action.WAKE or want.urgent:
        return latest
    running, later = block_at(plan, case.now), next_block(plan, case.now)
    if action is Action.START:
        return latest if running is None else min(latest, running.end)
    return latest if later is None else min(latest, later.start)


def _unresolved(case: Situation) -> bool:
    last = last_switch(case.control, case.session)
    return last is not None and last.phase is CommandPhase.UNKNOWN and case.state.car_time <= last.at


def _woken(command: CommandEvent) -> bool:
    return command.action is Action.WAKE and command.phase is CommandPhase.CONFIRMED
