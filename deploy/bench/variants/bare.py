"""Plain aiokafka: the same bytes in, the same bytes out, without Faust, without a store, without dead letters.

Same durability: acks from all replicas, idempotent, one batch per partition, outputs before changelog before commit.
What it writes for its records is a function: here the fold, in memory; in `copying` a look-up.
"""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from deploy.bench.variants.job import Job, Meter
from streams import hot
from streams.domain.vehicle import fold

COMMIT_SECONDS = 1.0
RECORDS_PER_FETCH = 4000
FETCH_BYTES = 4 * 1_048_576
BATCH_BYTES = 1_000_000
REQUEST_BYTES = 8 * 1_048_576
#: As many bytes as the CloudEvents attributes of a state.
HEADERS = [
    ("ce_specversion", b"1.0"),
    ("ce_type", b"d2ev.vehicle.state.v1"),
    ("ce_source", b"/d2ev/vehicle_state"),
    ("ce_time", b"2023-03-25T10:00:00Z"),
    ("content-type", b"application/json"),
    ("ce_id", b"vehicle_state-d2ev.vehicle.telemetry.v1-0-10000-1000"),
]
Row = tuple[bytes, bytes]
#: Records of one partition to what is written for them, key and value.
States = Callable[[int, Sequence[Any]], list[Row]]


def folding() -> States:
    """Decodes, folds in memory and encodes, with the codec and the rule of the pipeline."""
    known: dict[bytes, hot.VehicleRow] = {}

    def states(_partition: int, records: Sequence[Any]) -> list[Row]:
        rows = []
        for record in records:
            before = known.get(record.key)
            after = fold(before, hot.decode_telemetry(record.value))
            if after is not before:
                known[record.key] = after
                rows.append((record.key, hot.encode_vehicle(after)))
        return rows

    return states


class Writer:
    """Makes what was read durable: outputs, then the changelog with one record per key."""

    def __init__(self, job: Job, producer: Any, states: States) -> None:
        self._job = job
        self._producer = producer
        self._states = states

    async def take(self, partition: int, records: Sequence[Any]) -> None:
        """Write what belongs to the records of one partition."""
        rows = self._states(partition, records)
        await self._write(self._job.target, partition, rows, HEADERS)
        await self._write(self._job.changelog, partition, dict(rows).items(), [])

    async def _write(self, topic: str, partition: int, rows: Iterable[Row], headers: list[tuple[str, bytes]]) -> None:
        producer, sent = self._producer, []
        batch = producer.create_batch()
        for key, value in rows:
            if batch.append(key=key, value=value, timestamp=None, headers=headers) is None:
                sent.append(await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                batch.append(key=key, value=value, timestamp=None, headers=headers)
        sent.append(await producer.send_batch(batch, topic, partition=partition))
        await asyncio.gather(*sent)


async def run(job: Job, states: States) -> None:
    """Take the job's readings and write their states."""
    gc.set_threshold(100_000, 20, 20)  # as the worker does
    producer = AIOKafkaProducer(
        bootstrap_servers=job.bootstrap,
        acks="all",
        enable_idempotence=True,
        max_batch_size=BATCH_BYTES,
        max_request_size=REQUEST_BYTES,
    )
    consumer = AIOKafkaConsumer(
        job.source,
        bootstrap_servers=job.bootstrap,
        group_id=job.name,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_poll_records=RECORDS_PER_FETCH,
        max_partition_fetch_bytes=FETCH_BYTES,
    )
    await producer.start()
    await consumer.start()
    await _consume(job, consumer, Writer(job, producer, states))
    await consumer.commit()
    await consumer.stop()
    await producer.stop()


async def _consume(job: Job, consumer: Any, writer: Writer) -> None:
    meter, done, committed_at = Meter(), 0, time.monotonic()
    while done < job.events:
        chunks = await consumer.getmany(timeout_ms=200)
        if chunks:
            meter.start()
        await asyncio.gather(*(writer.take(tp.partition, records) for tp, records in chunks.items()))
        done += sum(map(len, chunks.values()))
        if time.monotonic() - committed_at > COMMIT_SECONDS:
            await consumer.commit()
            committed_at = time.monotonic()
    meter.stop(done)


if __name__ == "__main__":
    asyncio.run(run(Job.from_arguments(), folding()))
    os._exit(0)
