"""One worker process: Faust, the lanes, the ticker and the health endpoints, started and stopped together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from time import monotonic, time_ns
from typing import Any, Final

import structlog
from faust.exceptions import ConsistencyError

from agents import bind
from agents.clock import Clock, LogClock, Ticker
from agents.engine.log import LogWriter
from agents.engine.runtime import Runtime
from agents.engine.stage import Stage, StoreDamaged
from agents.engine.transport import frontiers
from agents.metrics import Metrics
from agents.sealing import Sealer
from agents.settings import Settings
from streams.topics import ACCOUNT, TICK
from tables import ACCOUNTS, KEYS

LOG = structlog.get_logger("d2ev")
#: A Kafka that has said nothing for so long serves nobody, and so do we; a refused write ends us later.
SILENCE_SECONDS: Final = 20.0


class Worker:
    """Runs `stages` until stopped or until something makes going on unsafe."""

    def __init__(
        self, settings: Settings, stages: tuple[Stage, ...], clock: Clock, metrics: Metrics, sealer: Sealer
    ) -> None:
        self.settings = settings
        self.metrics = metrics
        self.app = bind.faust_app(settings)
        self.writer = LogWriter(settings)
        self.writer.lapsed = self.lapsed
        self.failure: BaseException | None = None
        self.failed = asyncio.Event()
        self._clock = clock
        self._ticker = Ticker(self.writer, clock, self.owned, monotonic)
        self._ticking: asyncio.Task[None] | None = None
        self._watch: asyncio.Task[None] | None = None
        bound: dict[str, Any] = {
            table.name: bind.bind_table(self.app, table, settings.partitions)
            for stage in stages
            for table in stage.tables
        }
        bound["consumer"] = lambda: self.app.consumer
        self.runtime = Runtime(stages, bound, settings.partitions, self.writer, sealer, metrics, self.crash)
        self.runtime.epoch = self._epoch
        self.runtime.alive = lambda: self.app.consumer.pulse.alive(self.app.consumer.epoch)
        self.app.begin_lanes = self.runtime.begin
        self.app.finish_lanes = self._finish_assignment
        self.app.fatal = self.crash
        metrics.watch(self.runtime.in_flight, lambda: len(self.served()), settings.partitions)
        self._settlers: list[Callable[[], Awaitable[None]]] = []
        self._forgetters: list[Callable[[], None]] = []
        self._closers: list[Callable[[], Awaitable[None]]] = []
        if isinstance(clock, LogClock):
            self.runtime.on_tick = clock.seen
        bind.bind_stages(self.app, stages, self.runtime)

    def lapsed(self, topics: Collection[str]) -> bool:
        """Did this process sleep through its session? Then it writes no more, but for the last word on a grant:

        a refresh token that was spent is nobody else's to know.
        """
        consumer, grants = self.app._consumer, {table.changelog(self.settings.app_id) for table in (ACCOUNTS, KEYS)}
        if consumer is None or self.app.should_stop or consumer.pulse.alive(consumer.epoch):
            return False
        return not set(topics) <= grants | {ACCOUNT.name}

    def _epoch(self) -> int:
        """The consumer's epoch; none that any chunk or job belongs to once the worker has failed."""
        return -1 if self.failure is not None else int(self.app.consumer.epoch)

    def crash(self, error: BaseException) -> None:
        """Stop: something happened after which nothing may be committed."""
        if self.failure is None:
            self.failure = error
            LOG.error("worker stops", error=f"{type(error).__name__}: {error}", exc_info=error)
            self.failed.set()

    def on_finish(self, settle: Callable[[], Awaitable[None]], forget: Callable[[], None]) -> None:
        """Whenever an assignment ends, await `settle` before its calls are dropped, and call `forget` after."""
        self._settlers.append(settle)
        self._forgetters.append(forget)

    def on_stop(self, close: Callable[[], Awaitable[None]]) -> None:
        """Await `close` when the worker has stopped."""
        self._closers.append(close)

    async def _finish_assignment(self) -> None:
        for settle in self._settlers:
            await settle()
        await self.runtime.finish()
        self.metrics.partitions_gone()
        for forget in self._forgetters:
            forget()

    async def start(self) -> None:
        await self.writer.start()
        await self.app.start()
        self._watch = asyncio.create_task(self._watch_app())
        if self.settings.clock == "system":
            self._ticking = asyncio.create_task(self._ticker.run())
            self._ticking.add_done_callback(self._ticker_ended)

    async def _watch_app(self) -> None:
        """A service of Faust's that gives up takes the worker with it: a supervisor starts it anew."""
        await self.app._crashed.wait()
        self.crash(self.app.crash_reason or RuntimeError("the stream application ended by itself"))

    def _ticker_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.crash(error)

    async def stop(self) -> None:
        for task in (self._ticking, self._watch):
            if task is not None:
                task.cancel()
        try:
            await self.app.stop()
            await self.runtime.finish()
        except Exception as error:
            # What has crashed may be unable to stop; nothing of it was committed.
            self.crash(error)
        await self.writer.stop()
        for close in self._closers:
            await close()
        if self.failure is not None and unusable_store(self.failure):
            self._quarantine()

    def _quarantine(self) -> None:
        """Put the stores aside: they can be looked at, and the next start restores all tables from the changelogs."""
        aside = self.settings.data_dir.with_name(f"{self.settings.data_dir.name}.quarantine-{time_ns()}")
        self.settings.data_dir.rename(aside)
        LOG.error("stores put aside; the next start restores them", directory=str(aside))

    def owned(self) -> list[int]:
        """The partitions this worker owns and serves now."""
        if self.app.rebalancing or not self.ready():
            return []
        return sorted(tp.partition for tp in self.app.consumer.assignment() if tp.topic == TICK.name)

    def answered(self) -> bool:
        """Whether Kafka confirms what we write: connections to one that is frozen stand for ever."""
        return self._ticker.waits_seconds() <= SILENCE_SECONDS

    def served(self) -> list[int]:
        """The partitions whose cars are read and commanded now."""
        return self.owned() if self.answered() else []

    def ready(self) -> bool:
        """Tables restored and streams flowing."""
        return bool(
            self.app._consumer is not None
            and self.app.consumer.flow_active
            and not self.app.consumer.rewinding
            and self.runtime.restored()
            and not self.app.in_recovery
            and not self.app.rebalancing
            and self.app.tables.actives_ready
        )

    def status(self) -> dict[str, Any]:
        """What operators and the demo's clock need to know: positions, work in hand, ledger."""
        positions = frontiers(self.app.consumer) if self.app._consumer is not None else {}
        return {
            "ready": self.ready() and self.answered() and self.failure is None,
            "failure": None if self.failure is None else type(self.failure).__name__,
            "partitions": self.served(),
            "positions": {f"{tp.topic}/{tp.partition}": offset for tp, offset in positions.items()},
            "in_flight": self.runtime.in_flight(),
            "next_due": {stage: at.isoformat() for stage, at in self.runtime.next_due().items()},
            "ledger": self.metrics.ledger(),
        }


def unusable_store(error: BaseException) -> bool:
    """Is it the store that failed: damaged, or ahead of its changelog?"""
    text = str(error)
    broken = "Corruption" in text or ("IO error: No such file" in text and ".db/" in text)
    return broken or isinstance(error, ConsistencyError | StoreDamaged)
