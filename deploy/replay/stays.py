"""Settled sessions as stays that can be driven again.

What cannot be known is assumed: a car whose promise was met needed what it took; any other needs what its target
wanted. It draws the power that settlement knew, from plug-in on, and its driver leaves when he did.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from deploy.backtest.insight import AHEAD
from deploy.backtest.stays import Stay
from deploy.reading import Entry
from deploy.replay.curves import Curves, Forecasts
from deploy.replay.log import Log
from streams.contracts.preference import Preference
from streams.contracts.registration import Registration
from streams.contracts.session import Promise, SessionSettled
from streams.domain.ready import ready_by
from streams.topics import PREFERENCE, REGISTRATION, SESSION

#: What was charged below this decides nothing.
LEAST_KWH = 0.5


class Settled(NamedTuple):
    """A session as it was settled, the stay that it is, and what it is driven against."""

    session: SessionSettled
    stay: Stay
    curves: Curves


def settled(log: Log, since: datetime | None, until: datetime | None) -> tuple[list[Settled], Counter[str]]:
    """The sessions that ended in the period, by plug-in, and why others cannot be driven again."""
    registrations, preferences = log.by_key(REGISTRATION.name), log.by_key(PREFERENCE.name)
    found: list[Settled] = []
    left_out: Counter[str] = Counter()
    forecasts = Forecasts(log)
    for session in _newest(log):
        if (since and session.ended_at < since) or (until and session.ended_at >= until):
            continue
        registration = _registration(registrations.get(session.car, ()), session.plugged_at)
        if registration is None:
            left_out["the car is no longer enrolled"] += 1
            continue
        why = _trouble(session)
        if why is not None:
            left_out[why] += 1
            continue
        wish = _wish(preferences.get(session.car, ()), session.plugged_at, registration)
        stay = _stay(session, registration, wish)
        curves = forecasts.curves(registration.tariff, session.currency, registration.region)
        if curves is None or not curves.outturn.covers(stay.plugged_at, max(stay.end, stay.ready_by)):
            left_out[f"the prices or carbon of then are not kept ({registration.tariff})"] += 1
            continue
        found.append(Settled(session, stay, curves))
    return sorted(found, key=lambda one: one.stay.plugged_at), left_out


def _newest(log: Log) -> Iterator[SessionSettled]:
    """Each session as last corrected."""
    newest: dict[str, SessionSettled] = {}
    for entry in log.everywhere(SESSION.name):
        if entry.value is None:
            continue
        session = SessionSettled.model_validate_json(entry.value)
        known = newest.get(session.session_id)
        if known is None or known.revision <= session.revision:
            newest[session.session_id] = session
    yield from newest.values()


def _trouble(session: SessionSettled) -> str | None:
    """Why a session cannot be driven again; None when it can."""
    if session.cost is None or session.carbon_g is None:
        return "prices or carbon did not cover the stay"
    if session.start_soc_pct is None:
        return "the state of charge at plug-in is not known"
    return "next to nothing was charged" if session.energy_kwh < LEAST_KWH else None


def _registration(entries: Sequence[Entry], at: datetime) -> Registration | None:
    """What was in force then; the oldest kept, where that was compacted away. None for a car that was erased."""
    if not entries or entries[-1].value is None:
        return None
    before = [one.value for one in entries if one.value is not None and one.at <= at]
    oldest = next(one.value for one in entries if one.value is not None)
    return Registration.model_validate_json(before[-1] if before else oldest)


def _wish(entries: Sequence[Entry], at: datetime, registration: Registration) -> Preference:
    """The preference in force at plug-in; the oldest kept, where it was compacted away."""
    kept = [Preference.model_validate_json(one.value) for one in entries if one.value is not None]
    if not kept:
        return Preference(car=registration.car, updated_at=registration.registered_at)
    return kept[max(0, bisect_right([one.updated_at for one in kept], at) - 1)]


def _stay(session: SessionSettled, registration: Registration, wish: Preference) -> Stay:
    power_kw = session.power_kw or registration.power_kw
    due = ready_by(wish, registration.home_zone, session.plugged_at)
    end = min(session.ended_at, session.plugged_at + AHEAD)
    return Stay(
        id=session.session_id,
        day=session.plugged_at.astimezone(ZoneInfo(registration.home_zone)).date(),
        plugged_at=session.plugged_at,
        end=end,
        ready_by=due,
        left_early=session.ended_at < due,
        energy_kwh=_need_kwh(session, registration, wish),
        power_kw=power_kw,
        soc_pct=session.start_soc_pct or 0.0,
        registration=registration,
        preference=wish,
    )


def _need_kwh(session: SessionSettled, registration: Registration, wish: Preference) -> float:
    """What the car would take at the wall."""
    if session.promise is Promise.MET:
        return session.energy_kwh
    points = wish.target_soc_pct - (session.start_soc_pct or 0.0)
    return max(session.energy_kwh, points / 100 * registration.usable_kwh / registration.efficiency)
