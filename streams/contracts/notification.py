"""What was pushed to a driver, when, and with which outcome. One per (car, session, kind, content version)."""

from __future__ import annotations

from enum import StrEnum

from streams.contracts.base import CarKey, Contract, Instant


class NotificationKind(StrEnum):
    """Kinds of push."""

    PLUGGED_IN = "plugged_in"
    PLAN_MOVED = "plan_moved"
    CANNOT_BE_READY = "cannot_be_ready"
    CANNOT_CONTROL = "cannot_control"
    AT_RISK = "at_risk"
    STOOD_DOWN = "stood_down"
    OWN_SCHEDULE = "own_schedule"
    LINK_LOST = "link_lost"
    DONE = "done"
    BOOSTED = "boosted"


class NotificationPhase(StrEnum):
    """Where a push stands: it is on the log as an intent before it is sent."""

    INTENT = "intent"
    SENT = "sent"
    FAILED = "failed"


class NotificationEvent(Contract):
    """One step of one push, keyed by car."""

    id: str
    car: CarKey
    driver: str
    session_id: str | None
    kind: NotificationKind
    phase: NotificationPhase
    title: str
    body: str
    at: Instant
    detail: str | None = None
