"""Starts the cars that are due, within a rate and the makers' quotas, and remembers how far each has come."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

import structlog

from agents.clock import Clock
from agents.guardian.cloud import Cloud
from agents.guardian.known import Known, Way
from agents.guardian.metrics import GuardianMetrics
from agents.guardian.rules import MANY_TRIES, Progress, Step, after, due, progress_of, ready, release_id, step_of
from agents.quotas import Quotas
from streams.contracts.command import Action
from streams.contracts.held import HeldCar
from streams.domain.budget import Budget, Key, Rate

LOG = structlog.get_logger("d2ev")
#: Calls under way at once.
AT_ONCE: Final = 256
#: How often all cars are looked through for those that are due.
SCAN: Final = timedelta(seconds=5)


class Guard:
    """Asks due cars; a car is asked one thing at a time. `per_minute` bounds the starts, all makers together."""

    def __init__(self, cloud: Cloud, quotas: Quotas, per_minute: int, clock: Clock, metrics: GuardianMetrics) -> None:
        self.progress: dict[str, Progress] = {}
        self._cloud = cloud
        self._quotas = quotas
        self._pace = {step: {(step.value, ""): evenly(per_minute)} for step in Step}
        self._clock = clock
        self._metrics = metrics
        self._budget = Budget()
        self._queues: dict[Step, deque[HeldCar]] = {step: deque() for step in Step}
        self._scan_at: datetime | None = None
        self._running: dict[str, asyncio.Task[None]] = {}

    @property
    def busy(self) -> bool:
        """Cars are due and wait for a budget."""
        return any(self._queues.values())

    def begin(self, known: Known, cars: Callable[[], list[HeldCar]]) -> None:
        """Ask those of `cars()` that are due and that the budgets allow. The answers come by themselves."""
        now = self._clock.now()
        if self._scan_at is None or now >= self._scan_at:
            self._scan(known, cars(), now)
        for step, queue in self._queues.items():
            while queue and len(self._running) < AT_ONCE and not self._budget.wait(self._pace[step], now):
                self._take(known, queue.popleft(), step, now)

    async def at_rest(self) -> None:
        """Wait for the calls under way."""
        while self._running:
            await asyncio.gather(*self._running.values())

    def forget(self, known: Known) -> None:
        """Drop the progress of cars that are free."""
        self.progress = {key: progress for key, progress in self.progress.items() if key in known.cars}

    def _scan(self, known: Known, cars: list[HeldCar], now: datetime) -> None:
        self._scan_at = now + SCAN
        for queue in self._queues.values():
            queue.clear()
        for car in due(known, cars, self.progress, now):
            tried = progress_of(car, self.progress, now)
            self._queues[step_of(car, tried, now, self._cloud.sleeps_after(car.oem))].append(car)

    def _take(self, known: Known, car: HeldCar, step: Step, now: datetime) -> None:
        """Ask this car, unless it was freed or renewed since the scan, or its account has to wait."""
        tried, way, limits = progress_of(car, self.progress, now), known.way(car, now), self._limits(car, step)
        still = known.cars.get(car.car) is car and ready(known, car, tried, now)
        if way is None or not still or car.car in self._running or self._budget.wait(limits, now):
            return
        self._budget.charge({**self._pace[step], **limits}, now)
        self._running[car.car] = asyncio.create_task(self._ask(car, tried, way, step))

    async def _ask(self, car: HeldCar, tried: Progress, way: Way, step: Step) -> None:
        try:
            answer = await self._cloud.ask(car, tried, way, step)
        finally:
            del self._running[car.car]
        progress = self.progress[car.car] = after(tried, step, answer, self._clock.now(), way.access.sealed)
        self._metrics.answers.labels(car.oem, answer.outcome).inc()
        say = LOG.warning if progress.tries >= MANY_TRIES and not progress.settled else LOG.info
        name = release_id(car, tried.tries)
        say(
            "release",
            oem=car.oem,
            release=name,
            step=step.value,
            tries=progress.tries,
            outcome=answer.outcome.value,
        )

    def _limits(self, car: HeldCar, step: Step) -> Mapping[Key, Rate]:
        match step:
            case Step.LOOK:
                return self._quotas.read(car.oem, car.car)
            case Step.WAKE:
                return self._quotas.command(car.oem, car.car, Action.WAKE)
            case Step.START:
                return self._quotas.command(car.oem, car.car, Action.START)


def evenly(per_minute: int) -> Rate:
    """At most so many in any minute, spread over its seconds; what a second leaves of one call counts for the next."""
    burst = 1 + per_minute / 60
    return Rate(burst, (per_minute - burst + 1) / 60)
