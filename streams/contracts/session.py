"""A finished session, settled: energy, cost and CO2 beside unmanaged, timer and oracle charging."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from pydantic import Field

from streams.contracts.base import CarKey, Contract, Instant, Percent

#: More slots than this are told joined.
SLOTS_MAX: Final = 200


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


class SettledSlot(Contract):
    """One line of the managed bill: what went in within [start, end), at one price and one intensity."""

    start: Instant
    end: Instant
    energy_kwh: float = Field(ge=0, description="at the wall")
    price: float = Field(description="currency per kWh")
    carbon_g_per_kwh: float | None = None


class SessionSettled(Contract):
    """One settled session, keyed by car. A correction is the same session with a higher `revision`."""

    id: str = Field(description="of this account: one per session and revision")
    car: CarKey
    session_id: str
    revision: int = Field(ge=1, description="of this account: grows with every correction, of whatever cause")
    session_revision: int | None = Field(default=None, ge=1, description="of the plug session, as in plug events")
    plugged_at: Instant
    ended_at: Instant
    settled_at: Instant
    energy_kwh: float = Field(ge=0, description="at the wall, estimated from telemetry")
    power_kw: float | None = Field(default=None, description="at the wall, known at plug-in: what the others charge at")
    start_soc_pct: Percent | None = None
    end_soc_pct: Percent | None = None
    currency: str
    cost: Amounts | None = Field(default=None, description="null unless prices cover the whole stay")
    carbon_g: Amounts | None = Field(default=None, description="null unless prices and carbon cover the whole stay")
    saving: float | None = Field(default=None, description="unmanaged - managed cost; negative when managing cost more")
    carbon_saved_g: float | None = Field(default=None, description="unmanaged - managed; negative when it emitted more")
    carbon_believed_g: float | None = Field(
        default=None, description="the managed energy at the intensities that its plans were made with"
    )
    slots: tuple[SettledSlot, ...] | None = Field(
        default=None, max_length=SLOTS_MAX, description="how the managed cost came about; null like cost"
    )
    price_issued_at: Instant | None = Field(default=None, description="newest price vintage that was settled on")
    carbon_issued_at: Instant | None = None
    promise: Promise
    reason: str
