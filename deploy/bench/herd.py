"""A herd: every car of a fleet waits for the same slot edge, in virtual time, through the real dispatch stage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from typing import Any, Final, NamedTuple

from agents.dispatch import Budgets, stage
from agents.metrics import Metrics
from agents.quotas import Quotas
from agents.turns import Turns
from deploy.bench.bare_lane import BareLane
from deploy.bench.herd_cars import Car, held_car
from oem_connectors import registry
from streams.contracts.command import Action, CommandEvent, CommandPhase
from streams.contracts.internal import Tick, TickPhase
from streams.contracts.telemetry import Charge
from streams.domain.budget import Budget
from streams.domain.holding import latest_start
from streams.domain.ids import spread_seconds
from streams.domain.reconcile import ControlPolicy
from streams.topics import COMMAND, TICK, VEHICLE, Topic
from tables import CONTROL

SECOND: Final = timedelta(seconds=1)
#: One account in so many is asked to wait at its first call, for so long.
THROTTLED_ONE_IN: Final = 50
RETRY_AFTER: Final = timedelta(minutes=4)
#: By the next beat control knows of it.
KNOWN_AFTER: Final = timedelta(seconds=1)
#: A car is seen to charge so long after it was told.
SEEN_AFTER: Final = timedelta(seconds=20)
#: Two cars share an account.
CARS_PER_ACCOUNT: Final = 2
#: As a worker paces planned starts unless it is told otherwise.
STARTS_PER_SECOND: Final = 250.0
POLICY: Final = ControlPolicy()


class Start(NamedTuple):
    """One command to start a car: when, why, and whether the maker took it."""

    car: str
    at: datetime
    reason: str
    taken: bool


class Herd:
    """The fleet, its maker's cloud, and one dispatch stage per partition, all at one instant."""

    def __init__(self, cars: int, partitions: int, begin: datetime, between: Callable[[], object] = int) -> None:
        self.cars: dict[str, Car] = {}
        self.now = self.begin = begin
        self.starts: list[Start] = []
        self.commands: list[CommandEvent] = []
        self.retry_at: dict[str, datetime] = {}
        self.at_the_gate = self.too_soon = self.too_late = 0
        self._coming: list[tuple[datetime, int, int, tuple[Topic, str, Any]]] = []
        self._turn = count()
        connectors = registry.load()
        turns = Turns(Quotas(connectors, partitions), partitions, STARTS_PER_SECOND)
        dispatch = stage(POLICY, connectors, turns, Budgets(Budget), Metrics())
        self.lanes = [BareLane(dispatch, partition) for partition in range(partitions)]
        for number in range(cars):
            car = held_car(number, begin)
            self.cars[car.key] = car
            self._lane(car).rows[CONTROL.name, car.key] = car.control
            between()
        self.restart()

    def restart(self) -> None:
        """Other workers take all partitions over: the tables stay, the memory goes."""
        for lane in self.lanes:
            lane.restart()

    def second(self) -> None:
        """What came in by now, then one beat in every partition."""
        arrived: list[list[tuple[Topic, str, Any]]] = [[] for _ in self.lanes]
        while self._coming and self._coming[0][0] <= self.now:
            _, _, partition, message = heappop(self._coming)
            arrived[partition].append(message)
        for lane, messages in zip(self.lanes, arrived, strict=True):
            beat = (TICK, str(lane.partition), Tick(at=self.now, phase=TickPhase.ACT))
            for sent in lane.give(self.now, [*messages, beat]):
                if sent.topic is COMMAND:
                    self._take(self.cars[sent.key], sent.message)
        self.now += SECOND

    def _take(self, car: Car, command: CommandEvent) -> None:
        """The sender: it stops at the gate what its maker asked to wait, as far as that was not known in time."""
        self.commands.append(command)
        if command.action is not Action.START:
            return
        self._comes(car, 0, COMMAND, _step(command, CommandPhase.SENDING, self.now))
        until = self.retry_at.get(car.account)
        if until is None and spread_seconds(car.account, spread=THROTTLED_ONE_IN - 1) == 0:
            until = self.retry_at[car.account] = self.now + RETRY_AFTER
        waits = until is not None and self.now < until
        self.starts.append(Start(car.key, self.now, command.reason, not waits))
        if not waits:
            self._start(car, command)
            return
        self.at_the_gate += 1
        self.too_soon += until is not None and self.now > until - RETRY_AFTER + KNOWN_AFTER
        refused = _step(command, CommandPhase.FAILED, self.now, detail="throttled", retry_at=until)
        self._comes(car, 0, COMMAND, refused)

    def _start(self, car: Car, command: CommandEvent) -> None:
        limit = latest_start(car.control, self.now, POLICY)
        self.too_late += limit is not None and self.now > limit
        self._comes(car, 1, COMMAND, _step(command, CommandPhase.SENT, self.now))
        seen = self.now + SEEN_AFTER
        charging = {"charge": Charge.CHARGING, "car_time": seen, "received_time": seen}
        self._comes(car, 20, VEHICLE, car.state.model_copy(update=charging))
        self._comes(car, 21, COMMAND, _step(command, CommandPhase.CONFIRMED, seen))

    def _comes(self, car: Car, seconds: int, topic: Topic, message: Any) -> None:
        at = self.now + (seconds + 1) * SECOND
        heappush(self._coming, (at, next(self._turn), self._lane(car).partition, (topic, car.key, message)))

    def _lane(self, car: Car) -> BareLane:
        return self.lanes[car.number // CARS_PER_ACCOUNT % len(self.lanes)]

    @property
    def effective(self) -> Counter[str]:
        """How often each car was really started."""
        return Counter(start.car for start in self.starts if start.taken)


def _step(command: CommandEvent, phase: CommandPhase, at: datetime, **details: Any) -> CommandEvent:
    return command.model_copy(update={"phase": phase, "at": at, **details})
