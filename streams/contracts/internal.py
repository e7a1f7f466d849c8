"""Private messages between stages: the clock's ticks and the per-partition copies of forecasts."""

from __future__ import annotations

from enum import StrEnum

from streams.contracts.base import Contract, Instant


class TickPhase(StrEnum):
    """The beats of the control loop, in this order: read the cars, act, check what became of it, tell the drivers."""

    READ = "read"
    ACT = "act"
    CHECK = "check"
    TELL = "tell"


class Tick(Contract):
    """The time, as an event in every partition: rules take `now` from the log, so a replay decides the same."""

    at: Instant
    phase: TickPhase
