"""vehicle states -> settled sessions: metered from telemetry, priced slot by slot when the cable comes out."""

from __future__ import annotations

from agents.engine.stage import Record, Stage, Work
from streams.contracts.forecast import Forecast
from streams.contracts.registration import Registration
from streams.contracts.schedule import Schedule
from streams.contracts.vehicle import VehicleState
from streams.domain.forecasts import forecast_key, merge
from streams.domain.settle import meter, settle
from streams.topics import REGISTRATION, REPLAN, SCHEDULE, SESSION, VEHICLE
from tables import SETTLEMENT_CURVES, SETTLING
from tables.rows import SettlingRow


def step(work: Work) -> None:
    """Meter open sessions; settle one when it has ended."""
    for record in work:
        message = record.value
        if isinstance(message, Forecast):
            key = forecast_key(message)
            work.put(SETTLEMENT_CURVES, key, merge(work.get(SETTLEMENT_CURVES, key), message))
        elif message is None:
            if record.topic == REGISTRATION.name:
                work.delete(SETTLING, record.key)
        else:
            _note(work, record)


def _note(work: Work, record: Record) -> None:
    row = work.get(SETTLING, record.key) or SettlingRow()
    match record.value:
        case Registration() as registration:
            row = row.model_copy(update={"registration": registration})
        case Schedule() as schedule:
            row = row.model_copy(update={"schedule": schedule})
        case VehicleState() as state if row.registration is not None and state.session is not None:
            row = _meter(work, row, state, row.registration)
        case _:
            return
    work.put(SETTLING, record.key, row)


def _meter(work: Work, row: SettlingRow, state: VehicleState, registration: Registration) -> SettlingRow:
    """Meter the session; a session that has ended is settled once per revision."""
    session = state.session
    if session is None:
        return row
    known = row.open is not None and row.open.session.id == session.id
    done = row.settled_revision if known else 0
    if session.ended_at is not None and done >= session.revision:
        return row
    opened = meter(row.open if known else None, state, registration, row.schedule)
    if session.ended_at is not None:
        price = work.get(SETTLEMENT_CURVES, f"price:{registration.tariff}")
        carbon = work.get(SETTLEMENT_CURVES, f"carbon:{registration.region}")
        work.send(SESSION, state.car, settle(opened, price, carbon, work.now))
        done = session.revision
    return row.model_copy(update={"open": opened, "settled_revision": done})


STAGE = Stage(
    "settlement",
    reads=(REGISTRATION, SCHEDULE, VEHICLE, REPLAN),
    writes=(SESSION,),
    tables=(SETTLING, SETTLEMENT_CURVES),
    step=step,
)
