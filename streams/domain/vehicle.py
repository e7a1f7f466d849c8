"""Folds readings into one state per car: the newest word on every field, whatever the order of arrival.

Delivery is at least once, so a reading may come twice, and OEM clouds deliver late. A reading with nothing
new returns the very same state; a late one only adds what no newer one said and never undoes anything.
"""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from streams.contracts.telemetry import Charge, Plug
from streams.domain.plug import believe, correct, open_session, proof
from streams.hot import SessionRow, TelemetryRow, VehicleRow


def sample_time(reading: TelemetryRow) -> datetime:
    """When the car took the sample: its own word, ours where it gave none, never later than we heard it."""
    car_time, received = reading.car_time, reading.received_time
    return received if car_time is None or car_time > received else car_time


def fold(state: VehicleRow | None, reading: TelemetryRow) -> VehicleRow:
    """The state after a reading; the same object when it says nothing new."""
    at = sample_time(reading)
    if state is None:
        return _first(reading, at)
    if at > state.car_time or (at == state.car_time and reading.received_time > state.received_time):
        return _newer(state, reading, at)
    return _late(state, reading, at)


def _first(reading: TelemetryRow, at: datetime) -> VehicleRow:
    why = proof(reading)
    return VehicleRow(
        car=reading.car,
        oem=reading.oem,
        car_time=at,
        received_time=reading.received_time,
        soc_pct=reading.soc_pct,
        soc_time=None if reading.soc_pct is None else at,
        limit_pct=reading.limit_pct,
        plug=reading.plug if why is None else Plug.PLUGGED,
        charge=reading.charge,
        charge_time=None if reading.charge is Charge.UNKNOWN else at,
        power_kw=reading.power_kw,
        odometer_km=reading.odometer_km,
        at_home=reading.at_home,
        scheduled_start=reading.scheduled_start,
        session=None if why is None else open_session(reading, at, why),
    )


def _newer(state: VehicleRow, reading: TelemetryRow, at: datetime) -> VehicleRow:
    belief = believe(state, reading, at)
    charge, power_kw = _charge(state, reading, belief.plug)
    soc_pct, limit_pct = reading.soc_pct, reading.limit_pct
    odometer_km, at_home = reading.odometer_km, reading.at_home
    after = VehicleRow(
        car=state.car,
        oem=reading.oem,
        car_time=at,
        received_time=reading.received_time,
        soc_pct=state.soc_pct if soc_pct is None else soc_pct,
        soc_time=state.soc_time if soc_pct is None else at,
        limit_pct=state.limit_pct if limit_pct is None else limit_pct,
        plug=belief.plug,
        charge=charge,
        charge_time=state.charge_time if reading.charge is Charge.UNKNOWN and charge is state.charge else at,
        power_kw=power_kw,
        odometer_km=state.odometer_km if odometer_km is None else odometer_km,
        at_home=_place(state, belief.session) if at_home is None else at_home,
        # A reading that says how charging stands also says whether the car has a schedule.
        scheduled_start=state.scheduled_start if reading.charge is Charge.UNKNOWN else reading.scheduled_start,
        unplug_suspected_at=belief.unplug_suspected_at,
        session=belief.session,
    )
    repeated = at == state.car_time and replace(after, received_time=state.received_time) == state
    return state if repeated else after


def _place(state: VehicleRow, session: SessionRow | None) -> bool | None:
    """Where the car was, if it has been plugged in since, or has told of itself since it left: else nobody knows."""
    before = state.session
    if before is None or before.ended_at is not None:
        return state.at_home
    stays = session is not None and session.id == before.id and session.ended_at is None
    return state.at_home if stays else None


def _charge(state: VehicleRow, reading: TelemetryRow, plug: Plug) -> tuple[Charge, float | None]:
    """The charge word with its power: neither outlives a new word, nor the unplug."""
    if reading.charge is not Charge.UNKNOWN:
        same = reading.charge is state.charge and reading.power_kw is None
        return reading.charge, state.power_kw if same else reading.power_kw
    if plug is Plug.UNPLUGGED and state.plug is not Plug.UNPLUGGED:
        return Charge.UNKNOWN, reading.power_kw
    return state.charge, state.power_kw if reading.power_kw is None else reading.power_kw


def _late(state: VehicleRow, reading: TelemetryRow, at: datetime) -> VehicleRow:
    soc_pct, soc_time = state.soc_pct, state.soc_time
    if reading.soc_pct is not None and (soc_time is None or at > soc_time):
        soc_pct, soc_time = reading.soc_pct, at
    after = replace(
        state,
        soc_pct=soc_pct,
        soc_time=soc_time,
        limit_pct=reading.limit_pct if state.limit_pct is None else state.limit_pct,
        odometer_km=reading.odometer_km if state.odometer_km is None else state.odometer_km,
        at_home=reading.at_home if state.at_home is None else state.at_home,
        session=correct(state, reading, at),
    )
    return state if after == state else after
