"""Runs the stages: one lane per (stage, partition), chunks in order, effects durable before a chunk counts as done.

Order of a commit: outputs durable, then changelog durable, then one store batch that carries the changelog offset,
then the acknowledgement. A crash at any point is therefore a replay, never a loss. A write that the broker does not
confirm stops the worker before anything is committed.
"""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from agents.engine.chunk import Chunk
from agents.engine.jobs import Jobs
from agents.engine.log import LogWriter
from agents.engine.stage import Effects, Job, Memory, Record, Revoked, Stage, Work
from agents.engine.store import PartitionRows
from agents.engine.wire import Outbox, Refused, decoded, event_time
from agents.metrics import Metrics
from agents.sealing import Sealer
from streams.contracts.dead_letter import DeadLetter
from streams.topics import TICK
from tables.table import Table

V = TypeVar("V")

#: Calls to OEMs and push services that one lane has under way at once.
JOBS_AT_ONCE = 64
#: How long the result of a job may wait for those of the jobs beside it.
RESULTS_WAIT_SECONDS = 0.03
#: A chunk makes many objects that die with it and hardly a cycle: the collector need not look at each of them thrice.
YOUNG_OBJECTS = 100_000


class Result(NamedTuple):
    """What a job wants committed, and who waits for it."""

    change: Callable[[Work], None]
    last_word: bool
    done: asyncio.Future[None]


class Runtime:
    """All lanes of a worker."""

    def __init__(
        self,
        stages: tuple[Stage, ...],
        bound: Mapping[str, Any],
        partitions: int,
        writer: LogWriter,
        sealer: Sealer,
        metrics: Metrics,
        crash: Callable[[BaseException], None],
    ) -> None:
        self.bound = bound
        self.partitions = partitions
        self.writer = writer
        self.sealer = sealer
        self.metrics = metrics
        self.crash = crash
        self.epoch: Callable[[], int] = lambda: 0
        #: Told the time of every tick as it is read.
        self.on_tick: Callable[[datetime], None] = lambda at: None
        #: The stage that reports an undecodable record of a topic: the first that reads it.
        self.reporter = {topic.name: stage.name for stage in reversed(stages) for topic in stage.reads}
        self._stages = stages
        gc.set_threshold(YOUNG_OBJECTS, 20, 20)
        self._lanes: dict[tuple[str, int], StageLane] = {}

    async def consume(self, stage: Stage, stream: Any) -> None:
        """The body of the stage's Faust agent: hand each chunk to the lane of its partition."""
        async for event in stream.events():
            if event.value.epoch != self.epoch():
                event.value.dropped = True
                continue
            # The stream gives up its own share when it moves on; the lane keeps this one until all is durable.
            event.message.incref()
            self.lane(stage, event.value.partition).put(event.message)

    def lane(self, stage: Stage, partition: int) -> StageLane:
        """The lane of a stage in a partition."""
        lane = self._lanes.get((stage.name, partition))
        if lane is None:
            lane = self._lanes[stage.name, partition] = StageLane(self, stage, partition)
        return lane

    def begin(self, places: Iterable[tuple[str, int]]) -> None:
        """Open the lanes of these (topic, partition): what was under way is taken up before the next record comes."""
        places = sorted(places)
        for stage in self._stages:
            reads = {topic.name for topic in stage.reads}
            for topic, partition in places:
                if topic in reads:
                    self.lane(stage, partition)

    async def finish(self) -> None:
        """End the assignment: finish begun chunks, drop the rest and all jobs, forget what was remembered."""
        while lanes := dict(self._lanes):
            # Jobs first: they reach into the lanes of other stages.
            for lane in lanes.values():
                await lane.jobs.drop()
            for lane in lanes.values():
                await lane.close()
            self._lanes = {place: lane for place, lane in self._lanes.items() if lanes.get(place) is not lane}

    def restored(self) -> bool:
        """Has every lane taken up what was under way before it?"""
        return all(lane.restored for lane in self._lanes.values())

    def busy(self) -> bool:
        """Is any lane at work, or about to be?"""
        return any(lane.busy() for lane in self._lanes.values())

    def in_flight(self) -> int:
        """Jobs waiting or running."""
        return sum(len(lane.jobs) for lane in self._lanes.values())

    def next_due(self) -> dict[str, datetime]:
        """The earliest instant at which a stage wants attention, per stage that does."""
        due: dict[str, datetime] = {}
        for (stage, _), lane in self._lanes.items():
            at = lane.memory.due.next()
            if at is not None:
                due[stage] = min(at, due.get(stage, at))
        return due


class StageLane:
    """One stage in one partition: takes chunks and job results in turn."""

    def __init__(self, runtime: Runtime, stage: Stage, partition: int) -> None:
        self.partition = partition
        self.memory = Memory()
        self.jobs = Jobs(JOBS_AT_ONCE, runtime.crash)
        self.counts: Counter[str] = runtime.metrics.counts(stage.name)
        self._runtime = runtime
        self._stage = stage
        self._epoch = runtime.epoch()
        self._rows = PartitionRows(stage.tables, runtime.bound, partition)
        self._outbox = Outbox(stage.name, partition, runtime.partitions)
        self._queue: asyncio.Queue[Any] = asyncio.Queue()
        self._turn = asyncio.Lock()
        self._results: list[Result] = []
        self._all_in = asyncio.Event()
        self.restored = False
        self._task = asyncio.get_running_loop().create_task(self._serve())

    def put(self, message: Any) -> None:
        """Take a chunk's message; it is acknowledged when everything it caused is durable."""
        self._queue.put_nowait(message)

    def busy(self) -> bool:
        return bool(self._queue.qsize() or self._turn.locked() or len(self.jobs))

    async def close(self) -> None:
        await self._queue.join()
        await self.jobs.drop()
        self._task.cancel()

    def get(self, table: Table[V], key: str) -> V | None:
        """The row of `key` as last made durable."""
        return self._rows.get(table, key)

    async def commit(self, change: Callable[[Work], None], *, last_word: bool = False) -> None:
        """Apply the result of a job. Raises Revoked when the partition has gone, unless it is the last word on it.

        Results that come in close together are made durable together: a job that waits here lets others catch up.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._results.append(Result(change, last_word, done))
        if len(self._results) >= len(self.jobs):
            self._all_in.set()
        if len(self._results) == 1:
            asyncio.get_running_loop().create_task(self._commit_results())
        await done

    async def _commit_results(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._all_in.wait(), RESULTS_WAIT_SECONDS)
        async with self._turn:
            self._all_in.clear()
            results, self._results = self._results, []
            ours = self._epoch == self._runtime.epoch()
            _settle([result.done for result in results if not (ours or result.last_word)], Revoked())
            results = [result for result in results if ours or result.last_word]
            try:
                work = self._work([])
                for result in results:
                    result.change(work)
                await self._make_durable(work.effects, None)
            except Exception as error:
                outcome: Exception | None = error
            else:
                outcome = None
        _settle([result.done for result in results], outcome)

    async def _serve(self) -> None:
        try:
            async with self._turn:
                await self._restore()
        except Exception as error:
            self._runtime.crash(error)
        while True:
            message = await self._queue.get()
            chunk: Chunk = message.value
            try:
                if chunk.epoch == self._epoch == self._runtime.epoch():
                    async with self._turn:
                        await self._take(chunk)
                else:
                    chunk.dropped = True
                message.ack(self._runtime.bound["consumer"]())
            except Exception as error:
                chunk.dropped = True
                self._runtime.crash(error)
            finally:
                self._queue.task_done()

    async def _restore(self) -> None:
        if self._stage.restore is not None:
            work = self._work([])
            self._stage.restore(work)
            await self._make_durable(work.effects, None)
        self.restored = True

    async def _take(self, chunk: Chunk) -> None:
        good, refused = self._decoded(chunk)
        if chunk.topic == TICK.name:
            for record in good:
                self._runtime.on_tick(record.value.at)
        reports = self._runtime.reporter[chunk.topic] == self._stage.name
        dead = [self._letter(item.raw, item.cause) for item in refused] if reports else []
        work = self._step(good, dead)
        work.effects.dead.extend(dead)
        await self._make_durable(work.effects, chunk)
        self._count(chunk, work.touched, len(dead))

    def _count(self, chunk: Chunk, touched: int, dead: int) -> None:
        n = len(chunk.records)
        self.counts.update({"in": n, "out": touched, "dead_letters": dead, "filtered": n - touched - dead})
        self._runtime.metrics.stage_seen(self._stage.name, self.memory.clock)

    def _decoded(self, chunk: Chunk) -> tuple[list[Record], list[Refused]]:
        if chunk.decoded is None:
            chunk.decoded = decoded(chunk.topic, chunk.records)
        return chunk.decoded

    def _step(self, records: list[Record], dead: list[DeadLetter]) -> Work:
        """Run the stage's rule over `records`; a record it cannot take becomes a dead letter and the others go on."""
        while True:
            work = self._work(records)
            try:
                self._stage.step(work)
            except Exception as error:
                current = work.current
                if current is None:
                    raise
                self._runtime.metrics.log_refusal(self._stage.name, current.topic, current.offset, error)
                dead.append(self._letter(current.raw, f"{self._stage.name}: {type(error).__name__}"))
                records = [record for record in records if record is not current]
            else:
                return work

    def _work(self, records: list[Record]) -> Work:
        return Work(self.partition, records, self._rows, self.memory, event_time)

    def _letter(self, raw: Any, cause: str) -> DeadLetter:
        seal = self._runtime.sealer.seal
        context = f"{raw.topic}|{raw.partition}|{raw.offset}"
        return DeadLetter(
            stage=self._stage.name,
            topic=raw.topic,
            partition=raw.partition,
            offset=raw.offset,
            cause=cause,
            sealed_key=None if raw.key is None else seal(raw.key, context),
            sealed_value=None if raw.value is None else seal(raw.value, context),
            at=event_time(raw),
        )

    async def _make_durable(self, effects: Effects, chunk: Chunk | None) -> None:
        writer = self._runtime.writer
        encoded: dict[int, bytes] = {}
        if effects.sends or effects.dead:
            # A stage that never asks for the time has not moved the clock.
            clock = self.memory.clock if chunk is None else max(self.memory.clock, event_time(chunk.records[-1]))
            await writer.write(self._outbox.outputs(effects, clock, chunk, encoded))
        if effects.puts:
            changes = self._rows.changelog(effects.puts, encoded)
            self._rows.apply(changes, effects.puts, await writer.write(changes))
        for job in effects.jobs:
            self.jobs.add(job.serial, self._job(job))

    def _job(self, job: Job) -> Callable[[], Any]:
        async def run() -> None:
            try:
                await job.run(self)
            except Revoked:
                return

        return run


def _settle(futures: Iterable[asyncio.Future[None]], error: Exception | None) -> None:
    """Let those who wait go on; some may have been cancelled."""
    for future in futures:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
