"""Knowing when the pipeline has nothing left to do: every record processed, no call under way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.demo.workers import Workers


class NeverQuiet(RuntimeError):
    """The pipeline did not come to rest; the message says what was left."""


class Quiet:
    """Compares what the workers have processed with what the broker holds.

    Positions are read before the ends of the log. If they are equal and no call was under way, then nothing was left
    to do when they were read, and nothing has been written since.
    """

    def __init__(self, workers: Workers, bootstrap: str, topics: Sequence[str], partitions: int) -> None:
        self._workers = workers
        self._log = AIOKafkaConsumer(bootstrap_servers=bootstrap)
        self._all = [TopicPartition(topic, partition) for topic in topics for partition in range(partitions)]
        self.ends: dict[str, int] = {}

    async def start(self) -> None:
        await self._log.start()

    async def stop(self) -> None:
        await self._log.stop()

    async def wait(self, timeout_seconds: float = 120) -> list[dict[str, Any]]:
        """Return the workers' statuses once everything is at rest."""
        give_up = monotonic() + timeout_seconds
        while True:
            statuses = await self._workers.statuses()
            left = await self._left(statuses)
            if left is None:
                return statuses
            if monotonic() > give_up:
                raise NeverQuiet(f"still busy after {timeout_seconds:.0f} s: {left}")
            await asyncio.sleep(0)

    async def _left(self, statuses: list[dict[str, Any]]) -> str | None:
        if not all(status["ready"] for status in statuses):
            return "a worker is not ready"
        if flying := sum(status["in_flight"] for status in statuses):
            return f"{flying} calls under way"
        positions: dict[str, int] = {}
        for status in statuses:
            for place, offset in status["positions"].items():
                positions[place] = max(offset, positions.get(place, 0))
        ends = await self._log.end_offsets(self._all)
        self.ends = {f"{tp.topic}/{tp.partition}": offset for tp, offset in ends.items()}
        behind = {
            place: end - positions.get(place, 0) for place, end in self.ends.items() if positions.get(place, 0) < end
        }
        if behind:
            place, lag = max(behind.items(), key=lambda item: item[1])
            return f"{sum(behind.values())} records, most of them in {place} ({lag})"
        return None

    @property
    def records(self) -> int:
        """Records the stages had to read, by the broker's own count."""
        return sum(self.ends.values())
