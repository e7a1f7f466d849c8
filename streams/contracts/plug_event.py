"""Plug-in, unplug and corrections of a session, with evidence and confidence."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from streams.contracts.base import CarKey, Contract, Instant, Percent
from streams.contracts.vehicle import Evidence


class PlugEventKind(StrEnum):
    """What happened to the session."""

    PLUGGED_IN = "plugged_in"
    UNPLUGGED = "unplugged"
    SESSION_CORRECTED = "session_corrected"


class PlugEvent(Contract):
    """An edge of a plug session, keyed by car. `id` is deterministic: deduplicate on it."""

    id: str
    car: CarKey
    kind: PlugEventKind
    session_id: str
    session_revision: int
    at: Instant = Field(description="in the car's time")
    observed_at: Instant
    evidence: Evidence
    confidence: float = Field(ge=0, le=1)
    soc_pct: Percent | None = None
    at_home: bool | None = None
