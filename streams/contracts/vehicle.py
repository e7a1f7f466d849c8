"""The folded state of a car and its plug session: the newest word on every field, with its age."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from streams.contracts.base import CarKey, Contract, Instant, Percent
from streams.contracts.telemetry import Charge, Plug


class Evidence(StrEnum):
    """Why we believe that a session began or ended."""

    PLUG_READING = "plug_reading"
    CHARGING = "charging"
    TWO_READINGS = "two_readings"
    MOVED = "moved"
    REPLUGGED = "replugged"


class PlugSession(Contract):
    """One stay of the cable in the car. Ended sessions stay until the next one begins."""

    id: str
    plugged_at: Instant = Field(description="the car's time of the first reading that showed it plugged in")
    seen_at: Instant = Field(description="when we received that reading")
    revision: int = Field(ge=1)
    evidence: Evidence
    soc_pct: Percent | None = Field(default=None, description="first state of charge sampled in the session")
    ended_at: Instant | None = None
    end_evidence: Evidence | None = None


class VehicleState(Contract):
    """Folded state per car. Every field is the newest known; null means never said."""

    car: CarKey
    oem: str
    soc_pct: Percent | None = None
    soc_time: Instant | None = None
    limit_pct: Percent | None = None
    plug: Plug = Plug.UNKNOWN
    charge: Charge = Charge.UNKNOWN
    charge_time: Instant | None = Field(default=None, description="when the car last said how charging stands")
    power_kw: float | None = None
    odometer_km: float | None = None
    at_home: bool | None = None
    scheduled_start: Instant | None = Field(
        default=None, description="when the car's own schedule starts it next; null: it has none, or never said"
    )
    car_time: Instant = Field(description="the car's time of the newest sample (ours where it gave none)")
    received_time: Instant
    unplug_suspected_at: Instant | None = Field(default=None, description="one reading said unplugged")
    session: PlugSession | None = None

    @property
    def charge_at(self) -> datetime:
        """How old the word on charging is: a car may go on telling other things and be silent on this."""
        return self.charge_time or self.car_time
