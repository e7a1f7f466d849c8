"""The one place that decides whether a car is plugged in, and when a plug session begins and ends.

Plugged: the plug word says so, or charging proves it. Unplugged: two samples of the car say so, or one
says so and the car has moved. Movement with a falling state of charge proves a trip, whatever the plug word.
Silence proves nothing. A session is named once, after the car's time of the first reading that showed it, and
keeps its name when a late reading moves its beginning.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec.structs import replace

from streams.contracts.telemetry import Charge, Plug
from streams.contracts.vehicle import Evidence
from streams.domain.ids import stable_id
from streams.hot import SessionRow, TelemetryRow, VehicleRow

#: Plugging in again within this time continues the session: two sessions are always further apart.
REPLUG = timedelta(minutes=5)
#: Less than this is rounding of the odometer or of the state of charge.
MOVED_KM = 1.0
DROPPED_PCT = 1.0


class Belief(NamedTuple):
    """What we believe about the cable after a reading."""

    plug: Plug
    session: SessionRow | None
    unplug_suspected_at: datetime | None


def proof(reading: TelemetryRow) -> Evidence | None:
    """Why this reading shows the car plugged in; None when it does not."""
    if reading.charge is Charge.CHARGING or reading.charge is Charge.STARTING:
        return Evidence.CHARGING
    return Evidence.PLUG_READING if reading.plug is Plug.PLUGGED else None


def believe(state: VehicleRow, reading: TelemetryRow, at: datetime) -> Belief:
    """The belief after a reading of the car's time `at`, newer than `state`."""
    session = state.session
    is_open = session is not None and session.ended_at is None
    why = proof(reading)
    if why is not None:
        kept = session if session is not None and is_open else None
        return Belief(Plug.PLUGGED, _plugged(state, reading, at, why, kept), None)
    if session is None or not is_open:
        unplugged = reading.plug is Plug.UNPLUGGED
        return Belief(Plug.UNPLUGGED if unplugged else state.plug, session, None)
    return _doubt(state, reading, at, session)


def open_session(reading: TelemetryRow, at: datetime, evidence: Evidence) -> SessionRow:
    """A new session, named after the car and the moment."""
    return SessionRow(
        id=stable_id(reading.car, at),
        plugged_at=at,
        seen_at=reading.received_time,
        revision=1,
        evidence=evidence,
        soc_pct=reading.soc_pct,
    )


def correct(state: VehicleRow, reading: TelemetryRow, at: datetime) -> SessionRow | None:
    """The session after a reading that came late: it may have begun earlier than we knew, nothing else.

    Only what is less than REPLUG before it can belong to it: one replayed from an older session does not.
    """
    session = state.session
    if (
        session is None
        or session.ended_at is not None
        or session.evidence is Evidence.MOVED
        or not session.plugged_at - REPLUG < at < session.plugged_at
        or proof(reading) is None
    ):
        return session
    soc_pct = session.soc_pct if reading.soc_pct is None else reading.soc_pct
    return replace(session, plugged_at=at, soc_pct=soc_pct, revision=session.revision + 1)


def _plugged(
    state: VehicleRow, reading: TelemetryRow, at: datetime, why: Evidence, kept: SessionRow | None
) -> SessionRow:
    if kept is not None:
        if _made_a_trip(state, reading):
            return open_session(reading, at, Evidence.MOVED)
        if kept.soc_pct is None and reading.soc_pct is not None:
            return replace(kept, soc_pct=reading.soc_pct)
        return kept
    last = state.session
    if last is not None and last.ended_at is not None and _same_stay(last, last.ended_at, at):
        return replace(last, ended_at=None, end_evidence=None, evidence=Evidence.REPLUGGED, revision=last.revision + 1)
    return open_session(reading, at, why)


def _doubt(state: VehicleRow, reading: TelemetryRow, at: datetime, session: SessionRow) -> Belief:
    """A reading that does not show an open session plugged in."""
    says_unplugged = reading.plug is Plug.UNPLUGGED
    if _made_a_trip(state, reading) or (says_unplugged and _moved(state, reading)):
        return Belief(Plug.UNPLUGGED, replace(session, ended_at=at, end_evidence=Evidence.MOVED), None)
    suspected = state.unplug_suspected_at
    if not says_unplugged:
        return Belief(state.plug, session, suspected)
    if suspected is None or at <= suspected:
        return Belief(state.plug, session, suspected or at)
    ended = replace(session, ended_at=suspected, end_evidence=Evidence.TWO_READINGS)
    return Belief(Plug.UNPLUGGED, ended, None)


def _same_stay(last: SessionRow, ended_at: datetime, at: datetime) -> bool:
    return last.end_evidence is not Evidence.MOVED and at - ended_at <= REPLUG


def _odometer_changed(state: VehicleRow, reading: TelemetryRow) -> bool:
    before, after = state.odometer_km, reading.odometer_km
    return before is not None and after is not None and after - before >= MOVED_KM


def _moved(state: VehicleRow, reading: TelemetryRow) -> bool:
    left_home = state.at_home is True and reading.at_home is False
    return left_home or _odometer_changed(state, reading)


def _made_a_trip(state: VehicleRow, reading: TelemetryRow) -> bool:
    """The odometer alone may be a late answer of the car; with a falling state of charge it is a trip."""
    before, after = state.soc_pct, reading.soc_pct
    dropped = before is not None and after is not None and before - after >= DROPPED_PCT
    return dropped and _odometer_changed(state, reading)
