"""A maker's own stream: its records taken in order, and acknowledged once what they told is on our log."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from agents.ingress.intake import Intake, Origin, Parcel
from agents.ingress.metrics import IngressMetrics
from oem_connectors.answers import translated
from oem_connectors.base import Connector
from oem_connectors.errors import OemError
from oem_connectors.push import Stream

LOG = structlog.get_logger("d2ev")
ANSWER_SECONDS: Final = 5.0
AGAIN_SECONDS: Final = 1.0
_AT_ONCE: Final = 500


class Source(NamedTuple):
    """Where a maker's stream is: its Kafka, and the prefix of the topics there."""

    connector: Connector
    stream: Stream
    bootstrap: str
    prefix: str


def source(connectors: Mapping[str, Connector], oem: str, address: str) -> Source:
    """The stream of a maker at "host:port/prefix". Raises ValueError."""
    connector = connectors.get(oem)
    if connector is None or connector.stream is None:
        known = ", ".join(name for name, one in connectors.items() if one.stream is not None)
        raise ValueError(f"D2EV_OEM_STREAMS: no stream of {oem!r} is known; there are {known}")
    bootstrap, _, prefix = address.partition("/")
    return Source(connector, connector.stream, bootstrap, prefix)


class Streaming:
    """Follows one maker's stream as a member of our group, which shares its partitions among all ingresses."""

    def __init__(
        self, where: Source, group: str, session_seconds: float, intake: Intake, metrics: IngressMetrics
    ) -> None:
        self._where = where
        self._group = group
        self._session_ms = int(session_seconds * 1000)
        self._intake = intake
        self._metrics = metrics
        self.reading = False

    async def run(self) -> None:
        """Follow until cancelled. After any trouble it begins anew at what was last acknowledged."""
        while True:
            member = asyncio.create_task(self._once())
            try:
                await asyncio.wait({member})
            finally:
                self.reading = False
                member.cancel()
                await asyncio.wait({member}, timeout=2 * ANSWER_SECONDS)
            error = None if member.cancelled() else member.exception()
            LOG.warning("a stream is interrupted", oem=self._where.connector.name, error=type(error).__name__)
            await asyncio.sleep(AGAIN_SECONDS)

    async def _once(self) -> None:
        where = self._where
        consumer = AIOKafkaConsumer(
            *where.stream.topics(where.prefix),
            bootstrap_servers=where.bootstrap,
            group_id=self._group,
            session_timeout_ms=self._session_ms,
            heartbeat_interval_ms=self._session_ms // 3,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        try:
            await asyncio.wait_for(consumer.start(), ANSWER_SECONDS)
            self.reading = True
            while True:
                await self._step(consumer)
        finally:
            with suppress(KafkaError, OSError, TimeoutError):
                await asyncio.wait_for(consumer.stop(), ANSWER_SECONDS)

    async def _step(self, consumer: Any) -> None:
        batches = await consumer.getmany(timeout_ms=500, max_records=_AT_ONCE)
        for place, records in batches.items():
            await self._take(records)
            await consumer.commit({place: records[-1].offset + 1})

    async def _take(self, records: list[Any]) -> None:
        oem = self._where.connector.name
        parcels = [opened(self._where.stream, record) for record in records]
        await self._intake.take(self._where.connector, parcels)
        self._metrics.newest.labels(oem).set_to_current_time()
        for parcel in parcels:
            self._metrics.deliveries.labels(oem, "broken" if parcel.cause else "taken").inc()


def opened(stream: Stream, record: Any) -> Parcel:
    """The news in one record."""
    origin = Origin(record.topic, record.partition, record.offset, record.key)
    headers = {name: value.decode(errors="replace") for name, value in record.headers}
    value = record.value or b""
    try:
        return Parcel(origin, value, translated(stream.decode, record.topic, headers, value))
    except OemError as error:
        return Parcel(origin, value, cause=str(error))
