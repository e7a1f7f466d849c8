"""The last safe start, written into the car's own schedule: should all of us die, the car starts by itself.

Written once a stop holds, moved when it no longer fits, and taken back when nothing is left to charge or the car has
left: a start that we forget in a car keeps it from charging at its next plug. This undo is the one thing that we ask of
a car away from home.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from streams.contracts.command import Action
from streams.domain.attempt import only_seems_on
from streams.domain.control import ON, ControlState
from streams.domain.desired import Situation, Want, release_at, usable_plan
from streams.domain.outcome import BACKSTOPS

#: The car's schedule is set to whole five minutes.
_STEP = timedelta(minutes=5)
_NOTHING_LATER = frozenset({"at_target", "plan_over", "paused", "no_consent"})
_HOUR = timedelta(hours=1)


class Change(NamedTuple):
    """What the car's own schedule is to become: a start, or none. Not before `due`."""

    action: Action
    start_at: datetime | None
    due: datetime


def passed(control: ControlState, now: datetime) -> ControlState:
    """Once its instant has come, the start in the car is spent."""
    if control.backstop_at is None or control.backstop_at > now:
        return control
    return control.model_copy(update={"backstop_at": None, "backstop_before": control.backstop_at})


def change(case: Situation, want: Want, *, overridden: bool) -> Change | None:
    """What the schedule of a plugged-in car at home lacks, if anything."""
    control = case.control
    if Action.SCHEDULE not in case.can or control.own_schedule_session == case.session.id:
        return None
    leftover = control.backstop_session != case.session.id
    if overridden or leftover or want.reason in _NOTHING_LATER:
        undo = taken_back(case)
        if undo is not None or overridden:
            return undo
    wanted = _wanted(case, want)
    if wanted is None or _fits(case, wanted) or control.backstop_tries >= case.policy.backstop_tries:
        return None
    return Change(Action.SCHEDULE, wanted, _due(case))


def taken_back(case: Situation) -> Change | None:
    """The undo, if a start of ours may still stand in the car."""
    known = case.control.backstop_at is not None and Action.UNSCHEDULE in case.can
    return Change(Action.UNSCHEDULE, None, _due(case)) if known else None


def _wanted(case: Situation, want: Want) -> datetime | None:
    plan = usable_plan(case.control, case.session)
    held = case.control.held_session == case.session.id and (case.state.charge not in ON or only_seems_on(case))
    if want.reason != "waiting_for_block" or not held or plan is None:
        return None
    release = release_at(case, plan)
    if release is None:
        return None
    midnight = release.replace(hour=0, minute=0, second=0, microsecond=0)
    start_at = midnight + (release - midnight) // _STEP * _STEP
    return start_at if start_at > case.now + case.policy.command_ttl else None


def _fits(case: Situation, wanted: datetime) -> bool:
    at = case.control.backstop_at
    return at is not None and at - case.policy.backstop_late <= wanted <= at + case.policy.backstop_early


def _due(case: Situation) -> datetime:
    """After failures ever later, and never before the OEM's own word."""
    control = case.control
    last, waits = control.command, [case.now, control.retry_after or case.now]
    failures = control.refusals or control.backstop_tries
    if last is not None and last.action in BACKSTOPS and failures:
        waits.append(last.at + min(case.policy.backoff * 2 ** min(failures - 1, 10), _HOUR))
    return max(waits)
