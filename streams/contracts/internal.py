"""Private messages between stages: the clock's ticks and the per-partition copies of forecasts."""

from __future__ import annotations

from enum import StrEnum

from streams.contracts.base import Contract, Instant


class TickPhase(StrEnum):
    """The three beats of the control loop, in this order: read the cars, act on them, tell the drivers."""

    READ = "read"
    ACT = "act"
    TELL = "tell"


class Tick(Contract):
    """The time, as an event in every partition: rules take `now` from the log, so a replay decides the same."""

    at: Instant
    phase: TickPhase
