"""Settled sessions as stays that can be driven again, and the forecasts as they were issued.

What cannot be known is assumed: a car whose promise was met needed what it took; any other needs what its target
wanted. It draws the power that settlement knew, from plug-in on, and its driver leaves when he did.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache, partial
from typing import NamedTuple
from zoneinfo import ZoneInfo

from deploy.backtest.insight import AHEAD
from deploy.backtest.recording import Recording, Vintage
from deploy.backtest.stays import Stay
from deploy.reading import Entry
from deploy.replay.log import Log
from streams.contracts.forecast import Forecast
from streams.contracts.preference import Preference
from streams.contracts.registration import Registration
from streams.contracts.session import Promise, SessionSettled
from streams.domain.forecasts import merge
from streams.domain.ready import ready_by
from streams.topics import CARBON, PREFERENCE, PRICE, REGISTRATION, SESSION

#: What was charged below this decides nothing.
LEAST_KWH = 0.5


class Settled(NamedTuple):
    """A session as it was settled, and the stay that it is."""

    session: SessionSettled
    stay: Stay


def settled(log: Log, since: datetime | None, until: datetime | None) -> tuple[list[Settled], Counter[str]]:
    """The sessions that ended in the period, by plug-in, and why others cannot be driven again."""
    registrations, preferences = log.by_key(REGISTRATION.name), log.by_key(PREFERENCE.name)
    found: list[Settled] = []
    left_out: Counter[str] = Counter()
    prices = cache(partial(recording, log, PRICE.name))
    for session in _newest(log):
        if (since and session.ended_at < since) or (until and session.ended_at >= until):
            continue
        registration = _registration(registrations.get(session.car, ()))
        why = _trouble(session, registration)
        if why is not None or registration is None:
            left_out[why or ""] += 1
            continue
        wish = _wish(preferences.get(session.car, ()), session.plugged_at, registration)
        stay = _stay(session, registration, wish)
        if not _covers(prices(registration.tariff), stay):
            left_out["the prices of then are not kept"] += 1
            continue
        found.append(Settled(session, stay))
    return sorted(found, key=lambda one: one.stay.plugged_at), left_out


def recording(log: Log, topic: str, key: str) -> Recording | None:
    """The vintages of a tariff or region as they were issued; what came true is the last word on each slot."""
    entries = log.by_key(topic).get(key, ())
    issued = sorted((_forecast(one) for one in entries if one.value), key=lambda one: one.issued_at)
    known: Forecast | None = None
    for forecast in issued:
        known = merge(known, forecast)
    if known is None:
        return None
    vintages = tuple(Vintage(one.issued_at, one.slots) for one in issued)
    return Recording(key, known.unit, vintages, known.slots, "")


def _covers(price: Recording | None, stay: Stay) -> bool:
    """Whether what prices came true reaches from plug-in to the end: only the last days before the newest are kept."""
    slots = () if price is None else price.outturn
    return bool(slots) and slots[0].start <= stay.plugged_at and max(stay.end, stay.ready_by) <= slots[-1].end


def recordings(log: Log, registration: Registration) -> tuple[Recording | None, Recording | None]:
    """Price and carbon of a car's tariff and region."""
    return recording(log, PRICE.name, registration.tariff), recording(log, CARBON.name, registration.region)


def _newest(log: Log) -> Iterator[SessionSettled]:
    """Each session as last corrected."""
    newest: dict[str, SessionSettled] = {}
    for entry in log.everywhere(SESSION.name):
        session = SessionSettled.model_validate_json(entry.value or b"")
        known = newest.get(session.session_id)
        if known is None or known.revision <= session.revision:
            newest[session.session_id] = session
    yield from newest.values()


def _trouble(session: SessionSettled, registration: Registration | None) -> str | None:
    """Why a session cannot be driven again; None when it can."""
    if registration is None:
        return "the car is no longer enrolled"
    if session.cost is None or session.carbon_g is None:
        return "prices or carbon did not cover the stay"
    if session.start_soc_pct is None:
        return "the state of charge at plug-in is not known"
    return "next to nothing was charged" if session.energy_kwh < LEAST_KWH else None


def _registration(entries: Sequence[Entry]) -> Registration | None:
    """The newest; None for a car that was erased."""
    value = entries[-1].value if entries else None
    return None if value is None else Registration.model_validate_json(value)


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


def _forecast(entry: Entry) -> Forecast:
    return Forecast.model_validate_json(entry.value or b"")
