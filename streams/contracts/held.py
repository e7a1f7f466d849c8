"""The registry of held cars: whom anyone may release, and from when on."""

from __future__ import annotations

from pydantic import Field

from streams.contracts.base import CarKey, Contract, Instant


class HeldCar(Contract):
    """A car that a stop of ours keeps from charging, keyed by car; the tombstone says that it is free.

    On the log before the stop is sent. Control renews the lease while it lives; once it has lapsed, the guardian
    starts the car.
    """

    car: CarKey
    oem: str
    vehicle: str = Field(description="the OEM's own id of the car")
    model: str = Field(default="", description="as registered: models may need calls of their own")
    session_id: str
    since: Instant
    lease_until: Instant = Field(description="after that, whoever sees it starts the car")
    last_safe_start: Instant = Field(description="the latest start that keeps the promise to the driver")
    backstop_at: Instant | None = Field(default=None, description="start written into the car's own schedule, if any")
