"""The floor: plain aiokafka that reads the same bytes and writes the same bytes, and does nothing in between.

Same durability: acks from all replicas, idempotent, one batch per partition, outputs before changelog before commit.
The bytes to write are looked up by offset, so no reading is decoded and no state is kept.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from deploy.bench.variants.job import Job, Meter

COMMIT_SECONDS = 1.0
RECORDS_PER_FETCH = 4000
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


class Copier:
    """Writes what belongs to the records of one partition."""

    def __init__(self, job: Job, producer: Any) -> None:
        self._job = job
        self._producer = producer
        self._states: Sequence[Sequence[bytes]] = pickle.loads(Path(job.states).read_bytes())  # noqa: S301 - our own file

    async def copy(self, partition: int, records: Sequence[Any]) -> None:
        """Outputs, then the changelog: one record per key."""
        states = self._states[partition]
        outputs = [(record.key, states[record.offset]) for record in records]
        await self._write(self._job.target, partition, outputs, HEADERS)
        await self._write(self._job.changelog, partition, dict(outputs).items(), [])

    async def _write(
        self, topic: str, partition: int, rows: Iterable[tuple[bytes, bytes]], headers: list[tuple[str, bytes]]
    ) -> None:
        producer, sent = self._producer, []
        batch = producer.create_batch()
        for key, value in rows:
            if batch.append(key=key, value=value, timestamp=None, headers=headers) is None:
                sent.append(await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                batch.append(key=key, value=value, timestamp=None, headers=headers)
        sent.append(await producer.send_batch(batch, topic, partition=partition))
        await asyncio.gather(*sent)


async def run(job: Job) -> None:
    """Copy the job's readings."""
    producer = AIOKafkaProducer(
        bootstrap_servers=job.bootstrap, acks="all", enable_idempotence=True, max_batch_size=BATCH_BYTES,
        max_request_size=REQUEST_BYTES,
    )
    consumer = AIOKafkaConsumer(
        job.source, bootstrap_servers=job.bootstrap, group_id=job.name, enable_auto_commit=False,
        auto_offset_reset="earliest", max_poll_records=RECORDS_PER_FETCH,
    )
    await producer.start()
    copier = Copier(job, producer)
    await consumer.start()
    meter, done, committed_at = Meter(), 0, time.monotonic()
    while done < job.events:
        chunks = await consumer.getmany(timeout_ms=200)
        if chunks:
            meter.start()
        await asyncio.gather(*(copier.copy(tp.partition, records) for tp, records in chunks.items()))
        done += sum(map(len, chunks.values()))
        if time.monotonic() - committed_at > COMMIT_SECONDS:
            await consumer.commit()
            committed_at = time.monotonic()
    meter.stop(done)
    await consumer.commit()
    await consumer.stop()
    await producer.stop()


if __name__ == "__main__":
    asyncio.run(run(Job.from_arguments()))
    os._exit(0)
