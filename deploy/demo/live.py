"""What the demo knows while it runs: filled from topics and the simulator's truth, read by terminal and page."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from streams.contracts.command import CommandEvent
from streams.contracts.driver_status import DriverStatus
from streams.contracts.forecast import Forecast
from streams.contracts.notification import NotificationEvent, NotificationPhase
from streams.contracts.plug_event import PlugEvent
from streams.contracts.schedule import Schedule
from streams.contracts.session import SessionSettled
from streams.contracts.vehicle import VehicleState

#: Pushes and commands kept for showing.
KEPT = 200


@dataclass
class WorkerInfo:
    """One worker process, as the demo sees it."""

    name: str
    pid: int
    ready: bool
    partitions: list[int]


@dataclass
class Car:
    """Everything the topics said about one car, newest last."""

    key: str
    model: str
    zone: str
    status: DriverStatus | None = None
    state: VehicleState | None = None
    schedule: Schedule | None = None
    commands: deque[CommandEvent] = field(default_factory=lambda: deque(maxlen=40))
    plugs: deque[PlugEvent] = field(default_factory=lambda: deque(maxlen=20))
    pushes: deque[NotificationEvent] = field(default_factory=lambda: deque(maxlen=20))
    sessions: deque[SessionSettled] = field(default_factory=lambda: deque(maxlen=10))


@dataclass
class Live:
    """The running demo. `now`, `start` and `end` are virtual; `loads` gives (instant, kW) of the simulator's truth."""

    start: datetime
    end: datetime
    zone: str
    currency: str
    now: datetime
    cars: dict[str, Car] = field(default_factory=dict)
    workers: list[WorkerInfo] = field(default_factory=list)
    price: Forecast | None = None
    carbon: Forecast | None = None
    pushes: deque[NotificationEvent] = field(default_factory=lambda: deque(maxlen=KEPT))
    counts: Counter[str] = field(default_factory=Counter)
    lag: int = 0
    scenario: str | None = None
    page_url: str | None = None
    driver_url: str | None = None
    bootstrap: str | None = None
    summary: dict[str, Any] | None = None
    #: Fleet charging power by the simulator's meter, managed and as unmanaged charging would have been: (instant, kW).
    loads: Callable[[], tuple[list[tuple[datetime, float]], list[tuple[datetime, float]]]] = lambda: ([], [])

    @property
    def progress(self) -> float:
        """Share of the virtual time that has passed, 0 to 1."""
        return min(1.0, max(0.0, (self.now - self.start) / (self.end - self.start)))

    def take(self, key: str, message: object) -> None:
        """A message from a topic."""
        car = self.cars.get(key)
        self.counts[type(message).__name__] += 1
        if car is None:
            return
        match message:
            case DriverStatus():
                car.status = message
            case VehicleState():
                car.state = message
            case Schedule():
                car.schedule = message
            case CommandEvent():
                car.commands.append(message)
                self.counts[f"command.{message.phase.value}"] += 1
            case PlugEvent():
                car.plugs.append(message)
            case SessionSettled():
                car.sessions.append(message)
            case NotificationEvent() if message.phase is not NotificationPhase.INTENT:
                car.pushes.append(message)
                self.pushes.append(message)
