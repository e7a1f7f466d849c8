"""One stage in one partition: chunks in order, every effect durable before a chunk counts as done.

Order of a commit: outputs durable, then changelog durable, then one store batch that carries the changelog offset,
then the acknowledgement. A crash at any point is therefore a replay, never a loss. A write that the broker does not
confirm stops the worker before anything is committed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from agents.engine.chunk import Chunk
from agents.engine.jobs import Jobs
from agents.engine.log import Outgoing
from agents.engine.stage import Effects, Job, Memory, Record, Revoked, Stage, StoreDamaged, Work
from agents.engine.store import PartitionRows
from agents.engine.strays import parted
from agents.engine.wire import Outbox, Refused, decoded, event_time, letter
from agents.failpoints import reach
from streams.contracts.dead_letter import DeadLetter
from streams.topics import TICK
from tables.table import Table

if TYPE_CHECKING:
    from agents.engine.runtime import Runtime

V = TypeVar("V")

#: Calls to OEMs and push services that one lane has under way at once.
JOBS_AT_ONCE = 64
#: How long the result of a job may wait for those of the jobs beside it.
RESULTS_WAIT_SECONDS = 0.03


class Result(NamedTuple):
    """What a job wants committed, and who waits for it."""

    change: Callable[[Work], None]
    last_word: bool
    done: asyncio.Future[None]


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
        async with self._turn:
            self._task.cancel()

    def get(self, table: Table[V], key: str) -> V | None:
        """The row of `key` as last made durable."""
        return self._rows.get(table, key)

    def owned(self) -> bool:
        """Whether the partition is still this worker's, as far as it can know."""
        return self._epoch == self._runtime.epoch() and self._runtime.alive()

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
            ours = self.owned()
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
                if chunk.epoch == self._epoch and self.owned():
                    async with self._turn:
                        await self._take(chunk)
                    reach("chunk.stored")
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
        reach("chunk.taken")
        good, refused = self._decoded(chunk)
        if chunk.topic == TICK.name and not self._beat(good):
            return
        reports = self._runtime.reporter[chunk.topic] == self._stage.name
        good, moved = await self._send_home(chunk, good, reports=reports)
        dead = [self._letter(item.raw, item.cause) for item in refused] if reports else []
        work = self._step(good, dead)
        for error in work.put_off:
            self._runtime.metrics.log_put_off(self._stage.name, self.partition, error)
        work.effects.dead.extend(dead)
        await self._make_durable(work.effects, chunk)
        self._count(chunk, work.touched + moved, len(dead))

    async def _send_home(self, chunk: Chunk, good: list[Record], *, reports: bool) -> tuple[list[Record], int]:
        """What is this partition's; the rest goes on to its own. After an expansion some write by the old number."""
        if not self._runtime.expanded:
            return good, 0
        ours, strays = parted(chunk.topic, good, self.partition, self._runtime.partitions)
        if not (strays and reports):
            return ours, 0
        await self._runtime.writer.write(strays)
        return ours, len(strays)

    def _beat(self, ticks: list[Record]) -> bool:
        """Every stage sees every tick, behind all that waits before it: its heartbeat. Some also act on it."""
        for tick in ticks:
            self._runtime.on_tick(tick.value.at)
            self.memory.tick(tick.value.at)
            self._runtime.metrics.heartbeat_seen(self._stage.name, self.partition, tick.value.at)
        return TICK in self._stage.reads

    def _count(self, chunk: Chunk, touched: int, dead: int) -> None:
        n = len(chunk.records)
        self.counts.update({"in": n, "out": touched, "dead_letters": dead, "filtered": n - touched - dead})
        self._runtime.metrics.stage_seen(self._stage.name)

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
            except StoreDamaged:
                raise
            except Exception as error:
                current = work.current
                if current is None:
                    raise
                self._runtime.metrics.log_refusal(self._stage.name, current.topic, current.offset, error)
                dead.append(self._letter(current.raw, f"{self._stage.name}: {type(error).__name__}"))
                records = [record for record in records if record is not current]
            else:
                return work

    def _letter(self, raw: Any, cause: str) -> DeadLetter:
        return letter(raw, self._stage.name, cause, self._runtime.sealer)

    def _work(self, records: list[Record]) -> Work:
        return Work(self.partition, records, self._rows, self.memory, event_time)

    async def _make_durable(self, effects: Effects, chunk: Chunk | None) -> None:
        writer = self._runtime.writer
        encoded: dict[int, bytes] = {}
        if effects.sends or effects.dead:
            # A stage that never asks for the time has not moved the clock.
            clock = self.memory.clock if chunk is None else max(self.memory.clock, event_time(chunk.records[-1]))
            outputs = self._outbox.outputs(effects, clock, None if chunk is None else chunk.topic, encoded)
            await self._write_in_order(outputs)
            reach("chunk.sent")
        if effects.puts:
            changes = self._rows.changelog(effects.puts, encoded)
            offsets = await writer.write(changes)
            reach("chunk.logged")
            self._rows.apply(changes, effects.puts, offsets)
        for job in effects.jobs:
            self.jobs.add(job.serial, self._job(job))

    async def _write_in_order(self, outputs: list[Outgoing]) -> None:
        first = {topic.name for topic in self._stage.first}
        ahead = [record for record in outputs if record.topic in first]
        if ahead:
            await self._runtime.writer.write(ahead)
            outputs = [record for record in outputs if record.topic not in first]
        if outputs:
            await self._runtime.writer.write(outputs)

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
