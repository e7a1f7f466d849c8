"""Faust's aiokafka driver, handing streams one event per (partition, chunk of records) instead of one per record.

Groups, assignment, tables and recovery stay Faust's. Ours are: delivery without a task switch between the check of
the assignment and the queue, acknowledgement of whole offset ranges, and re-reading from the frontier after flow was
suspended (stock Faust clears its queues then and reads on, which loses records).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, cast

import structlog
from aiokafka.errors import KafkaError
from faust.events import Event
from faust.transport import drivers
from faust.transport.drivers import aiokafka as stock
from faust.types import TP, ConsumerMessage, Message

from agents.engine.chunk import Chunk, Progress
from agents.engine.pulse import Pulse

LOG = structlog.get_logger("d2ev")
#: Chunks of one partition that may wait or be worked on before fetching from it pauses.
MAX_CHUNKS_IN_HAND = 4
#: Read at once from a partition: large chunks under load write a car's row once for many of its readings.
FETCH_BYTES = 4 * 1_048_576
GROUP_LOOK_SECONDS = 0.5
#: The scheme of broker addresses that selects this driver.
SCHEME = "d2ev"


class SessionLapsed(RuntimeError):
    """This process slept through its session, and the group gave it no new assignment."""


class ConsumerThread(stock.AIOKafkaConsumerThread):
    """The stock thread with a fetch wait of our own: a fetch held open by an idle broker delays every hop."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = self.app.fetch_wait_ms
        consumer._max_partition_fetch_bytes = FETCH_BYTES
        return consumer

    async def _fetch_records(self, consumer: Any, *args: Any, **kwargs: Any) -> Any:
        """Put back what a fetch that outlived its assignment took of the next one: nobody waits for it any more."""
        before = _assignment(consumer)
        records = await super()._fetch_records(consumer, *args, **kwargs)
        if (now := _assignment(consumer)) is before:
            return records
        for tp, batch in records.items():
            if batch and now is not None and tp in now.tps:
                consumer.seek(tp, batch[0].offset)
        return {}

    async def on_start(self) -> None:
        await super().on_start()
        self._watch = asyncio.get_running_loop().create_task(self._watch_group())

    async def _watch_group(self) -> None:
        """Take note of group errors: aiokafka coordinates no further until someone does, and Faust never does."""
        coordinator, consumer = self._ensure_consumer()._coordinator, cast(Consumer, self.consumer)
        while not self.should_stop:
            consumer.pulse.beat(consumer.epoch)
            if consumer.pulse.abandoned():
                self.parent_loop.call_soon_threadsafe(self.app.fatal, SessionLapsed("slept through its session"))
                return
            await asyncio.sleep(GROUP_LOOK_SECONDS)
            try:
                coordinator.check_errors()
            except KafkaError as error:
                LOG.warning("group error, joining again", error=type(error).__name__)
                if coordinator._coordination_task.done():
                    self.parent_loop.call_soon_threadsafe(self.app.fatal, error)
                    return

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Keep the membership alive meanwhile: opening many tables may take longer than a session lasts."""
        self._ensure_consumer()._coordinator._start_heartbeat_task()
        await super().on_partitions_assigned(assigned, generation_id)


def _assignment(consumer: Any) -> Any:
    subscription = consumer._subscription.subscription
    return None if subscription is None else subscription.assignment


class Consumer(stock.Consumer):
    """Delivers chunks and acknowledges ranges."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.epoch = 0
        self.progress: dict[TP, Progress] = {}
        #: Until the lanes of this epoch are open and reading goes on from the frontiers.
        self.rewinding = True
        self._room = asyncio.Event()
        super().__init__(*args, **kwargs)
        self.pulse = Pulse(self.app.conf.broker_session_timeout)

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def stop_flow(self) -> None:
        """Suspend: what is in hand but not begun belongs to the old epoch and is dropped."""
        super().stop_flow()
        self.epoch += 1
        self._room.set()

    def resume_flow(self) -> None:
        """Resume: read on from the frontier, never from where fetching happened to be."""
        super().resume_flow()
        self.epoch += 1
        self.rewinding = True

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Finish and commit what was begun, then forget the partitions: their next owner starts at the commit."""
        await super().on_partitions_revoked(revoked)
        for tp in revoked:
            self.progress.pop(tp, None)

    def track_message(self, message: Message) -> None:
        """Chunks are accounted for by their progress and by the lanes, not in Faust's set of messages in hand."""
        if not isinstance(message.value, Chunk):
            super().track_message(message)

    async def wait_empty(self) -> None:
        """Let every lane finish what it has begun, then commit it. Stores are restored no further."""
        await self.app.finish_lanes()
        self.app.tables.changelog_queue.clear()
        await self.commit_and_end_transactions()

    def ack(self, message: Message) -> bool:
        """All stages are through with a message."""
        chunk = message.value
        if not isinstance(chunk, Chunk):
            return cast(bool, super().ack(message))
        message.acked = True
        progress = self.progress.get(message.tp)
        if progress is not None and not chunk.dropped:
            chunk.done = True
            progress.advance()
        self._room.set()
        return True

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return (tp for tp in list(self.progress) if topics is None or tp in topics or tp.topic in topics)

    def _new_offset(self, tp: TP) -> int | None:
        progress = self.progress.get(tp)
        return None if progress is None else progress.frontier

    async def _drain_messages(self, fetcher: Any) -> None:
        try:
            while not (self.should_stop or fetcher.should_stop):
                await self._deliver_next()
        except self.consumer_stopped_errors:
            if not self.app.should_stop:
                raise

    async def _deliver_next(self) -> None:
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
        if self.rewinding and not await self._rewind():
            return
        epoch = self.epoch
        assigned = set(self._get_active_partitions())
        active = {tp for tp in assigned if self._has_room(tp)}
        if not active:
            await self._wait_for_room(bool(assigned))
            return
        records = await self._getmany(active, timeout=1.0 if len(active) == len(assigned) else 0.02) or {}
        self._note_first(records)
        for tp, batch in records.items():
            if self._is_changelog_tp(tp):
                # Whatever the epoch: nobody goes back for warm copies when flow is resumed beside them.
                await self._deliver_changelog(tp, batch)
            elif batch and epoch == self.epoch and self.flow_active:
                # Else it is fetched again: every change of the epoch ends in a rewind.
                self._deliver(tp, batch)

    def _note_first(self, records: Mapping[TP, list[Any]]) -> None:
        """Set the frontier where reading began: without it, a batch dropped before delivery would be skipped."""
        for tp, batch in records.items():
            if batch and tp not in self.progress and not self._is_changelog_tp(tp):
                self.progress[tp] = Progress(batch[0].offset)

    async def _rewind(self) -> bool:
        """Close the old epoch's lanes, go back to the frontiers, open new lanes. False when the epoch changed again."""
        epoch = self.epoch
        await self.app.finish_lanes()
        for tp, progress in list(self.progress.items()):
            if epoch != self.epoch:
                return False
            progress.pending.clear()
            await self.seek(tp, progress.frontier)
        if epoch != self.epoch or not self.flow_active:
            return False
        self.rewinding = False
        self.app.begin_lanes({tp for tp in self._get_active_partitions() if not self._is_changelog_tp(tp)})
        return True

    def _has_room(self, tp: TP) -> bool:
        progress = self.progress.get(tp)
        return progress is None or len(progress.pending) < MAX_CHUNKS_IN_HAND

    async def _wait_for_room(self, assigned: bool) -> None:
        self._room.clear()
        await self.wait_first(self._room.wait(), timeout=1.0 if assigned else 0.1)

    async def _deliver_changelog(self, tp: TP, batch: list[Any]) -> None:
        """Hand a chunk to the recovery of tables, unless the assignment ends before it has room."""
        if batch and self.flow_active:
            chunk = Chunk(tp.topic, tp.partition, batch, self.epoch)
            event = Event(self.app, None, chunk, None, self._to_chunk_message(tp, chunk))
            await self.wait_first(self.app.tables.changelog_queue.put(event), self.suspend_flow.wait())

    def _deliver(self, tp: TP, batch: list[Any]) -> None:
        """Hand a chunk to every stage of the topic. No await: nothing can be revoked in between."""
        progress = self.progress[tp]
        chunk = Chunk(tp.topic, tp.partition, batch, self.epoch)
        message = self._to_chunk_message(tp, chunk)
        channels = self.app.topics._tp_index[tp]
        if not channels:
            return
        progress.add(chunk)
        message.incref(len(channels))
        for channel in channels:
            channel.queue.put_nowait(Event(self.app, None, chunk, None, message))
        self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))

    def _to_chunk_message(self, tp: TP, chunk: Chunk) -> ConsumerMessage:
        return ConsumerMessage(
            chunk.topic,
            chunk.partition,
            chunk.next - 1,
            0.0,
            0,
            [],
            None,
            chunk,
            None,
            0,
            0,
            tp,
            generation_id=self.app.consumer_generation_id,
        )


class Transport(stock.Transport):
    """Faust's aiokafka transport with our consumer."""

    Consumer = Consumer


def register() -> None:
    """Make `d2ev://host:port` a broker address that Faust understands."""
    drivers.TRANSPORTS.aliases[SCHEME] = f"{__name__}:Transport"


def frontiers(consumer: Any) -> Mapping[TP, int]:
    """Next offset not yet fully processed, per source partition of this worker that ever held a record."""
    committed = {
        tp: offset
        for tp, offset in consumer._committed_offset.items()
        if offset is not None and offset >= 0 and not consumer._is_changelog_tp(tp)
    }
    return {**committed, **{tp: progress.frontier for tp, progress in consumer.progress.items()}}
