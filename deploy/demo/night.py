"""Directs a demo: broker, simulator, workers, and a virtual clock that jumps to the next due instant."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import cycle
from pathlib import Path
from time import monotonic
from typing import Any

from agents.clock import ticks
from agents.engine.log import LogWriter, Outgoing
from agents.sealing import Sealer
from agents.settings import Settings, load
from deploy import topics
from deploy.brokers.embedded import EmbeddedBroker
from deploy.demo import feed, recorded
from deploy.demo.environment import environment
from deploy.demo.fleet import SimVehicle, fleet
from deploy.demo.live import Car, Live, WorkerInfo
from deploy.demo.load import Loads
from deploy.demo.quiet import Quiet
from deploy.demo.scenarios import SCENARIOS, Scenario
from deploy.demo.summary import summarise
from deploy.demo.watch import Watch
from deploy.demo.workers import Workers
from deploy.demo.world import build_world
from deploy.fakes.maker import Maker, makers, serve
from oem_connectors import registry
from oem_connectors.simulator.cloud.world import World
from streams.contracts.command import Action
from streams.contracts.forecast import Forecast, ForecastKind
from streams.contracts.internal import TickPhase
from streams.domain.forecasts import merge
from streams.topics import ANSWERED, DEAD_LETTER, HELD, NOTIFICATION, PLUG, TOPICS

#: Which stage's due instants call for which beat.
BEATS = {
    TickPhase.READ: ("polling", "notifications"),
    TickPhase.CHECK: ("confirmation",),
    TickPhase.ACT: ("dispatch", "commands"),
    TickPhase.TELL: ("driver_status",),
}
#: Topics that no stage reads.
FOR_OTHERS = {topic.name for topic in (PLUG, HELD, NOTIFICATION, ANSWERED, DEAD_LETTER)}


@dataclass(frozen=True)
class Options:
    """What to run. `bootstrap` None uses the embedded broker; `step` is the grid on which virtual time moves."""

    vehicles: int = 200
    days: int = 3
    scenario: str = "usual"
    workers: int = 1
    seed: int = 1
    oem: str = "simulator"
    bootstrap: str | None = None
    partitions: int = 2
    step: timedelta = timedelta(minutes=5)
    run_dir: Path = Path(".d2ev/demo")


Hook = Callable[["Night"], Awaitable[None]]


class Night:
    """One run. `hooks` are awaited at virtual instants, after everything due then is done: for faults and tests."""

    #: Makes the workers; tests have their own, which lets them die.
    make_workers: Callable[[Path, dict[str, str]], Workers] = Workers

    def __init__(self, options: Options, hooks: dict[datetime, Hook] | None = None) -> None:
        self.options = options
        self.scenario: Scenario = SCENARIOS[options.scenario]
        self.window = recorded.window(self.scenario.window, options.days)
        self.hooks = dict(sorted({**coming_and_going(options.workers, self.window), **(hooks or {})}.items()))
        self.fleet: list[SimVehicle] = fleet(options.vehicles, self.window, options.seed)
        self.now = self.window.start
        self.makers = makers(options.oem)
        accounts = sorted({vehicle.account for vehicle in self.fleet})
        self.maker_of = dict(zip(accounts, cycle(self.makers), strict=False))
        plain = {account for account, maker in self.maker_of.items() if not _schedules(maker)}
        self.world: World = build_world(
            self.fleet, self.window, self.scenario, options.seed, lambda: self.now, without_schedule=plain
        )
        self.live = self._live()
        self.settings: Settings
        self.workers: Workers
        self.writer: LogWriter
        self.quiet: Quiet
        self.watch: Watch
        self.statuses: list[dict[str, Any]] = []

    async def run(
        self, on_progress: Callable[[Live], None] = lambda live: None, stay: Callable[[], Awaitable[None]] | None = None
    ) -> dict[str, Any]:
        """Run to the end of the window. Returns the summary; raises WorkerFailed or NeverQuiet.

        `stay` is awaited after the summary while broker, simulator and workers are still up.
        """
        began = monotonic()
        async with self.begun():
            await self.live_until(self.window.end, on_progress)
            lost = sum(self.quiet.ends.values()) - _processed(self.statuses, self.quiet.ends)
            self.live.summary = summarise(
                self.world, self.fleet, self.window, self.watch, self.statuses, lost, monotonic() - began
            )
            on_progress(self.live)
            if stay is not None:
                await stay()
        return self.live.summary

    @asynccontextmanager
    async def begun(self) -> AsyncIterator[None]:
        """Everything is up and every car enrolled; time stands still until `live_until`."""
        async with AsyncExitStack() as stack:
            await self._open(stack)
            await self._enrol()
            yield

    async def _open(self, stack: AsyncExitStack) -> None:
        options = self.options
        self._published = feed.vintages(self.window, self.scenario.prices_late)
        shutil.rmtree(options.run_dir, ignore_errors=True)
        options.run_dir.mkdir(parents=True)
        urls: dict[str, str] = {}
        for maker in self.makers:
            runner, urls[maker.oem] = await serve(maker.desk(self.world))
            stack.push_async_callback(runner.cleanup)
        self.settings = load(
            env="demo",
            bootstrap=options.bootstrap or "127.0.0.1:1",
            partitions=options.partitions,
            clock="log",
            fetch_wait_ms=4,
            session_timeout_seconds=4,
            oem_urls=urls,
            oem_apps={maker.oem: dict(maker.app) for maker in self.makers},
            poll_grid_seconds=int(options.step.total_seconds()),
        )
        if options.bootstrap is None:
            broker = EmbeddedBroker({topic.name: topic.partitions for topic in topics.wanted(self.settings)})
            stack.callback(broker.stop)
            self.settings = self.settings.model_copy(update={"bootstrap": broker.start()})
        else:
            topics.apply(self.settings)
        bootstrap = self.settings.bootstrap
        self.writer = LogWriter(self.settings)
        await self.writer.start()
        stack.push_async_callback(self.writer.stop)
        self.workers = self.make_workers(options.run_dir, environment(self.settings))
        stack.push_async_callback(self.workers.close)
        self.live.bootstrap = bootstrap
        await self.workers.start("worker-1")
        consumed = [topic.name for topic in TOPICS if topic.name not in FOR_OTHERS]
        self.quiet = Quiet(self.workers, bootstrap, consumed, options.partitions)
        await self.quiet.start()
        stack.push_async_callback(self.quiet.stop)
        self.watch = Watch(bootstrap, options.partitions, self.live, self.scenario.replay_telemetry, self.writer)
        await self.watch.start()
        stack.push_async_callback(self.watch.stop)

    async def _enrol(self) -> None:
        sealer = Sealer(self.settings.seal_key_bytes())
        await self.settle()
        await self.writer.write(self._enrolments(sealer))
        await self.settle()

    def _enrolments(self, sealer: Sealer) -> list[Outgoing]:
        return feed.enrolments(self.fleet, self.window, self.world, self.maker_of, sealer, self.options.partitions)

    async def live_until(self, until: datetime, on_progress: Callable[[Live], None] = lambda live: None) -> None:
        """Let time pass up to `until`; what is due then is not done yet."""
        published = self._published
        while self.now < until:
            while published and published[0][0] <= self.now:
                await self._publish(published.pop(0)[1])
                await self.settle()
            for beat, stages in BEATS.items():
                if self._due(stages) <= self.now:
                    await self.writer.write(ticks(self.now, (beat,), range(self.options.partitions)))
                    await self.settle()
            while self.hooks and next(iter(self.hooks)) <= self.now:
                await self.hooks.pop(next(iter(self.hooks)))(self)
                await self.settle()
            self._refresh()
            on_progress(self.live)
            upcoming = (
                [self._due(stages) for stages in BEATS.values()]
                + [at for at, _ in published[:1]]
                + list(self.hooks)[:1]
            )
            self.now = min(until, max(self.now + self.options.step, self._on_grid(min(upcoming))))

    async def settle(self) -> None:
        """Wait until the pipeline is quiet, and have read what it published."""
        while True:
            self.statuses = await self.quiet.wait()
            await self.watch.catch_up(self.quiet.ends)
            if not await self.watch.repeat_telemetry():
                return

    async def _publish(self, forecast: Forecast) -> None:
        await self.writer.write([feed.forecast_record(forecast, self.now, self.options.partitions)])
        if forecast.kind is ForecastKind.PRICE:
            self.live.price = merge(self.live.price, forecast)
        else:
            self.live.carbon = merge(self.live.carbon, forecast)

    def _due(self, stages: tuple[str, ...]) -> datetime:
        dues = [status["next_due"].get(stage) for status in self.statuses for stage in stages]
        return min((datetime.fromisoformat(due) for due in dues if due), default=self.window.end)

    def _on_grid(self, at: datetime) -> datetime:
        steps = -((self.window.start - at) // self.options.step)
        return self.window.start + steps * self.options.step

    def _live(self) -> Live:
        live = Live(
            start=self.window.start,
            end=self.window.end,
            zone=self.window.zone,
            currency="EUR",
            now=self.now,
            scenario=self.scenario.name,
        )
        live.cars = {v.car: Car(v.car, v.model, v.zone) for v in self.fleet}
        live.loads = Loads(self.world, self.fleet, self.window, lambda: self.now)
        return live

    def _refresh(self) -> None:
        self.live.now = self.now
        self.live.lag = 0
        self.live.workers = [
            WorkerInfo(
                worker.name, worker.process.pid, bool(worker.status.get("ready")), worker.status.get("partitions", [])
            )
            for worker in self.workers.all
        ]


def _schedules(made: Maker) -> bool:
    """Whether the maker's cars take a start time of their own."""
    return registry.load()[made.oem].can(made.model or "", Action.SCHEDULE)


def coming_and_going(workers: int, window: recorded.Window) -> dict[datetime, Hook]:
    """More workers join one by one; later the second leaves and comes back: partitions move, nothing is lost."""

    def join(name: str) -> Hook:
        return lambda night: _awaited(night.workers.start(name))

    def leave(name: str) -> Hook:
        return lambda night: night.workers.stop(name)

    step = (window.end - window.start) / (workers + 3)
    hooks = {window.start + number * step: join(f"worker-{number + 1}") for number in range(1, workers)}
    if workers > 1:
        hooks[window.start + (workers + 1) * step] = leave("worker-2")
        hooks[window.start + (workers + 2) * step] = join("worker-2")
    return hooks


async def _awaited(starting: Awaitable[object]) -> None:
    await starting


def _processed(statuses: list[dict[str, Any]], ends: dict[str, int]) -> int:
    done: dict[str, int] = {}
    for status in statuses:
        for place, offset in status["positions"].items():
            done[place] = max(offset, done.get(place, 0))
    return sum(done.get(place, 0) for place in ends)
