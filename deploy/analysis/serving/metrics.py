"""What the process for analysts' questions tells of itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from prometheus_client import Gauge

from agents.driver_api.metrics import HttpMetrics

if TYPE_CHECKING:
    from deploy.analysis.serving.app import Counter


class QueryMetrics(HttpMetrics):
    """The metrics of one such process."""

    def __init__(self) -> None:
        super().__init__("queries")
        r = self.registry
        self.ready = Gauge("d2ev_queries_ready", "1 while questions are answered.", registry=r)
        self.waiting = Gauge("d2ev_queries_open", "Questions that wait or are being answered.", registry=r)


class Probed:
    """How it is, for probes."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter

    @property
    def ready(self) -> bool:
        """Whether Kafka answers."""
        return self._counter.desk.in_touch

    def status(self) -> dict[str, Any]:
        """Counts."""
        return {"ready": self.ready, "waiting": self._counter.waiting, "answers": len(self._counter.pages)}

    def render(self) -> bytes:
        """The metrics."""
        metrics = self._counter.metrics
        metrics.ready.set(self.ready)
        metrics.waiting.set(self._counter.waiting)
        return metrics.render()

    async def watch(self, seconds: float = 15.0) -> None:
        """Look for Kafka again and again: who is not ready is asked nothing, and would never hear that it is back."""
        while True:
            await asyncio.to_thread(self._counter.desk.look)
            await asyncio.sleep(seconds)
