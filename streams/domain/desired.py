"""What a plugged-in car at home should be doing now, and since when: charge, rest, or be left alone.

When we cannot know, the answer is charge or leave alone. Rest needs a plan that can still be met.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from streams.contracts.command import Action
from streams.contracts.registration import Registration
from streams.contracts.schedule import Block, PlanReason, Schedule
from streams.contracts.vehicle import PlugSession, VehicleState
from streams.domain.boost import terms
from streams.domain.case import TOLERANCE_POINTS
from streams.domain.control import ON, ControlState, last_switch, soc_in_session
from streams.domain.leads import NO_LEADS, Leads

_NOT_FOR_A_PLUGGED_CAR: Final = frozenset({PlanReason.PAUSED, PlanReason.AWAY, PlanReason.UNPLUGGED})


@dataclass(frozen=True, slots=True)
class ControlPolicy:
    """How patient and how careful control is."""

    #: A command is never sent later than this after the decision.
    command_ttl: timedelta = timedelta(minutes=5)
    #: Telemetry has this long to show the effect of a command.
    confirm_window: timedelta = timedelta(minutes=3)
    #: Commands without effect towards one goal before we give up and tell the driver.
    max_attempts: int = 4
    #: In one plug session; then the car is left to charge, and only starts go on, ever more slowly.
    max_stops: int = 4
    max_wakes: int = 4
    max_commands: int = 24
    #: How often something may undo our switches in one session before we stand down.
    max_rounds: int = 2
    #: Pause after the first of them; doubles with each.
    backoff: timedelta = timedelta(minutes=1)
    #: The longest of these pauses.
    max_backoff: timedelta = timedelta(minutes=10)
    #: A car we hold is believed to be plugged in again this long after a lone "unplugged".
    doubt: timedelta = timedelta(minutes=15)
    #: Time between two switches of ours, unless the promise is at stake.
    min_dwell: timedelta = timedelta(minutes=15)
    #: A car is only held while this much time is left before its last safe start.
    release_margin: timedelta = timedelta(minutes=15)
    #: With less time than this before its block, a car proves by that block that it resumes.
    proof_room: timedelta = timedelta(minutes=30)
    #: A car that charges is not stopped for less than this: one that was let go must not be caught again.
    min_hold: timedelta = timedelta(minutes=30)
    #: The driver is told this long before the last safe start that no power is seen,
    tell_margin: timedelta = timedelta(minutes=20)
    #: once it was wanted for this long.
    tell_after: timedelta = timedelta(minutes=5)
    #: However long a car takes to obey, it is told at most this much earlier.
    max_lead: timedelta = timedelta(minutes=5)
    #: The start written into the car is moved when it has become too late, or needlessly early, by this.
    backstop_late: timedelta = timedelta(minutes=15)
    backstop_early: timedelta = timedelta(minutes=60)
    #: Writings of it that may fail in a session.
    backstop_tries: int = 3
    #: The last safe start allows for charging this much slower than expected.
    reserve: float = 1.1
    #: A car whose last sample is older is not stopped.
    max_state_age: timedelta = timedelta(minutes=30)
    #: How long a new session waits for a plan before it simply charges.
    plan_grace: timedelta = timedelta(minutes=10)
    #: How long a planned start waits for a state of charge sampled since the plug-in.
    soc_grace: timedelta = timedelta(minutes=10)
    #: Charging that begins or ends by itself this soon after the plug-in is no wish of the driver.
    plug_in_blip: timedelta = timedelta(minutes=10)


class Want(NamedTuple):
    """`charge`: True, False (rest) or None (leave alone); `since` when; `urgent`: the promise is at stake."""

    charge: bool | None
    reason: str
    since: datetime
    urgent: bool = False


class Situation(NamedTuple):
    """A plugged-in car of ours, now."""

    control: ControlState
    registration: Registration
    state: VehicleState
    session: PlugSession
    now: datetime
    policy: ControlPolicy
    can: frozenset[Action] = frozenset(Action)
    leads: Leads = NO_LEADS

    def lead(self, learned: timedelta) -> timedelta:
        """How much earlier to send what takes so long."""
        return min(learned, self.policy.max_lead)


def desired(case: Situation) -> Want:
    """What the car should be doing."""
    wish = case.control.preference
    mode = "smart" if wish is None else terms(wish, case.control.boost, case.session).mode
    if case.registration.consent != "given":
        return _leave(case, "no_consent")
    if mode == "paused":
        return _leave(case, "paused")
    if wish is not None and mode == "boost":
        return Want(True, "boost", max(wish.updated_at, case.session.plugged_at), urgent=True)
    plan = usable_plan(case.control, case.session)
    if plan is None:
        return _without_plan(case)
    return _at_target(case, plan) or _by_plan(case, plan)


def usable_plan(control: ControlState, session: PlugSession) -> Schedule | None:
    """The plan in force, if it was made for this session and says something about a plugged-in car."""
    plan = control.schedule
    if plan is None or plan.session_id != session.id or plan.reason in _NOT_FOR_A_PLUGGED_CAR:
        return None
    return plan if plan.blocks or plan.reason is PlanReason.AT_TARGET else None


def plan_due(case: Situation) -> datetime:
    """When we stop waiting for a plan."""
    control = case.control
    asked = [case.session.seen_at]
    if control.preference is not None:
        asked.append(control.preference.updated_at)
    if control.schedule is not None:
        asked.append(control.schedule.inputs.now)
    return max(asked) + case.policy.plan_grace


def last_safe_start(case: Situation, plan: Schedule) -> datetime | None:
    """The latest instant to begin charging without a break and still be ready; None without a deadline."""
    if plan.ready_by is None:
        return None
    registration, soc_pct = case.registration, soc_in_session(case.control, case.session)
    need_kwh = sum(_remaining_kwh(block, case.now) for block in plan.blocks)
    if soc_pct is not None and plan.target_soc_pct is not None:
        missing_kwh = (plan.target_soc_pct - soc_pct) / 100 * registration.usable_kwh
        need_kwh = max(need_kwh, missing_kwh / registration.efficiency)
    charging = timedelta(hours=need_kwh / registration.power_kw * case.policy.reserve)
    return plan.ready_by - charging - case.lead(case.leads.start)


def release_at(case: Situation, plan: Schedule) -> datetime | None:
    """When a held car must be let go: early enough to try again, and to tell the driver, before it is too late."""
    limit = last_safe_start(case, plan)
    return None if limit is None else limit - case.policy.release_margin


def spans(case: Situation, plan: Schedule) -> list[tuple[datetime, datetime]]:
    """From when to when each block is commanded: earlier by what the car takes to obey."""
    before_start, before_end = case.lead(case.leads.start), case.lead(case.leads.stop)
    begins = {block.start for block in plan.blocks}
    return [
        (block.start - before_start, block.end if block.end in begins else block.end - before_end)
        for block in sorted(plan.blocks, key=lambda block: block.start)
    ]


def span_at(case: Situation, plan: Schedule) -> tuple[datetime, datetime] | None:
    """When the running block is commanded."""
    return next((span for span in spans(case, plan) if span[0] <= case.now < span[1]), None)


def next_start(case: Situation, plan: Schedule) -> datetime | None:
    """When the first block that has not begun is commanded."""
    return next((begin for begin, _ in spans(case, plan) if begin > case.now), None)


def _leave(case: Situation, reason: str) -> Want:
    """Hands off; but what we hold, we release first."""
    held = case.control.held_session == case.session.id
    return Want(True if held else None, reason, case.now, urgent=held)


def _without_plan(case: Situation) -> Want:
    preference, soc_pct = case.control.preference, soc_in_session(case.control, case.session)
    if preference is not None and soc_pct is not None and soc_pct >= preference.target_soc_pct:
        return Want(None, "at_target", case.now)
    due = plan_due(case)
    return Want(True, "no_plan", due, urgent=True) if case.now >= due else Want(None, "planning", case.now)


def _at_target(case: Situation, plan: Schedule) -> Want | None:
    """Enough, by the car's own word; a full battery is the car's to end."""
    soc_pct, target_pct = soc_in_session(case.control, case.session), plan.target_soc_pct
    if soc_pct is not None and target_pct is not None and soc_pct >= target_pct - _slack_points(case):
        full = max(soc_pct, target_pct) >= 100
        return Want(None if full else False, "at_target", case.session.plugged_at)
    return None if plan.blocks else Want(None, "at_target", case.now)


def _slack_points(case: Situation) -> float:
    """A car that rests at its target may lose a point or two before it is started again."""
    last = last_switch(case.control, case.session)
    rests = last is not None and last.action is Action.STOP and last.reason == "at_target"
    return TOLERANCE_POINTS if rests and case.control.held_session == case.session.id else 0.0


def _by_plan(case: Situation, plan: Schedule) -> Want:
    running, release = span_at(case, plan), release_at(case, plan)
    late = release is not None and case.now >= release
    if running is not None and (case.state.charge in ON or not late):
        return Want(True, "in_block", running[0])
    if not plan.reachable:
        return Want(True, "unreachable", plan.inputs.now, urgent=True)
    if release is not None and late:
        # A block that became late is wanted since it began: a hand that stopped the car in it stays the driver's.
        return Want(True, "last_safe_start", release if running is None else min(release, running[0]), urgent=True)
    return _between_blocks(case, plan, release)


def _between_blocks(case: Situation, plan: Schedule, release: datetime | None) -> Want:
    """A car is held only for a later block, and only while there is time to release it."""
    if next_start(case, plan) is None:
        return _leave(case, "plan_over")
    if release is None:
        return _leave(case, "too_late_to_hold")
    if case.state.charge in ON and case.now + case.policy.min_hold >= release:
        return Want(None, "too_late_to_hold", case.now)
    if _proof_due(case, plan):
        return Want(True, "proof", case.session.plugged_at)
    since = [end for _, end in spans(case, plan) if end <= case.now]
    last = last_switch(case.control, case.session)
    if last is not None and last.action is Action.START:  # of a block that a newer plan knows nothing of
        since.append(last.decided_at)
    if case.control.proven_at is not None:  # what is wanted after the proof is not what was wanted before
        since.append(case.control.proven_at)
    return Want(False, "waiting_for_block", max([case.session.plugged_at, *since]))


def _proof_due(case: Situation, plan: Schedule) -> bool:
    """A car never seen to resume is started again as soon as a stop held, unless its block is about to show it anyway.

    One that fails to is found out hours before it matters.
    """
    control = case.control
    if not case.registration.prove_control or control.proven_at is not None or Action.START not in case.can:
        return False
    later = next_start(case, plan)
    soon = later is not None and later < case.now + case.policy.proof_room
    return control.obeyed_session == case.session.id and not soon


def _remaining_kwh(block: Block, now: datetime) -> float:
    left = block.end - max(block.start, now)
    return block.energy_kwh * max(left / (block.end - block.start), 0.0)
