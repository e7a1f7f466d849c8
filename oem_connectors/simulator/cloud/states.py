"""The words in which a car's truth is told: what it does, how it answers, what it shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Mode(StrEnum):
    """What the car is doing."""

    AWAY = "away"
    IDLE = "idle"
    WAITING = "waiting"  # idle until the car's own schedule starts it
    STARTING = "starting"
    CHARGING = "charging"
    FULL = "full"


class Reply(StrEnum):
    """How the car takes a command."""

    ACCEPTED = "accepted"
    ALREADY = "already"
    ASLEEP = "asleep"
    BUSY = "busy"
    NOT_PLUGGED = "not_plugged"
    UNSUPPORTED = "unsupported"
    NOT_FUTURE = "not_future"


class Timer(StrEnum):
    """What will happen to the car by itself; of two at one instant the upper comes first."""

    LEAVE = "leave"
    ARRIVE = "arrive"
    DRIVER = "driver"
    SCHEDULE = "schedule"
    EFFECT = "effect"
    FULL = "full"
    REACT = "react"
    WAKE = "wake"
    SLEEP = "sleep"
    UPLOAD = "upload"


def shown(mode: Mode, scheduled_start: datetime | None, *, starting: bool) -> Mode:
    """An idle car says what it is about to do."""
    if mode is not Mode.IDLE:
        return mode
    if starting:
        return Mode.STARTING
    return Mode.IDLE if scheduled_start is None else Mode.WAITING


@dataclass(frozen=True, slots=True)
class Sample:
    """The car's own words at one instant."""

    at: datetime
    soc_pct: float
    limit_pct: float
    mode: Mode
    at_home: bool
    power_kw: float
    odometer_km: float
    scheduled_start: datetime | None
