"""Follows the statuses as a member of our group; an offset is committed once Firestore has what came before it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from random import uniform
from time import monotonic
from typing import Any, Final, NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from agents.bridge.firestore import FirestoreError, Later
from agents.bridge.metrics import BridgeMetrics
from agents.bridge.sink import Sink
from agents.engine.log import NotDurable
from agents.kafka import for_aiokafka
from agents.settings import Settings
from streams.topics import STATUS

LOG = structlog.get_logger("d2ev")
ANSWER_SECONDS: Final = 10.0
AGAIN_SECONDS: Final = 1.0
#: A document, such as the mark, may be written once a second for long; statuses of a second are written as one.
ROUND_SECONDS: Final = 1.0
#: As fast as Firestore wants a new collection to be filled at first.
WRITES_PER_SECOND: Final = 500
LONGEST_WAIT_SECONDS: Final = 60.0
_AT_ONCE: Final = 500
_MORE_MS: Final = 20


class _Pause(NamedTuple):
    """A partition that waits: how often it failed in a row, and until when."""

    failures: int
    until: float


class Feed:
    """Hands the partitions it is given to the sink, each in order. One in trouble waits and keeps no other."""

    def __init__(self, settings: Settings, sink: Sink, metrics: BridgeMetrics) -> None:
        self._settings, self._sink, self._metrics = settings, sink, metrics
        self._pauses: dict[TopicPartition, _Pause] = {}
        self._next: dict[TopicPartition, int] = {}
        self.reading = False

    @property
    def waiting(self) -> int:
        """How many partitions wait after a failure."""
        return len(self._pauses)

    async def run(self) -> None:
        """Follow until cancelled. After any trouble with Kafka it begins anew at what was last committed."""
        while True:
            member = asyncio.create_task(self._once())
            try:
                await asyncio.wait({member})
            finally:
                self.reading = False
                member.cancel()
                await asyncio.wait({member}, timeout=2 * ANSWER_SECONDS)
            error = None if member.cancelled() else member.exception()
            LOG.warning("the statuses are not followed", error=type(error).__name__)
            await asyncio.sleep(AGAIN_SECONDS)

    async def _once(self) -> None:
        session_ms = int(self._settings.session_timeout_seconds * 1000)
        consumer = AIOKafkaConsumer(
            STATUS.name,
            **for_aiokafka(self._settings),
            group_id=f"{self._settings.app_id}-bridge",
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=session_ms // 3,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        self._pauses.clear()
        try:
            await asyncio.wait_for(consumer.start(), ANSWER_SECONDS)
            self.reading = True
            while True:
                await self._round(consumer)
        finally:
            with suppress(KafkaError, OSError, TimeoutError):
                await asyncio.wait_for(consumer.stop(), ANSWER_SECONDS)

    async def _round(self, consumer: Any) -> None:
        began, written = monotonic(), 0
        self._resume(consumer, began)
        for place, records in (await self._fetched(consumer)).items():
            try:
                written += await self._sink.take(place.partition, records, consumer.highwater(place))
            except (FirestoreError, NotDurable) as error:
                self._next[place] = records[0].offset
                self._wait(consumer, place, error)
            else:
                self._next[place] = records[-1].offset + 1
                self._pauses.pop(place, None)
                await consumer.commit({place: self._next[place]})
        self._measure(consumer)
        await asyncio.sleep(max(ROUND_SECONDS, written / WRITES_PER_SECOND) - (monotonic() - began))

    async def _fetched(self, consumer: Any) -> dict[TopicPartition, list[Any]]:
        """What there is: a fetch may bring no more than what was written at once."""
        found: dict[TopicPartition, list[Any]] = await consumer.getmany(timeout_ms=500, max_records=_AT_ONCE)
        until = monotonic() + ROUND_SECONDS / 2
        while found and sum(map(len, found.values())) < _AT_ONCE and monotonic() < until:
            more = await consumer.getmany(timeout_ms=_MORE_MS, max_records=_AT_ONCE)
            if not more:
                break
            for place, records in more.items():
                found.setdefault(place, []).extend(records)
        return found

    def _wait(self, consumer: Any, place: TopicPartition, error: Exception) -> None:
        """Read these records again, after a while that grows with every failure."""
        failures = self._pauses.get(place, _Pause(0, 0)).failures + 1
        wanted = error.wait if isinstance(error, Later) else 0
        seconds = max(wanted, min(2.0 ** (failures - 1), LONGEST_WAIT_SECONDS) * uniform(0.5, 1))
        LOG.warning("statuses wait", partition=place.partition, cause=str(error), seconds=round(seconds, 1))
        self._pauses[place] = _Pause(failures, monotonic() + seconds)
        consumer.seek(place, self._next[place])
        consumer.pause(place)

    def _resume(self, consumer: Any, now: float) -> None:
        over = [place for place in consumer.paused() if place not in self._pauses or self._pauses[place].until <= now]
        if over:
            consumer.resume(*over)

    def _measure(self, consumer: Any) -> None:
        """How much of the log is not written yet, as far as the last fetches tell."""
        mine = consumer.assignment()
        self._pauses = {place: pause for place, pause in self._pauses.items() if place in mine}
        known = {place: end for place in mine if (end := consumer.highwater(place)) is not None}
        behind = sum(end - self._next.get(place, end) for place, end in known.items())
        self._metrics.behind.set(behind)
        if not behind:
            self._metrics.caught_up.set_to_current_time()
