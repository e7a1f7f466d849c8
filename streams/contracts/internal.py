"""Private messages between stages: the clock's ticks, and how control stands with a car."""

from __future__ import annotations

from enum import StrEnum

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
    """How control stands with a car: have we given up, has the driver taken over, in which session."""

    car: CarKey
    gave_up_session: str | None = None
    driver_session: str | None = None
    reason: str
    at: Instant
