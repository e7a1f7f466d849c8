"""Plug events from two looks at the session: the one last announced and the one the state holds now.

Level-triggered: nothing depends on having seen every state in between, and looking again announces nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from streams.contracts.plug_event import PlugEvent, PlugEventKind
from streams.contracts.vehicle import Evidence, PlugSession, VehicleState
from streams.domain.ids import stable_id

#: How sure each kind of evidence makes us, 0 to 1.
CONFIDENCE: Final = {
    Evidence.PLUG_READING: 0.95,
    Evidence.CHARGING: 0.99,
    Evidence.TWO_READINGS: 0.95,
    Evidence.MOVED: 0.99,
    Evidence.REPLUGGED: 0.9,
}


def edges(before: PlugSession | None, state: VehicleState) -> tuple[PlugEvent, ...]:
    """What to announce, in order of time; empty when the state's session was announced as it is."""
    session = state.session
    if session is None:
        return ()
    if before is None or before.id != session.id:
        replaced = () if before is None or before.ended_at is not None else (_replaced(before, session, state),)
        return (*replaced, _plugged_in(session, state), *_ended(session, state))
    corrected = session.revision > before.revision
    correction = (_correction(session, state),) if corrected else ()
    ended_since = before.ended_at is None or corrected
    return (*correction, *(_ended(session, state) if ended_since else ()))


def _event(
    state: VehicleState, session: PlugSession, kind: PlugEventKind, at: datetime, evidence: Evidence
) -> PlugEvent:
    return PlugEvent(
        id=stable_id(state.car, session.id, kind, session.revision),
        car=state.car,
        kind=kind,
        session_id=session.id,
        session_revision=session.revision,
        at=at,
        observed_at=session.seen_at if kind is PlugEventKind.PLUGGED_IN else state.received_time,
        evidence=evidence,
        confidence=CONFIDENCE[evidence],
        soc_pct=session.soc_pct if kind is PlugEventKind.PLUGGED_IN else state.soc_pct,
        at_home=state.at_home,
    )


def _plugged_in(session: PlugSession, state: VehicleState) -> PlugEvent:
    return _event(state, session, PlugEventKind.PLUGGED_IN, session.plugged_at, session.evidence)


def _correction(session: PlugSession, state: VehicleState) -> PlugEvent:
    return _event(state, session, PlugEventKind.SESSION_CORRECTED, session.plugged_at, session.evidence)


def _ended(session: PlugSession, state: VehicleState) -> tuple[PlugEvent, ...]:
    if session.ended_at is None:
        return ()
    evidence = session.end_evidence or Evidence.TWO_READINGS
    return (_event(state, session, PlugEventKind.UNPLUGGED, session.ended_at, evidence),)


def _replaced(before: PlugSession, session: PlugSession, state: VehicleState) -> PlugEvent:
    """The end of a session that we only know from the beginning of the next one."""
    evidence = Evidence.MOVED if session.evidence is Evidence.MOVED else Evidence.REPLUGGED
    return _event(state, before, PlugEventKind.UNPLUGGED, session.plugged_at, evidence)
