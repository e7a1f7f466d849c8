"""The transport alone: every numbered record is copied while workers are killed, stopped, joined and suspended."""

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from agents.engine.log import LogWriter, Outgoing
from agents.kafka import KafkaAccess
from deploy.demo.quiet import NeverQuiet, Quiet
from deploy.demo.workers import WorkerFailed, Workers
from streams import serde
from streams.contracts.account import AccountState, Link
from streams.topics import ACCOUNT, TICK
from tests.integration.numbers_worker import COPIES, LAST
from tests.kafka_chain import Kafka

pytestmark = pytest.mark.timeout(240)
PARTITIONS = 3
APP = "d2ev-numbers"
PROGRAM = ("tests.integration.numbers_worker",)
AT = datetime(2023, 3, 25, tzinfo=UTC)


@dataclass
class Rig:
    """A broker with the topics, and workers not yet started."""

    bootstrap: str
    workers: Workers
    writer: LogWriter
    written: int = 0

    async def write(self, count: int, oem: str = "small") -> None:
        """The next `count` numbers, spread over the partitions."""
        numbers = range(self.written, self.written + count)
        self.written += count
        await self.writer.write([_record(number, oem) for number in numbers])

    async def quiet(self, limit_seconds: float = 60) -> None:
        """Wait until the workers say that they have processed all there is. Raises NeverQuiet."""
        waiting = Quiet(self.workers, self.bootstrap, [ACCOUNT.name], PARTITIONS)
        await waiting.start()
        try:
            await waiting.wait(limit_seconds)
        finally:
            await waiting.stop()

    async def copies(self) -> Counter[int]:
        """How often each number came out at the other end."""
        async with AIOKafkaConsumer(bootstrap_servers=self.bootstrap, auto_offset_reset="earliest") as consumer:
            places = [TopicPartition(COPIES.name, partition) for partition in range(PARTITIONS)]
            consumer.assign(places)
            ends = {tp: end for tp, end in (await consumer.end_offsets(places)).items() if end}
            seen: Counter[int] = Counter()
            while any([await consumer.position(tp) < end for tp, end in ends.items()]):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    seen.update(int(json.loads(record.value)["reason"]) for record in records)
        return seen

    async def missing(self) -> list[int]:
        """Numbers that went in and never came out."""
        return sorted(set(range(self.written)) - set(await self.copies()))


def _record(number: int, oem: str) -> Outgoing:
    state = AccountState(account=f"a{number % 50}", oem=oem, link=Link.LINKED, reason=str(number), since=AT)
    return Outgoing(ACCOUNT.name, number % PARTITIONS, state.account.encode(), serde.encode(state))


@asynccontextmanager
async def rig(kafka: Kafka, run_dir: Path, program: Sequence[str] = PROGRAM) -> AsyncIterator[Rig]:
    """Topics made, writer open; everything is stopped at the end."""
    small = {"max.message.bytes": "200000"}
    new = [NewTopic(name, PARTITIONS, 1) for name in (ACCOUNT.name, TICK.name, LAST.changelog(APP))]
    new.append(NewTopic(COPIES.name, PARTITIONS, 1, config=small))
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    for made in admin.create_topics(new).values():
        made.result(10)
    environment = {
        "D2EV_BOOTSTRAP": kafka.bootstrap, "D2EV_APP_ID": APP, "D2EV_PARTITIONS": str(PARTITIONS),
        "D2EV_CLOCK": "log", "D2EV_FETCH_WAIT_MS": "20", "D2EV_SESSION_TIMEOUT_SECONDS": "4",
    }  # fmt: skip
    workers, writer = Workers(run_dir, environment, program), LogWriter(KafkaAccess(bootstrap=kafka.bootstrap))
    await writer.start()
    try:
        yield Rig(kafka.bootstrap, workers, writer)
    finally:
        await workers.close()
        await writer.stop()


def suspend(workers: Workers) -> None:
    """Make every worker clear its queues and resume, as Faust does around a recovery."""
    for worker in workers.all:
        os.kill(worker.process.pid, signal.SIGUSR1)


async def under_way(night: Rig, more_than: int) -> None:
    """Return once more than so many copies are out: work is in full swing."""
    async with AIOKafkaConsumer(bootstrap_servers=night.bootstrap) as consumer, asyncio.timeout(30):
        places = [TopicPartition(COPIES.name, partition) for partition in range(PARTITIONS)]
        while sum((await consumer.end_offsets(places)).values()) <= more_than:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_no_number_is_missing_after_kills_stops_joins_and_suspensions(empty_kafka: Kafka, tmp_path: Path) -> None:
    async with rig(empty_kafka, tmp_path) as r:
        await r.workers.start("one")
        await r.write(3000)
        await under_way(r, 500)
        suspend(r.workers)
        await r.workers.start("two")
        await r.write(3000)
        await under_way(r, 3500)
        await r.workers.stop("one", kill=True)
        await r.write(3000)
        await r.workers.start("one")
        await under_way(r, 6500)
        await r.workers.stop("two")
        suspend(r.workers)
        await r.write(3000)
        await under_way(r, 9500)
        await r.workers.stop("one", kill=True)
        await r.workers.start("one")
        await r.quiet()
        assert await r.missing() == []


async def _suspend_often(r: Rig) -> None:
    """Write 6000 numbers and suspend the flow five times while they are copied."""
    start = (await r.copies()).total()
    await r.write(6000)
    for copied in range(500, 3000, 500):
        await under_way(r, start + copied)
        suspend(r.workers)


async def test_suspending_the_flow_loses_nothing(empty_kafka: Kafka, tmp_path: Path) -> None:
    async with rig(empty_kafka, tmp_path) as r:
        await r.workers.start("one")
        await r.quiet()
        await _suspend_often(r)
        await r.quiet()
        assert await r.missing() == []


async def test_the_count_sees_the_loss_when_flow_resumes_without_seeking_back(
    empty_kafka: Kafka, tmp_path: Path
) -> None:
    """The proof that the tests above can fail: this is how Faust's stock transport resumes."""
    async with rig(empty_kafka, tmp_path, (*PROGRAM, "--no-seek")) as r:
        await r.workers.start("one")
        await r.quiet()
        for _ in range(8):  # a suspension that finds the queues empty loses nothing: not every round does
            await _suspend_often(r)
            with suppress(NeverQuiet):  # nothing comes after what it lost last
                await r.quiet(10)
            if await r.missing():
                return
        pytest.fail("40 suspensions without seeking back, and no number is missing")


async def test_a_copy_the_broker_refuses_stops_the_worker_before_the_commit(empty_kafka: Kafka, tmp_path: Path) -> None:
    async with rig(empty_kafka, tmp_path) as r:
        worker = await r.workers.start("one")
        await r.write(PARTITIONS * 10)
        await r.quiet()
        await r.write(PARTITIONS, oem="large")
        await r.write(PARTITIONS * 10)
        assert await asyncio.wait_for(worker.process.wait(), 60) == 1
        with pytest.raises(WorkerFailed, match=r"ended with code 1; see .*one\.log"):
            await r.workers.statuses()
        assert "NotDurable" in worker.log.read_text()
        async with AIOKafkaConsumer(bootstrap_servers=r.bootstrap, group_id=APP) as consumer:
            committed = [await consumer.committed(TopicPartition(ACCOUNT.name, p)) for p in range(PARTITIONS)]
        assert committed == [10] * PARTITIONS, "the refused record is number 10 of each partition"
