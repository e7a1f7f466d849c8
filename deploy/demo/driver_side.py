"""The driver's side of a demo: `d2ev api`, and an issuer where a visitor chooses whom to be."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from agents.settings import Settings
from deploy.demo.environment import environment
from deploy.demo.workers import begin, end
from deploy.fakes.issuer import CLIENT_ID, CLIENT_SECRET, Issuer

PROGRAM = ("deploy.cli", "api")


class DriverSide:
    """Serves `drivers` (sub to shown name). `url` is the page's, `health` that of the process' probes."""

    def __init__(self, run_dir: Path, drivers: Mapping[str, str]) -> None:
        self.issuer = Issuer(drivers)
        self.url = self.health = ""
        self.log = run_dir / "api.log"
        self._runner: web.AppRunner | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._environment: dict[str, str] = {}

    async def start(self, settings: Settings, port: int, **more: Any) -> str:
        """Start issuer and API, with `more` settings; returns the page's address. Raises WorkerFailed."""
        self._runner = web.AppRunner(self.issuer.app(), access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.issuer.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        issuers = [
            {"issuer": self.issuer.url, "audience": CLIENT_ID, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        ]
        self._environment = {
            **environment(settings),
            "D2EV_ISSUERS": json.dumps(issuers),
            "D2EV_API_PORT": str(port),
            "D2EV_HEALTH_PORT": "0",
            **{f"D2EV_{name.upper()}": value for name, value in more.items()},
        }
        return await self.resume()

    async def resume(self) -> str:
        """Start the API, again if it was ended."""
        self._process, self.health = await begin(PROGRAM, self._environment, self.log)
        assert self._process.stdout is not None
        self.url = (await self._process.stdout.readline()).decode().strip()
        # Whoever has its page open finds it again at the same place.
        self._environment["D2EV_API_PORT"] = self.url.rpartition(":")[2]
        return self.url

    @property
    def pid(self) -> int:
        """Of the API's process, while it runs."""
        assert self._process is not None
        return self._process.pid

    async def pause(self, *, kill: bool = False) -> None:
        """End the API; the issuer stays."""
        if self._process is not None:
            await end(self._process, kill=kill)

    async def close(self) -> None:
        """End both."""
        await self.pause()
        if self._runner is not None:
            await self._runner.cleanup()
