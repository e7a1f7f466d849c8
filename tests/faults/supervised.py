"""Workers that are meant to die: each is armed with one place to be killed at, and another is started in its stead."""

from __future__ import annotations

import asyncio
import signal
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any, Final, NamedTuple

from agents.failpoints import FAILPOINTS
from deploy.demo.workers import WorkerFailed, WorkerProcess, Workers

PROGRAM: Final = ("tests.faults.worker",)
#: The broker takes this long to believe that a worker is dead.
SESSION_SECONDS: Final = 2
#: A frozen worker never answers.
ANSWER_SECONDS: Final = 3
#: Not a failpoint: SIGKILL from outside, `turn` milliseconds after it took up work.
ANY_MOMENT: Final = "any moment"
#: How often a place may be passed before the worker dies there. A chunk is far more common than a push.
_TURNS: Final = {"command": 6, "refresh": 12, "push": 6, "chunk": 80}
_MOMENT_MS: Final = 1_500
#: A place that was not come to is tried again after so many others.
REQUEUED_AFTER: Final = 3


class Kill(NamedTuple):
    """Die when `place` is reached for the `turn`-th time; or freeze there."""

    place: str
    turn: int
    freeze: bool = False

    @property
    def failpoint(self) -> str | None:
        """The place as agents/failpoints.py wants it."""
        if self.place == ANY_MOMENT:
            return None
        return f"{self.place}:{self.turn}{':pause' if self.freeze else ''}"


@dataclass
class Death:
    """A kill that happened. `recovery_seconds`: from the end of the process until all partitions were served again."""

    kill: Kill
    at: float
    recovery_seconds: float | None = None


def kills(number: int, seed: int) -> list[Kill]:
    """`number` kills by seed: every failpoint in some order, then those that are always near, or any moment."""
    random = Random(seed)
    near = [ANY_MOMENT, *(place for place in FAILPOINTS if place.startswith(("chunk", "command")))]
    places = random.sample(FAILPOINTS, len(FAILPOINTS)) + random.choices(near, k=number)
    return [Kill(place, 1 + random.randrange(_turns(place))) for place in places[:number]]


def _turns(place: str) -> int:
    return _MOMENT_MS if place == ANY_MOMENT else _TURNS[place.partition(".")[0]]


class Supervised(Workers):
    """A worker that was killed as planned is replaced by one armed with the next kill; any other end is an error."""

    def __init__(self, run_dir: Path, environment: Mapping[str, str], plan: Iterable[Kill] = ()) -> None:
        self.phones = run_dir / "phones"
        self._common = {
            **environment,
            "D2EV_TEST_PHONES": str(self.phones.resolve()),
            "D2EV_SESSION_TIMEOUT_SECONDS": str(SESSION_SECONDS),
        }
        super().__init__(run_dir, self._common, PROGRAM)
        self.deaths: list[Death] = []
        self.frozen: list[WorkerProcess] = []
        self._deaths_at_nudge = 0
        self.plan = deque(plan)
        self._armed: dict[str, Kill] = {}
        self._timers: dict[str, asyncio.Task[None]] = {}

    async def start(self, name: str) -> WorkerProcess:
        """Start a worker, armed with the next kill of the plan."""
        kill = self.plan.popleft() if self.plan else None
        failpoint = None if kill is None else kill.failpoint
        self._environment = {**self._common, **({"D2EV_TEST_FAILPOINT": failpoint} if failpoint else {})}
        worker = await super().start(name)
        if kill is not None:
            self._armed[name] = kill
            if kill.freeze:
                self._timers[name] = asyncio.create_task(self._replace_when_frozen(worker))
        return worker

    def nudge(self) -> None:
        """Kill who has not come to its place since the last nudge, wherever it is; the place has its turn later."""
        if len(self.deaths) == self._deaths_at_nudge:
            for worker in self.all:
                kill = self._armed.get(worker.name)
                if kill is not None and not kill.freeze and worker.alive:
                    self._armed[worker.name] = Kill(ANY_MOMENT, 0)
                    self.plan.insert(REQUEUED_AFTER, Kill(kill.place, 1))
                    worker.process.kill()
        self._deaths_at_nudge = len(self.deaths)

    async def _replace_when_frozen(self, worker: WorkerProcess) -> None:
        """Start another worker once this one has frozen; what it does when it thaws is the question."""
        while not _frozen(worker.process.pid):  # noqa: ASYNC110 - the system has no way to tell us
            await asyncio.sleep(0.02)
        self.all.remove(worker)
        del self._armed[worker.name]
        self.frozen.append(worker)
        await self.start(f"worker-{int(worker.name.rpartition('-')[2]) + 1}")

    async def thaw(self, worker: WorkerProcess, limit_seconds: float = 60) -> int | None:
        """Let a frozen worker go on until it serves partitions again (None) or has ended: its exit code."""
        worker.process.send_signal(signal.SIGCONT)
        self.frozen.remove(worker)
        self.all.append(worker)
        async with asyncio.timeout(limit_seconds):
            while worker.alive and not await self._serves(worker):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        if not worker.alive:
            self.all.remove(worker)
        return worker.process.returncode

    async def _serves(self, worker: WorkerProcess) -> bool:
        try:
            return bool((await super()._status(worker))["partitions"])
        except WorkerFailed:
            await worker.process.wait()
            return False

    async def _status(self, worker: WorkerProcess) -> dict[str, Any]:
        try:
            status = await asyncio.wait_for(super()._status(worker), ANSWER_SECONDS)
        except TimeoutError:
            return {"ready": False}
        except WorkerFailed:
            await self._replace(worker)
            return {"ready": False}
        if status["ready"]:
            kill = self._armed.get(worker.name)
            if kill is not None and kill.place == ANY_MOMENT and worker.name not in self._timers:
                self._timers[worker.name] = asyncio.create_task(_kill_after(worker, kill.turn / 1000))
            for death in self.deaths:
                if death.recovery_seconds is None:
                    death.recovery_seconds = monotonic() - death.at
        return status

    async def _replace(self, worker: WorkerProcess) -> None:
        code = await asyncio.wait_for(worker.process.wait(), 10)
        if (timer := self._timers.pop(worker.name, None)) is not None:
            timer.cancel()
        kill = self._armed.pop(worker.name, None)
        if code != -signal.SIGKILL or kill is None:
            raise WorkerFailed(f"{worker.name} ended with code {code}, not by our hand; see {worker.log}")
        self.deaths.append(Death(kill, monotonic()))
        await self.start(worker.name)

    async def close(self) -> None:
        """End all of them, without killing any more."""
        for timer in self._timers.values():
            timer.cancel()
        for worker in self.frozen:
            worker.process.kill()
        await super().close()

    @property
    def spared(self) -> list[Kill]:
        """What was planned and has not happened."""
        return [*self._armed.values(), *self.plan]


def _frozen(pid: int) -> bool:
    """Whether a process is suspended, by the state behind the name in its line."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


async def _kill_after(worker: WorkerProcess, seconds: float) -> None:
    await asyncio.sleep(seconds)
    if worker.alive:
        worker.process.kill()
