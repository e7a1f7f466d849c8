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
    session = state.session
    settled = row.open is not None and session is not None and (
        row.open.session_id == session.id and row.settled_revision >= session.revision and session.ended_at is not None
    )
    if session is None or settled:
        return row
    new_session = row.open is None or row.open.session_id != session.id
    opened = meter(None if new_session else row.open, state, registration, row.schedule)
    row = row.model_copy(update={"open": opened, "settled_revision": 0 if new_session else row.settled_revision})
    if session.ended_at is None:
        return row
    price = work.get(SETTLEMENT_CURVES, f"price:{registration.tariff}")
    carbon = work.get(SETTLEMENT_CURVES, f"carbon:{registration.region}")
    work.send(SESSION, state.car, settle(opened, price, carbon, work.now))
    return row.model_copy(update={"settled_revision": session.revision})


STAGE = Stage(
    "settlement", reads=(REGISTRATION, SCHEDULE, VEHICLE, REPLAN), writes=(SESSION,),
    tables=(SETTLING, SETTLEMENT_CURVES), step=step,
)
