"""A finished session, settled: energy, cost and CO2 beside unmanaged, timer and oracle charging."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from streams.contracts.base import CarKey, Contract, Instant, Percent


class Promise(StrEnum):
    """What became of the ready-by promise."""

    MET = "met"
    MISSED = "missed"
    UNREACHABLE = "unreachable"
    LEFT_EARLY = "left_early"
    NOT_MADE = "not_made"


class Amounts(Contract):
    """The same energy, four ways."""

    managed: float
    unmanaged: float
    timer: float
    oracle: float


class SessionSettled(Contract):
    """One settled session, keyed by car."""

    id: str
    car: CarKey
    session_id: str
    revision: int = Field(ge=1)
    plugged_at: Instant
    ended_at: Instant
    settled_at: Instant
    energy_kwh: float = Field(ge=0, description="at the wall, estimated from telemetry")
    start_soc_pct: Percent | None = None
    end_soc_pct: Percent | None = None
    currency: str
    cost: Amounts | None = Field(default=None, description="null when no price covers the session")
    carbon_g: Amounts | None = None
    promise: Promise
    reason: str
