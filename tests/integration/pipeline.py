"""One worker of the whole pipeline on real Kafka, without cars to call: what goes in, what comes out."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.engine.log import LogWriter, Outgoing
from agents.settings import Settings, load
from deploy import topics
from deploy.demo.quiet import Quiet
from deploy.demo.workers import Workers
from streams.topics import REGISTRATION, TELEMETRY, VEHICLE
from tests.kafka_chain import Kafka

PARTITION, PARTITIONS = 1, 2


@dataclass
class Pipeline:
    """A worker "one", and a way to write to it."""

    settings: Settings
    workers: Workers
    writer: LogWriter
    quiet: Quiet

    async def write(self, topic: str, pairs: list[tuple[bytes | None, bytes]]) -> None:
        """Write to one partition and wait until all of it is dealt with."""
        await self.writer.write([Outgoing(topic, PARTITION, key, value) for key, value in pairs])
        await self.quiet.wait(60)

    async def read(self, topic: str) -> list[Any]:
        """All records of a topic in that partition."""
        async with AIOKafkaConsumer(bootstrap_servers=self.settings.bootstrap, auto_offset_reset="earliest") as log:
            place = TopicPartition(topic, PARTITION)
            log.assign([place])
            end = (await log.end_offsets([place]))[place]
            records: list[Any] = []
            while await log.position(place) < end:
                records += (await log.getmany(timeout_ms=200)).get(place, [])
        return records


@asynccontextmanager
async def pipeline(kafka: Kafka, directory: Path) -> AsyncIterator[Pipeline]:
    """Topics made, the worker started; its store and log are in `directory`."""
    async with AsyncExitStack() as stack:
        settings = load({}, bootstrap=kafka.bootstrap, partitions=PARTITIONS, clock="log")
        topics.apply(settings)
        environment = {
            "D2EV_BOOTSTRAP": settings.bootstrap, "D2EV_PARTITIONS": str(PARTITIONS), "D2EV_CLOCK": "log",
            "D2EV_FETCH_WAIT_MS": "20",
        }  # fmt: skip
        workers = Workers(directory, environment)
        stack.push_async_callback(workers.close)
        await workers.start("one")
        writer = LogWriter(settings)
        await writer.start()
        stack.push_async_callback(writer.stop)
        read = [TELEMETRY.name, REGISTRATION.name, VEHICLE.name]
        quiet = Quiet(workers, settings.bootstrap, read, PARTITIONS)
        await quiet.start()
        stack.push_async_callback(quiet.stop)
        yield Pipeline(settings, workers, writer, quiet)
