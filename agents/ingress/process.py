"""One ingress process: learns who is enrolled, then takes what makers post and stream, and tells how it is."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from agents.clock import Clock, LogClock, SystemClock
from agents.ingress.hooks import Door, Hooks, doors
from agents.ingress.intake import Intake
from agents.ingress.metrics import IngressMetrics
from agents.ingress.roll import Roll
from agents.ingress.stream import Streaming, source
from agents.journal import Journal, journal
from agents.settings import Settings
from oem_connectors.base import Connector

PERIOD_SECONDS: Final = 0.2


class Ingress:
    """Runs until cancelled. Raises ValueError where the settings name a stream that its connector does not have."""

    def __init__(self, settings: Settings, connectors: Mapping[str, Connector]) -> None:
        self.metrics = IngressMetrics()
        self._settings = settings
        ticks = LogClock() if settings.clock == "log" else None
        clock: Clock = ticks or SystemClock()
        self._roll = Roll(settings, ticks)
        self._journal: Journal = journal(settings)
        intake = Intake(self._roll.find, self._journal, settings.sealer(), clock, self.metrics, settings.partitions)
        self._doors: Mapping[str, Door] = doors(connectors, settings.oem_apps)
        self.hooks = Hooks(self._doors, intake, self.metrics, lambda: self.ready)
        group, session = f"{settings.app_id}-ingress", settings.session_timeout_seconds
        self._streams = {
            oem: Streaming(source(connectors, oem, address), group, session, intake, self.metrics)
            for oem, address in settings.oem_streams.items()
        }

    @property
    def ready(self) -> bool:
        """Who is enrolled was read to its end, and the log that says so has not gone away since."""
        return self._roll.known and not self._roll.kafka_gone

    async def run(self) -> None:
        """Take news. Ends only by being cancelled, or by a defect."""
        tasks = [asyncio.create_task(self._roll.run())]
        waiting = list(self._streams.values())
        try:
            while not any(task.done() for task in tasks):
                if self.ready and waiting:
                    tasks += [asyncio.create_task(stream.run()) for stream in waiting]
                    waiting.clear()
                await asyncio.sleep(PERIOD_SECONDS)
            raise RuntimeError("somebody follows the log no more")
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await self._journal.stop()

    def status(self) -> dict[str, Any]:
        """Counts, and which makers are heard; nothing about any one car."""
        return {
            "ready": self.ready,
            "cars": self._roll.cars,
            "hooks": sorted(self._doors),
            "streams": {oem: stream.reading for oem, stream in sorted(self._streams.items())},
            "writes_open": self._journal.open,
        }

    def render(self) -> bytes:
        """The metrics, brought up to date."""
        metrics = self.metrics
        metrics.ready.set(self.ready)
        metrics.cars.set(self._roll.cars)
        metrics.writing.set(self._journal.open)
        metrics.unreadable.set(self._roll.unreadable)
        return metrics.render()
