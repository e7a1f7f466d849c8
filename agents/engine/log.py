"""Writing to Kafka so that it is there when the call returns: all replicas, idempotent, in bulk per partition."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.protocol.produce import ProduceRequest
from msgspec import Struct

from agents.kafka import KafkaAccess, for_aiokafka

BATCH_BYTES = 1_000_000
REQUEST_BYTES = 8 * 1_048_576


class Outgoing(Struct, frozen=True, gc=False):
    """A record to write. `value` None is a tombstone."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class NotDurable(RuntimeError):
    """The broker did not confirm a write. The worker must stop before it commits anything that depends on it."""


class Lapsed(KafkaError):
    """This process slept, and others own its partitions by now: what it had not sent yet must not undo theirs."""


def fenced(send: Callable[..., Awaitable[Any]], lapsed: Callable[[Collection[str]], bool]) -> Callable[..., Any]:
    """`send` of a Kafka client, but that it writes to no topics that are `lapsed` when the request leaves.

    A producer holds what it was given until the broker has it, over a sleep of any length, and Kafka takes it.
    """

    async def sending(node_id: Any, request: Any, **options: Any) -> Any:
        if isinstance(request, ProduceRequest) and lapsed([topic for topic, _ in request._topics]):
            raise Lapsed
        return await send(node_id, request, **options)

    return sending


class LogWriter:
    """A producer whose only verb is: write these, and come back when all replicas have them."""

    def __init__(self, kafka: KafkaAccess, timeout_ms: int = 30_000) -> None:
        self._kafka = kafka
        self._settings: dict[str, Any] = {
            "acks": "all",
            "enable_idempotence": True,
            "max_batch_size": BATCH_BYTES,
            "max_request_size": REQUEST_BYTES,
            "request_timeout_ms": timeout_ms,
        }
        self._producer: AIOKafkaProducer | None = None
        #: Whether writes to these topics may leave no more.
        self.lapsed: Callable[[Collection[str]], bool] = lambda topics: False

    async def start(self) -> None:
        self._producer = AIOKafkaProducer(**for_aiokafka(self._kafka), **self._settings)
        try:
            await self._producer.start()
        except BaseException:
            await self._producer.stop()
            raise
        client = self._producer.client
        client.send = fenced(client.send, self.lapsed)

    async def stop(self) -> None:
        if self._producer is not None:
            await self._producer.stop()

    async def write(self, records: Iterable[Outgoing]) -> dict[tuple[str, int], int]:
        """Write `records`, in order per partition. Returns the last offset per (topic, partition).

        Raises NotDurable when any of them was not confirmed.
        """
        by_partition: dict[tuple[str, int], list[Outgoing]] = defaultdict(list)
        for record in records:
            by_partition[record.topic, record.partition].append(record)
        if len(by_partition) == 1:
            ((target, batch),) = by_partition.items()
            return {target: await self._write_partition(target, batch)}
        offsets = await asyncio.gather(*(self._write_partition(t, batch) for t, batch in by_partition.items()))
        return dict(zip(by_partition, offsets, strict=True))

    async def _write_partition(self, target: tuple[str, int], records: list[Outgoing]) -> int:
        producer = self._producer
        if producer is None:
            raise NotDurable("the log writer is not started")
        topic, partition = target
        sent: list[tuple[Any, int]] = []
        try:
            batch, count = producer.create_batch(), 0
            for record in records:
                # aiokafka calls a batch full when nothing more fits; a first record of any size always fits.
                headers = list(record.headers)
                if batch.append(key=record.key, value=record.value, timestamp=None, headers=headers) is None:
                    sent.append((await producer.send_batch(batch, topic, partition=partition), count))
                    batch, count = producer.create_batch(), 0
                    batch.append(key=record.key, value=record.value, timestamp=None, headers=headers)
                count += 1
            sent.append((await producer.send_batch(batch, topic, partition=partition), count))
            last = -1
            for future, length in sent:
                metadata = await future
                if metadata is None or metadata.offset is None or metadata.offset < 0:
                    raise NotDurable(f"{topic}[{partition}]: the broker gave no offset")
                last = metadata.offset + length - 1
        except NotDurable:
            raise
        except Exception as error:
            raise NotDurable(f"{topic}[{partition}]: {type(error).__name__}: {error}") from error
        return last
