"""Writing with a time limit: durable in time, or whoever waits is told so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Final, Protocol

import structlog
from aiokafka.errors import KafkaTimeoutError

from agents.engine.log import LogWriter, NotDurable, Outgoing
from agents.kafka import KafkaAccess

LOG = structlog.get_logger("d2ev")
#: The least patient maker waits five seconds for our answer.
ACK_SECONDS: Final = 4.0
#: A write is tried for so long, though nobody waits for it any more.
WRITE_SECONDS: Final = 10.0
#: Trouble is told this often, not for every write of an outage.
QUIET_SECONDS: Final = 60.0
#: As many writes may wait for Kafka at once; each holds a delivery in memory.
MOST_OPEN: Final = 64


class Writer(Protocol):
    """What writes to the log."""

    async def start(self) -> None:
        """Connect."""

    async def stop(self) -> None:
        """Disconnect."""

    async def write(self, records: Sequence[Outgoing]) -> object:
        """Come back when all replicas have the records. Raises NotDurable."""


class Journal:
    """The log, for those who cannot wait. A writer that failed is replaced by a new one."""

    def __init__(self, make: Callable[[], Writer]) -> None:
        self._make = make
        self._writer: Writer | None = None
        self._starting = asyncio.Lock()
        self._open: set[asyncio.Task[None]] = set()
        self._told_at = -QUIET_SECONDS

    @property
    def open(self) -> int:
        """Writes that are not confirmed yet, those included for which nobody waits any more."""
        return len(self._open)

    async def write(self, records: Sequence[Outgoing]) -> None:
        """Write, in order per partition. Raises NotDurable; the records may come to the log nevertheless."""
        if not records:
            return
        if len(self._open) >= MOST_OPEN:
            raise NotDurable("too many writes wait for Kafka")
        # A write that is given up goes on: to cancel it would break the producer's order.
        task = asyncio.create_task(self._write(records))
        self._open.add(task)
        task.add_done_callback(self._ended)
        done, _ = await asyncio.wait({task}, timeout=ACK_SECONDS)
        if not done:
            raise NotDurable("Kafka did not confirm in time")
        task.result()

    async def stop(self) -> None:
        """Wait for what is under way, then disconnect."""
        if self._open:
            await asyncio.wait(self._open, timeout=ACK_SECONDS)
        for task in self._open:
            task.cancel()
        await self._drop(self._writer)

    async def _write(self, records: Sequence[Outgoing]) -> None:
        writer = await self._started()
        try:
            await writer.write(records)
        except NotDurable as error:
            # One that only waits goes on when Kafka is back, with what it holds.
            if not isinstance(error.__cause__, KafkaTimeoutError):
                await self._drop(writer)
            raise

    async def _started(self) -> Writer:
        async with self._starting:
            if self._writer is None:
                writer = self._make()
                try:
                    await writer.start()
                except Exception as error:
                    await _stopped(writer)
                    raise NotDurable(f"no connection to Kafka: {type(error).__name__}") from error
                self._writer = writer
            return self._writer

    async def _drop(self, writer: Writer | None) -> None:
        if writer is not None and writer is self._writer:
            self._writer = None
            await _stopped(writer)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._open.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and monotonic() - self._told_at >= QUIET_SECONDS:
            LOG.error("records not written", error=str(error))
            self._told_at = monotonic()


async def _stopped(writer: Writer) -> None:
    try:
        await asyncio.wait_for(writer.stop(), ACK_SECONDS)
    except Exception as error:
        LOG.warning("a writer did not stop well", error=type(error).__name__)


def journal(kafka: KafkaAccess) -> Journal:
    """A journal on this Kafka."""
    return Journal(lambda: LogWriter(kafka, timeout_ms=int(WRITE_SECONDS * 1000)))
