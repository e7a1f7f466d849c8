"""Private messages between stages: the clock's ticks, and how control stands with a car."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from streams.contracts.base import CarKey, Contract, Instant


class TickPhase(StrEnum):
    """The beats of the control loop, in this order: read the cars, check what commands did, act, tell the drivers."""

    READ = "read"
    CHECK = "check"
    ACT = "act"
    TELL = "tell"


class Tick(Contract):
    """The time, as an event in every partition: rules take `now` from the log, so a replay decides the same."""

    at: Instant
    phase: TickPhase


class Standing(Contract):
    """How control stands with a car, by the session it holds for; null where it does not."""

    car: CarKey
    gave_up_session: str | None = Field(default=None, description="commands have no effect")
    driver_session: str | None = Field(default=None, description="the driver switched the car by hand")
    own_schedule_session: str | None = Field(default=None, description="the car's own schedule rules")
    proven_at: Instant | None = Field(default=None, description="when the car first resumed at our word after a stop")
    at_risk_session: str | None = Field(default=None, description="the last safe start is near and no power is seen")
    reason: str
    at: Instant
