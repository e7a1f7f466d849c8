"""The audit trail of every command: intent, sending, sent, and what telemetry later proved."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from streams.contracts.base import CarKey, Contract, Instant


class Action(StrEnum):
    """What we ask of a car: to charge, to rest, to wake, to start by itself at an instant, or to forget that."""

    START = "start"
    STOP = "stop"
    WAKE = "wake"
    SCHEDULE = "schedule"
    UNSCHEDULE = "unschedule"


class CommandPhase(StrEnum):
    """Where a command stands. An OEM's 200 is only `sent`; telemetry alone makes it `confirmed`."""

    INTENT = "intent"
    SENDING = "sending"
    SENT = "sent"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    EXPIRED = "expired"


#: Phases after which nothing more happens to a command.
FINAL = frozenset({CommandPhase.CONFIRMED, CommandPhase.FAILED, CommandPhase.UNKNOWN, CommandPhase.EXPIRED})


class CommandEvent(Contract):
    """One step of one command, keyed by car. `id`: a hash of car, session, action, plan revision and attempt."""

    id: str
    car: CarKey
    session_id: str
    plan_revision: int
    action: Action
    phase: CommandPhase
    attempt: int = Field(default=1, ge=1)
    at: Instant
    decided_at: Instant
    not_after: Instant = Field(description="never sent later than this")
    reason: str
    serves: str | None = Field(default=None, description="the desired state: reason and since when")
    start_at: Instant | None = Field(default=None, description="what the car's own schedule is set to")
    detail: str | None = None
    retry_at: Instant | None = Field(default=None, description="the OEM asked us to wait until then")
