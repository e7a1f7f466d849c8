"""Who is in the registry of held cars, and until when control vouches for them.

A car is in it from the intent to stop it until it is known to be free. The lease is renewed while control lives and
knows what it does; it never reaches beyond the instant at which the car must be released, and what control cannot
judge it does not renew.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from streams.contracts.command import Action
from streams.contracts.held import HeldCar
from streams.contracts.vehicle import PlugSession
from streams.domain.control import ControlState, in_flight, open_session, soc_in_session
from streams.domain.desired import ControlPolicy, Situation, last_safe_start, usable_plan
from streams.domain.hands import full
from streams.domain.leads import NO_LEADS, Leads

LEASE: Final = timedelta(minutes=20)
#: A lease is renewed when no more than this is left.
RENEW: Final = timedelta(minutes=10)
#: The record of a held car that was erased ends so long after its lease.
FORGET: Final = timedelta(days=1)


def latest_start(
    control: ControlState, now: datetime, policy: ControlPolicy, leads: Leads = NO_LEADS
) -> datetime | None:
    """The last safe start of a plugged-in car, if it is known."""
    registration, state, session = control.registration, control.state, open_session(control)
    if registration is None or state is None or session is None:
        return None
    plan = usable_plan(control, session)
    case = Situation(control, registration, state, session, now, policy, leads=leads)
    return None if plan is None else last_safe_start(case, plan)


def held(control: ControlState, now: datetime, policy: ControlPolicy, leads: Leads = NO_LEADS) -> HeldCar | None:
    """The car's record with a full lease; None unless a stop of ours may keep it from what it still needs."""
    registration, session = control.registration, open_session(control)
    if registration is None or session is None or not _may_hold(control, session):
        return None
    limit = latest_start(control, now, policy, leads)
    if limit is None or not _needs_more(control, session, now):
        return None
    return HeldCar(
        car=control.car,
        oem=registration.oem,
        vehicle=registration.vehicle,
        model=registration.model,
        session_id=session.id,
        since=now,
        lease_until=min(now + LEASE, limit - policy.release_margin),
        last_safe_start=limit,
        backstop_at=control.backstop_at,
    )


def entry(
    known: HeldCar | None,
    control: ControlState | None,
    now: datetime,
    policy: ControlPolicy,
    leads: Leads = NO_LEADS,
) -> HeldCar | None:
    """What the registry should say of the car, given what it says: a new record, the same one, or none."""
    if control is None or control.registration is None:
        return None if known is None or now >= known.lease_until + FORGET else known
    fresh = held(control, now, policy, leads)
    if fresh is None:
        return None if known is None or _free(known, control, now) else known
    if known is None or known.session_id != fresh.session_id:
        return fresh
    wanted = fresh.model_copy(update={"since": known.since})
    if (known.oem, known.vehicle, known.backstop_at) != (wanted.oem, wanted.vehicle, wanted.backstop_at):
        return wanted
    if max(known.lease_until, wanted.lease_until) <= now:
        return known  # over is over: with nothing known of the battery the instant goes on sliding
    stands = known.lease_until - now > RENEW and known.lease_until <= wanted.lease_until
    return known if stands or known.lease_until == wanted.lease_until else wanted


def look_again(known: HeldCar, now: datetime) -> datetime | None:
    """When the record may change by itself: it is renewed, runs out, or is forgotten."""
    instants = (known.lease_until - RENEW, known.lease_until, known.lease_until + FORGET)
    return next((at for at in instants if at > now), None)


def orphaned(known: HeldCar, now: datetime) -> HeldCar:
    """The car was erased: whoever sees the record frees it at once."""
    return known.model_copy(update={"lease_until": min(known.lease_until, now)})


def _may_hold(control: ControlState, session: PlugSession) -> bool:
    """A stop of ours is intended, under way, or may have had its effect, on a car that is ours to start again."""
    state, command = control.state, control.command
    if state is None or state.at_home is False or full(control, session) == "complete":
        return False
    if control.driver_override_session == session.id:
        return False
    intended = command is not None and command.action is Action.STOP and command.session_id == session.id
    return control.held_session == session.id or (intended and in_flight(control))


def _needs_more(control: ControlState, session: PlugSession, now: datetime) -> bool:
    """By the plan in force; without one, who knows: then it does."""
    plan = usable_plan(control, session)
    if plan is None:
        return True
    soc_pct, target_pct = soc_in_session(control, session), plan.target_soc_pct
    if soc_pct is None or target_pct is None:
        return any(block.end > now for block in plan.blocks)
    return soc_pct < target_pct


def _free(known: HeldCar, control: ControlState, now: datetime) -> bool:
    """Is the car known not to be kept from anything? Doubt is not: a state or a plan may be missing for now."""
    if control.state is None:
        return False
    session = open_session(control)
    if session is None or session.id != known.session_id:
        return True
    return not _may_hold(control, session) or not _needs_more(control, session, now)
