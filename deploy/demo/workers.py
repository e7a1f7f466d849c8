"""Worker processes of the demo: each with its own data and log, asked over HTTP how far they are, ended by pid."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

START_SECONDS = 60
#: A worker that has rested this long has probably nothing left to do; the broker then says for certain.
REST_SECONDS = 0.008


class WorkerFailed(RuntimeError):
    """A worker did not start, or ended by itself; the message names its log."""


async def begin(
    program: Sequence[str], environment: Mapping[str, str], log: Path
) -> tuple[asyncio.subprocess.Process, str]:
    """A process running the module and arguments `program`, once it has said its first line, and that line.

    It ends with this one. Raises WorkerFailed.
    """
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "deploy.demo.child", *program),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env={**os.environ, **environment},
        )
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), START_SECONDS)
    except TimeoutError:
        process.kill()
        raise WorkerFailed(f"{log.stem} did not start within {START_SECONDS} s; see {log}") from None
    if not line:
        raise WorkerFailed(f"{log.stem} ended at once; see {log}")
    return process, line.decode().strip()


async def end(process: asyncio.subprocess.Process, *, kill: bool = False) -> None:
    """End a process: politely, or with SIGKILL."""
    if process.returncode is None:
        process.kill() if kill else process.terminate()
    try:
        await asyncio.wait_for(process.wait(), 30)
    except TimeoutError:
        process.kill()
        await process.wait()


@dataclass
class WorkerProcess:
    """One running worker."""

    name: str
    process: asyncio.subprocess.Process
    url: str
    log: Path
    status: dict[str, Any]

    @property
    def alive(self) -> bool:
        return self.process.returncode is None


class Workers:
    """The demo's workers. `environment` holds the D2EV_* settings they share; `program` is a module with arguments."""

    def __init__(
        self, run_dir: Path, environment: dict[str, str], program: Sequence[str] = ("deploy.cli", "worker")
    ) -> None:
        self.all: list[WorkerProcess] = []
        self._run_dir = run_dir
        self._environment = environment
        self._program = program
        self._http: aiohttp.ClientSession | None = None

    async def start(self, name: str) -> WorkerProcess:
        """Start a worker and wait until it answers."""
        log = self._run_dir / f"{name}.log"
        environment = {
            **self._environment,
            "D2EV_DATA_DIR": str(self._run_dir / name),
            "D2EV_HEALTH_PORT": "0",
        }
        process, line = await begin(self._program, environment, log)
        worker = WorkerProcess(name, process, line, log, {})
        self.all = [other for other in self.all if other.name != name] + [worker]
        return worker

    async def statuses(self) -> list[dict[str, Any]]:
        """What every worker says of itself. Raises WorkerFailed when one has ended."""
        return await asyncio.gather(*(self._status(worker) for worker in self.all))

    async def _status(self, worker: WorkerProcess) -> dict[str, Any]:
        if not worker.alive and worker in self.all:
            raise WorkerFailed(f"{worker.name} ended with code {worker.process.returncode}; see {worker.log}")
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20))
        try:
            async with self._http.get(f"{worker.url}/status?rest={REST_SECONDS}") as answer:
                worker.status = await answer.json()
        except (aiohttp.ClientError, TimeoutError) as error:
            if worker not in self.all:  # it was stopped on purpose while we asked
                return {**worker.status, "ready": False}
            raise WorkerFailed(f"{worker.name} does not answer ({type(error).__name__}); see {worker.log}") from error
        return worker.status

    async def stop(self, name: str, *, kill: bool = False) -> None:
        """End one worker: politely, or with SIGKILL."""
        worker = next(worker for worker in self.all if worker.name == name)
        self.all.remove(worker)
        await end(worker.process, kill=kill)

    async def close(self) -> None:
        """End all of them."""
        await asyncio.gather(*(self.stop(worker.name) for worker in list(self.all)))
        if self._http is not None:
            await self._http.close()
