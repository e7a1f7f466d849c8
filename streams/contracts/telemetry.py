"""One reading of a car, normalised: what the car said, when it said so, and when we heard it."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from pydantic import Field

from streams.contracts.base import CarKey, Contract, Instant, Percent


class Plug(StrEnum):
    """Is the cable in the car? Unknown is not unplugged."""

    PLUGGED = "plugged"
    UNPLUGGED = "unplugged"
    UNKNOWN = "unknown"


class Charge(StrEnum):
    """What the car says about charging."""

    UNKNOWN = "unknown"
    IDLE = "idle"
    STARTING = "starting"
    CHARGING = "charging"
    COMPLETE = "complete"
    SCHEDULED = "scheduled"
    NO_POWER = "no_power"
    FAULT = "fault"
    DISCHARGING = "discharging"


#: Words of a car that charges, or is about to.
FLOWING: Final = frozenset({Charge.CHARGING, Charge.STARTING})


class Telemetry(Contract):
    """One normalised reading, keyed by car. What the car did not say is null."""

    car: CarKey
    oem: str
    soc_pct: Percent | None = None
    limit_pct: Percent | None = None
    plug: Plug = Plug.UNKNOWN
    charge: Charge = Charge.UNKNOWN
    power_kw: float | None = Field(default=None, ge=-400, le=400, description="at the wall where known")
    range_km: float | None = Field(default=None, ge=0, le=2000)
    odometer_km: float | None = Field(default=None, ge=0, le=5_000_000)
    at_home: bool | None = None
    scheduled_start: Instant | None = Field(default=None, description="when the car's own schedule starts it next")
    car_time: Instant | None = Field(default=None, description="when the car took the sample")
    oem_time: Instant | None = Field(default=None, description="when the OEM's cloud received it")
    received_time: Instant = Field(description="when we received it")
