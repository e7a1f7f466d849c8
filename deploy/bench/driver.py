"""`d2ev bench driver`: drivers with open event streams and requests at an even rate, while the night runs.

The same evening is lived twice side by side, each with its broker, simulator and worker: hour by hour in turn, the one
among its drivers, the other without any. Steps of the same instant had the same work to do; what is between them is
what drivers cost the pipeline.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any, Final

import aiohttp

from deploy.bench.driver_night import SteadyNight, Step
from deploy.commands.processes import use_uvloop
from deploy.demo.driver_side import DriverSide
from deploy.demo.night import Options

CLIENT: Final = ("-W", "ignore", "-m", "deploy.bench.driver_client")
ROOT: Final = Path(__file__).parents[2]
#: The drivers come home from here on; until then nobody is timed.
_QUIET_HOURS: Final = timedelta(hours=4)
_HOUR: Final = timedelta(hours=1)
_READY_SECONDS: Final = 60.0
_MIB: Final = 1 << 20


class ClientFailed(RuntimeError):
    """The process of the drivers ended without figures."""


@dataclass(frozen=True)
class Load:
    """What is measured: so many drivers, requests a second in all, hours of the evening, seconds a step at least."""

    drivers: int = 1000
    rate: float = 100.0
    hours: int = 4
    pace: float = 1.0


class Client:
    """The process of the drivers."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def say(self, word: str, answer: str | None = None) -> str:
        """Say a line; returns the line that comes back, where one is to. Raises ClientFailed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{word}\n".encode())
        await self._process.stdin.drain()
        if answer is None:
            return ""
        line = (await self._process.stdout.readline()).decode().strip()
        if not line.startswith(answer):
            raise ClientFailed(f"the drivers ended: {line or 'nothing said'}")
        return line

    async def end(self) -> dict[str, Any]:
        """The figures."""
        figures: dict[str, Any] = json.loads(await self.say("end", "{"))
        await self._process.wait()
        return figures

    async def kill(self) -> None:
        """End the process, however it is."""
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


async def measure(load: Load, directory: Path) -> dict[str, Any]:
    """Live both evenings. Raises WorkerFailed, NeverQuiet or ClientFailed."""
    async with AsyncExitStack() as stack:
        alone, among = [
            await stack.enter_async_context(_evening(load.drivers, directory / name)) for name in ("alone", "among")
        ]
        side = DriverSide(directory / "among", {one.driver: one.driver for one in among.fleet})
        stack.push_async_callback(side.close)
        await side.start(among.settings, 0, api_proxies="1")
        await _ready(side)
        client = await _client(load, side, among)
        stack.push_async_callback(client.kill)
        before = _spent(side.pid)
        asked = await _lived(load, alone, among, client)
        after, status = _spent(side.pid), await _status(side)
        figures = await client.end()
    api = {"cpu_pct": round(100 * (after[0] - before[0]) / asked, 1), "rss_mib": round(after[1] / _MIB), **status}
    return summary(figures, alone.steps, among.steps, asked) | {"api": api}


async def _lived(load: Load, alone: SteadyNight, among: SteadyNight, client: Client) -> float:
    """Hour by hour, in turn who is first; returns for how many seconds there were requests."""
    asked = 0.0
    for hour in range(load.hours):
        until = among.now + _HOUR
        for night in (alone, among)[:: 1 if hour % 2 else -1]:
            if night is among:
                await client.say("go")
                began = monotonic()
            await night.paced_until(until, load.pace)
            if night is among:
                asked += monotonic() - began
                await client.say("rest", "rested")
    return asked


@asynccontextmanager
async def _evening(cars: int, directory: Path) -> AsyncIterator[SteadyNight]:
    night = SteadyNight(Options(vehicles=cars, days=1, partitions=2, run_dir=directory))
    async with night.begun():
        await night.live_until(night.now + _QUIET_HOURS)
        yield night


async def _client(load: Load, side: DriverSide, night: SteadyNight) -> Client:
    """The drivers, every one of them listening."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *CLIENT, cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 26
    )
    drivers = [(one.driver, one.car, side.issuer.token(one.driver)) for one in night.fleet]
    client = Client(process)
    await client.say(json.dumps({"url": side.url, "rate": load.rate, "drivers": drivers}), "open")
    return client


async def _ready(side: DriverSide) -> None:
    give_up = monotonic() + _READY_SECONDS
    while not (await _status(side))["ready"]:
        if monotonic() > give_up:
            raise ClientFailed(f"the driver API is not ready; see {side.log}")
        await asyncio.sleep(0.1)


async def _status(side: DriverSide) -> dict[str, Any]:
    async with aiohttp.ClientSession() as http, http.get(f"{side.health}/status") as answer:
        status: dict[str, Any] = await answer.json()
    return status


def _spent(pid: int) -> tuple[float, int]:
    """Processor seconds and memory in use of a process; Linux alone tells."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    ticks, pages = int(fields[11]) + int(fields[12]), int(fields[21])
    return ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE")


def summary(figures: Mapping[str, Any], alone: Sequence[Step], among: Sequence[Step], asked: float) -> dict[str, Any]:
    """What is printed, of raw figures."""
    requests = figures["seconds"]
    every = list(chain.from_iterable(requests.values()))
    return {
        "requests": len(every),
        "requests_per_second": round(len(every) / asked, 1),
        "errors": sum(figures["errors"].values()),
        "errors_by_kind": dict(figures["errors"]),
        "request_ms": _spread(every),
        "request_ms_by_kind": {name: _spread(seconds) for name, seconds in sorted(requests.items())},
        "sent_late_ms": _spread(figures["late"]),
        "streams_opened_in_seconds": round(figures["opened_in"], 2),
        "events": figures["events"],
        "wish_to_event_ms": _spread(figures["to_event"]),
        "steps": len(among),
        "records": {"without": sum(s.records for s in alone), "with": sum(s.records for s in among)},
        "step_ms": _beside([s.seconds for s in alone], [s.seconds for s in among]),
        "step_ratio_median": round(median(b.seconds / a.seconds for a, b in zip(alone, among, strict=True)), 3),
        "stage_ms": {
            stage: _beside(*([s.stages[stage] for s in side if stage in s.stages] for side in (alone, among)))
            for stage in sorted({stage for step in (*alone, *among) for stage in step.stages})
        },
    }


def _beside(without: Sequence[float], among: Sequence[float]) -> dict[str, dict[str, float]]:
    return {"without": _spread(without), "with": _spread(among)}


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    """Median and 99th percentile, in milliseconds; empty of nothing."""
    ordered = sorted(seconds)
    if not ordered:
        return {}
    return {name: round(1000 * ordered[len(ordered) * pct // 100], 1) for name, pct in (("p50", 50), ("p99", 99))}


def text(result: Mapping[str, Any]) -> str:
    """The result for people."""
    api, steps = result["api"], result["step_ms"]
    lines = [
        f"{api['streams']} streams, {result['requests_per_second']} requests/s, {result['errors']} errors "
        f"{result['errors_by_kind'] or ''}".rstrip(),
        f"the API: {api['cpu_pct']} % of a core, {api['rss_mib']} MiB, {api['cars']} cars",
        f"{'':24}{'p50 ms':>10}{'p99 ms':>10}",
        _line("all requests", result["request_ms"]),
        *(_line(f"  {name}", spread) for name, spread in result["request_ms_by_kind"].items()),
        _line("wish to its event", result["wish_to_event_ms"]),
        _line("sent late, by ourselves", result["sent_late_ms"]),
        f"{'the pipeline':24}{'without drivers':>20}{'with them':>20}",
        _pair("step of the night", steps),
        *(_pair(f"  {stage}", pair) for stage, pair in result["stage_ms"].items()),
        f"a step with drivers over the same without, median of {result['steps']}: {result['step_ratio_median']}",
    ]
    return "\n".join(lines)


def _line(name: str, spread: Mapping[str, float]) -> str:
    return f"{name:24}" + "".join(f"{spread[which]:>10,.1f}" for which in spread)


def _pair(name: str, pair: Mapping[str, Mapping[str, float]]) -> str:
    shown = [" / ".join(f"{one:,.0f}" for one in pair[side].values()) for side in ("without", "with")]
    return f"{name:24}" + "".join(f"{one:>20}" for one in shown)


def driver(load: Load, *, as_json: bool = False) -> None:
    """Run the bench and print its result; exit code 1 where drivers saw an error."""
    use_uvloop()
    with TemporaryDirectory(prefix="d2ev-bench-") as directory:
        result = {**vars(load), **asyncio.run(measure(load, Path(directory)))}
    if not as_json:
        print(text(result))
    print(json.dumps(result))
    if result["errors"]:
        raise SystemExit(1)
