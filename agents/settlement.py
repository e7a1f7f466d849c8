"""vehicle states -> settled sessions: metered from telemetry, priced slot by slot when the cable comes out.

An account is given again, as the next revision, when something it rests on is corrected.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final, NamedTuple

from agents.engine.stage import Record, Stage, Work
from agents.metrics import Metrics
from streams.contracts.forecast import Forecast, ForecastKind
from streams.contracts.registration import Registration
from streams.contracts.schedule import Schedule
from streams.contracts.session import Promise, SessionSettled
from streams.contracts.vehicle import PlugSession, VehicleState
from streams.domain.forecasts import KEPT, forecast_key, merge
from streams.domain.kept import Kept, account_of, corrects, keep, news, reachable, within_reach
from streams.domain.settle import OpenSession, meter, settle
from streams.domain.told import Told, hear, told_of
from streams.topics import REGISTRATION, REPLAN, SCHEDULE, SESSION, VEHICLE
from tables import SETTLED, SETTLEMENT_CURVES, SETTLING
from tables.rows import SettledRow, SettlingRow

_SETTLED_ON: Final = {ForecastKind.PRICE, ForecastKind.CARBON}
_JOULES_PER_KWH: Final = 3.6e6


class Reach(NamedTuple):
    """What a car's settled sessions rest on and the time they span: tells whom to look at without a look at the row.

    `expires`: when the first of several can be dropped.
    """

    curves: frozenset[str]
    since: datetime
    until: datetime
    expires: datetime | None


def step(work: Work) -> None:
    """Meter open sessions; settle one when it has ended, and again when what it was settled on is corrected."""
    for record in work:
        message = record.value
        if isinstance(message, Forecast):
            if message.kind in _SETTLED_ON:
                _new_vintage(work, message)
        elif message is None:
            if record.topic == REGISTRATION.name:
                _forget(work, record.key)
        else:
            _note(work, record)


def _new_vintage(work: Work, vintage: Forecast) -> None:
    key = forecast_key(vintage)
    known = work.get(SETTLEMENT_CURVES, key)
    curve = merge(known, vintage)
    fresh = news(known, curve)
    work.put(SETTLEMENT_CURVES, key, curve)
    if fresh is None:
        return
    start, end = fresh
    reached = [
        car
        for car, reach in work.memory.scratch.items()
        if (key in reach.curves and reach.since < end and start < reach.until)
        or (reach.expires is not None and reach.expires < work.now)
    ]
    for car in sorted(reached):
        _correct(work, car, start, end)


def _correct(work: Work, car: str, start: datetime, end: datetime) -> None:
    """Settle again what lies in [start, end), and drop what no curve covers any more."""
    row = work.get(SETTLED, car)
    if row is None:
        return
    _keep(work, car, within_reach(row.kept, work.now))
    for kept in row.kept:
        account = kept.account
        if account.plugged_at < end and start < account.ended_at and reachable(account, work.now):
            _settle(work, kept.opened, kept.told)


def _note(work: Work, record: Record) -> None:
    row = work.get(SETTLING, record.key) or SettlingRow()
    match record.value:
        case Registration() as registration:
            row = row.model_copy(update={"registration": registration})
        case Schedule() as schedule:
            row = _hear(work, row, schedule)
        case VehicleState() as state if row.registration is not None and state.session is not None:
            row = _meter(work, row, state, row.registration)
        case _:
            return
    work.put(SETTLING, record.key, row)


def _hear(work: Work, row: SettlingRow, schedule: Schedule) -> SettlingRow:
    """Remember what was told; of a session that is settled already, it settles it again."""
    told = hear(row.told, schedule)
    if told is row.told:
        return row
    if row.open is not None and row.open.session.id == schedule.session_id and _is_settled(row, row.open.session):
        _settle(work, row.open, told_of(told, row.open.session.id))
    return row.model_copy(update={"told": told})


def _is_settled(row: SettlingRow, session: PlugSession) -> bool:
    """Has the session in the row ended, and was it settled as it stands?"""
    return session.ended_at is not None and row.settled_revision >= session.revision


def _meter(work: Work, row: SettlingRow, state: VehicleState, registration: Registration) -> SettlingRow:
    """Meter the session; a session that has ended is settled once per revision."""
    session = state.session
    if session is None:
        return row
    if row.open is None or row.open.session.id != session.id:
        row = row.model_copy(update={"open": None, "settled_revision": 0})
    if _is_settled(row, session):
        return row
    opened = meter(row.open, state, registration)
    row = row.model_copy(update={"open": opened})
    if session.ended_at is None:
        return row
    _settle(work, opened, told_of(row.told, session.id))
    return row.model_copy(update={"settled_revision": session.revision})


def _settle(work: Work, opened: OpenSession, told: Told | None) -> None:
    """Give an account, unless the last one said the same."""
    price = work.get(SETTLEMENT_CURVES, f"price:{opened.baseline.tariff}")
    carbon = work.get(SETTLEMENT_CURVES, f"carbon:{opened.baseline.region}")
    row = work.get(SETTLED, opened.car)
    known = row.kept if row else ()
    before = account_of(known, opened.session.id)
    account = settle(opened, told, price, carbon, work.now, before)
    if before is None or corrects(account, before):
        work.send(SESSION, opened.car, account)
        _keep(work, opened.car, keep(within_reach(known, work.now), Kept(opened=opened, told=told, account=account)))


def _keep(work: Work, car: str, kept: tuple[Kept, ...]) -> None:
    row = work.get(SETTLED, car)
    if row is None or row.kept != kept:
        row = SettledRow(kept=kept)
        work.put(SETTLED, car, row)
    _note_reach(work, car, row)


def _note_reach(work: Work, car: str, row: SettledRow) -> None:
    curves = {
        key
        for kept in row.kept
        for key in (f"price:{kept.opened.baseline.tariff}", f"carbon:{kept.opened.baseline.region}")
    }
    since = min(kept.account.plugged_at for kept in row.kept)
    until = max(kept.account.ended_at for kept in row.kept)
    expires = since + KEPT if len(row.kept) > 1 else None
    work.memory.scratch[car] = Reach(frozenset(curves), since, until, expires)


def _forget(work: Work, car: str) -> None:
    work.delete(SETTLING, car)
    if work.get(SETTLED, car) is not None:
        work.delete(SETTLED, car)
    work.memory.scratch.pop(car, None)


def _restore(work: Work) -> None:
    for car, row in work.items(SETTLED):
        _note_reach(work, car, row)


def stage(metrics: Metrics) -> Stage:
    """The stage, counting what first accounts say: a counter cannot take back what a correction does."""
    for promise in Promise:
        metrics.promises.labels(promise.value)

    def counted(work: Work) -> None:
        step(work)
        for send in work.effects.sends:
            if isinstance(send.message, SessionSettled) and send.message.revision == 1:
                _count(metrics, send.message)

    return Stage(
        "settlement",
        step=counted,
        restore=_restore,
        reads=(REGISTRATION, SCHEDULE, VEHICLE, REPLAN),
        writes=(SESSION,),
        tables=(SETTLING, SETTLED, SETTLEMENT_CURVES),
    )


def _count(metrics: Metrics, account: SessionSettled) -> None:
    metrics.promises.labels(account.promise.value).inc()
    metrics.settled_energy.inc(account.energy_kwh * _JOULES_PER_KWH)
    if account.saving is not None:
        # The unit of a feed is free text, a label is not.
        currency = account.currency if re.fullmatch("[A-Z]{3}", account.currency) else "other"
        metrics.money.labels(currency, _sign(account.saving)).inc(abs(account.saving))
    if account.carbon_saved_g is not None:
        metrics.carbon.labels(_sign(account.carbon_saved_g)).inc(abs(account.carbon_saved_g))


def _sign(saving: float) -> str:
    return "saved" if saving >= 0 else "lost"
