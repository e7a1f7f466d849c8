"""Is the promise at risk? The driver is told while it can be helped: before the last safe start, if power is unseen."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from streams.contracts.telemetry import Charge
from streams.domain.attempt import may_rest
from streams.domain.desired import Situation, Want, last_safe_start, usable_plan

#: A car is let go for these, and nothing more was promised.
_NO_PROMISE: Final = frozenset({"paused", "no_consent"})


class Risk(NamedTuple):
    """`at_risk` now; `next_at`: when that may change although no message arrives."""

    at_risk: bool
    next_at: datetime | None


def risk(case: Situation, want: Want, *, settled: bool) -> Risk:
    """`settled`: the car is full, so nothing is missing.

    Charging must have been wanted for a while, or every start at the last minute would be an alarm. A car that waits
    for its own schedule is trusted to begin until we ourselves would start it.
    """
    control, policy = case.control, case.policy
    waits_for_own = control.own_schedule_session == case.session.id and not want.urgent
    if not want.charge or want.reason in _NO_PROMISE or settled or waits_for_own:
        return Risk(False, None)
    told_at = _told_at(case, want)
    if _powered(case):
        stale_at = case.state.charge_at + 2 * policy.max_state_age + timedelta(seconds=1)
        return Risk(False, None if told_at is None else max(stale_at, told_at))
    return Risk(control.gave_up or (told_at is not None and case.now >= told_at), told_at)


def _powered(case: Situation) -> bool:
    """Power was seen, not before a stop that may hold, and not so long ago that even a slow cloud had told more."""
    fresh = case.now - case.state.charge_at <= 2 * case.policy.max_state_age
    return case.state.charge is Charge.CHARGING and fresh and not may_rest(case)


def _told_at(case: Situation, want: Want) -> datetime | None:
    plan = usable_plan(case.control, case.session)
    limit = None if plan is None else last_safe_start(case, plan)
    if limit is None:
        return None
    override_at = case.control.driver_override_at
    dark_since = max(at for at in (want.since, case.control.powered_at, override_at) if at is not None)
    return max(limit - case.policy.tell_margin, dark_since + case.policy.tell_after)
