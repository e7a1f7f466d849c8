"""Follows compacted topics on the log, without a group: nothing that a worker could notice."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from math import inf
from time import monotonic
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from agents.clock import LogClock
from agents.kafka import for_aiokafka
from agents.said import Said
from agents.settings import Settings
from streams import serde
from streams.contracts.internal import Tick
from streams.topics import TICK

LOG = structlog.get_logger("d2ev")
#: A probe of the log's end that takes longer has failed.
ANSWER_SECONDS: Final = 5.0
#: Read to the end no longer ago than this: what we know is what control last said.
FRESH_SECONDS: Final = 10.0
#: No answer for so long: Kafka is gone, and what we last knew has to do.
PATIENCE_SECONDS: Final = 15.0
_AT_ONCE: Final = 5000


class LogReader(ABC):
    """Reads the log up to its end, then on. With `ticks`, time is read from the log as well.

    `sources` are the names under which topics are heard.
    """

    def __init__(self, settings: Settings, sources: Mapping[str, str], ticks: LogClock | None = None) -> None:
        self._settings = settings
        self._ticks = ticks
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what goes wrong is said once, by us
        self._sources = dict(sources) | ({TICK.name: TICK.name} if ticks else {})
        self._read_up_at: float | None = None
        self._gone_since: float | None = None

    @abstractmethod
    def began(self) -> None:
        """The log is read from its beginning: now, and again after every trouble."""

    @abstractmethod
    def took(self, said: list[Said]) -> None:
        """Some of the log, in order per key."""

    @abstractmethod
    def reached(self) -> None:
        """What was taken since it began is all that the log says."""

    @property
    def read_up(self) -> bool:
        """What we know is what the log says."""
        return self._read_up_at is not None and monotonic() - self._read_up_at <= FRESH_SECONDS

    @property
    def behind_seconds(self) -> float:
        """How long ago the log was last read to its end; infinite if it never was."""
        return inf if self._read_up_at is None else monotonic() - self._read_up_at

    @property
    def out_of_touch(self) -> timedelta:
        """For how long time has gone on without the log; never where time comes by the log."""
        if self._gone_since is None or self._ticks is not None:
            return timedelta()
        return timedelta(seconds=monotonic() - self._gone_since)

    @property
    def kafka_gone(self) -> bool:
        """We have asked for long enough, and nothing answers."""
        return self._gone_since is not None and monotonic() - self._gone_since >= PATIENCE_SECONDS

    async def run(self) -> None:
        """Follow for ever; a log that goes away is looked for again, and read anew from its beginning."""
        while True:
            try:
                await self.read(for_ever=True)
            except Exception as error:
                # Whatever it is: who follows no longer must say so, and the guarding goes on.
                if self._gone_since is None:
                    LOG.warning("the log does not answer", error=type(error).__name__)
                    self._gone_since = monotonic()
            await asyncio.sleep(1)

    async def read(self, *, for_ever: bool = False) -> None:
        """Read the log up to its end. Raises KafkaError, OSError or TimeoutError."""
        reading = asyncio.create_task(self._read(for_ever=for_ever))
        try:
            await asyncio.wait({reading})
        finally:
            reading.cancel()
            await asyncio.wait({reading}, timeout=2 * ANSWER_SECONDS)
        if reading.cancelled():
            # aiokafka cancels its futures when it loses the broker; that is nobody's wish to stop us.
            raise TimeoutError("the client gave up")
        reading.result()

    async def _read(self, *, for_ever: bool) -> None:
        places = [TopicPartition(topic, p) for topic in self._sources for p in range(self._settings.partitions)]
        consumer = AIOKafkaConsumer(
            **for_aiokafka(self._settings),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            request_timeout_ms=int(ANSWER_SECONDS * 1000),
        )
        try:
            await asyncio.wait_for(consumer.start(), ANSWER_SECONDS)
            consumer.assign(places)
            await self._follow(consumer, places, for_ever=for_ever)
        finally:
            with suppress(KafkaError, OSError, TimeoutError):
                await asyncio.wait_for(consumer.stop(), ANSWER_SECONDS)

    async def _follow(self, consumer: Any, places: list[TopicPartition], *, for_ever: bool) -> None:
        self.began()
        while True:
            ends = await asyncio.wait_for(consumer.end_offsets(places), ANSWER_SECONDS)
            heard = monotonic()
            while await _behind(consumer, ends):
                batches = await consumer.getmany(timeout_ms=200, max_records=_AT_ONCE)
                self.took([said for batch in batches.values() for record in batch if (said := self._said(record))])
                if batches:
                    heard = monotonic()
                elif monotonic() - heard > ANSWER_SECONDS:
                    raise TimeoutError("the log ends before its end")
            self.reached()
            self._read_up_at, self._gone_since = monotonic(), None
            if not for_ever:
                return
            # Comes back as soon as there is something: who follows hears it at once.
            batches = await consumer.getmany(timeout_ms=500, max_records=_AT_ONCE)
            self.took([said for batch in batches.values() for record in batch if (said := self._said(record))])

    def _said(self, record: Any) -> Said | None:
        if record.topic == TICK.name:
            self._tick(record.value)
            return None
        erased_at = serde.event_time(record.headers, record.timestamp) if record.value is None else None
        return Said(self._sources[record.topic], record.key.decode(errors="replace"), record.value, erased_at)

    def _tick(self, value: bytes) -> None:
        tick = serde.decode(TICK.name, value)
        if self._ticks is not None and isinstance(tick, Tick):
            self._ticks.seen(tick.at)


class LogFollower(LogReader):
    """Gives `hear` what the log says; where it is to be `whole`, only from the end on."""

    def __init__(
        self,
        settings: Settings,
        sources: Mapping[str, str],
        hear: Callable[[list[Said]], None],
        ticks: LogClock | None = None,
        *,
        whole: bool = True,
    ) -> None:
        super().__init__(settings, sources, ticks)
        self._hear = hear
        self._whole = whole
        self._pending: list[Said] = []

    def began(self) -> None:
        self._pending.clear()

    def took(self, said: list[Said]) -> None:
        self._pending += said
        if not self._whole:
            self.reached()

    def reached(self) -> None:
        self._hear(self._pending)
        self._pending.clear()


async def _behind(consumer: Any, ends: dict[TopicPartition, int]) -> bool:
    for place, end in ends.items():
        if end and await consumer.position(place) < end:
            return True
    return False
