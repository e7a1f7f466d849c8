"""One driver API process: follows the log, answers drivers, writes their wishes, and tells how it is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import time
from typing import Any, Final

import httpx
import uvicorn

from agents.clock import SystemClock
from agents.driver_api import page
from agents.driver_api.api import Api
from agents.driver_api.app import build
from agents.driver_api.identity import Verifier
from agents.driver_api.limits import Limits, Pace
from agents.driver_api.linking import Links
from agents.driver_api.metrics import ApiMetrics
from agents.driver_api.once import Answers
from agents.driver_api.read_model import ReadModel
from agents.driver_api.session import Sessions, SignIn
from agents.driver_api.session import router as session_router
from agents.driver_api.writes import Wishes
from agents.journal import Journal, journal
from agents.settings import BadSettings, Settings
from oem_connectors.base import Connector

PER_DRIVER: Final = Pace(at_once=120, per_minute=240)
#: Streams that are still open then are cut; their readers come again elsewhere.
GRACE_SECONDS: Final = 3


class DriverApi:
    """Serves drivers at `base_url` until cancelled. Raises BadSettings where nobody could sign in."""

    def __init__(self, settings: Settings, connectors: Mapping[str, Connector], base_url: str) -> None:
        if not settings.issuers:
            raise BadSettings('D2EV_ISSUERS: who signs drivers in? [{"issuer": "https://…", "audience": "…"}]')
        if settings.env == "production" and not base_url.startswith("https://"):
            raise BadSettings("D2EV_API_URL: production needs the https address under which drivers reach this")
        wall = SystemClock()
        self.metrics = ApiMetrics()
        self._http = httpx.AsyncClient(follow_redirects=False)
        self._journal: Journal = journal(settings)
        self.read = ReadModel(settings)
        sealer, clock = settings.sealer(), self.read.clock
        verifier = Verifier(settings.issuers, self._http, wall)
        sessions = Sessions(sealer, base_url, wall)
        wishes = Wishes(self.read, self._journal, sealer, clock, settings.partitions)
        self._links = Links(settings, connectors, base_url, self.read, wishes)
        api = Api(
            settings=settings,
            base_url=base_url,
            read=self.read,
            wishes=wishes,
            links=self._links,
            answers=Answers(self.read, wishes, sealer, wall),
            verifier=verifier,
            sessions=sessions,
            limits=Limits(PER_DRIVER),
            metrics=self.metrics,
            clock=clock,
            wall=wall,
        )
        sign_in = SignIn(sessions, verifier, self._http, base_url)
        self.app = build(api, [session_router(sessions, sign_in, verifier), page.router(page.desk(api))])

    @property
    def ready(self) -> bool:
        """The log was read to its end, and has not gone away since."""
        return self.read.known and not self.read.kafka_gone

    async def run(self) -> None:
        """Follow the log. Ends only by being cancelled."""
        try:
            await self.read.run()
        finally:
            await self._journal.stop()
            await self._links.close()
            await self._http.aclose()

    def status(self) -> dict[str, Any]:
        """Counts; nothing about anybody."""
        return {
            "ready": self.ready,
            "cars": len(self.read.book.cars),
            "streams": self.read.watchers,
            "writes_open": self._journal.open,
        }

    def render(self) -> bytes:
        """The metrics, brought up to date."""
        self.metrics.ready.set(self.ready)
        self.metrics.read_up.set(max(0.0, time() - self.read.behind_seconds))
        self.metrics.cars.set(len(self.read.book.cars))
        self.metrics.writing.set(self._journal.open)
        self.metrics.unreadable.set(self.read.book.unreadable)
        return self.metrics.render()


class Server(uvicorn.Server):
    """Serves an application on sockets of ours, in a process whose signals are ours."""

    def __init__(self, app: Any) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are taken by whoever runs the process."""
        yield

    async def stop(self, serving: asyncio.Task[None]) -> None:
        """No new requests; those under way are answered."""
        self.should_exit = True
        await asyncio.wait({serving}, timeout=GRACE_SECONDS + 2)
