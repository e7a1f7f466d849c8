"""One guardian process: follows the log, keeps its file, starts whoever's lease has lapsed, and tells how it is."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any, Final

import httpx
import structlog

from agents.clock import Clock, LogClock, SystemClock
from agents.guardian import copy
from agents.guardian.cloud import Cloud
from agents.guardian.follow import Follower
from agents.guardian.guard import Guard
from agents.guardian.known import FORGOTTEN_AFTER, Known
from agents.guardian.metrics import GuardianMetrics
from agents.guardian.rules import MANY_TRIES, lapsed, progress_of
from agents.quotas import Quotas
from agents.settings import Settings
from oem_connectors import registry
from oem_connectors.http import make_http

LOG = structlog.get_logger("d2ev")
PERIOD_SECONDS: Final = 1.0
#: The file is written no more often than this, and takes no more than a tenth of our time.
FILE_SECONDS: Final = 3.0
_FILE_SHARE: Final = 10


def make_guard(
    settings: Settings, per_minute: int, http: httpx.AsyncClient, clock: Clock, metrics: GuardianMetrics
) -> Guard:
    """A guard over the makers' clouds as the settings name them."""
    connectors = registry.load()
    cloud = Cloud(connectors, settings.oem_urls, settings.oem_apps, http, settings.sealer(), clock, metrics)
    # Workers that no longer speak for their cars use no part of an app's quota.
    return Guard(cloud, Quotas(connectors, partitions=1), per_minute, clock, metrics)


class Guardian:
    """Runs until cancelled. What it knows at start is what its file says."""

    def __init__(self, settings: Settings) -> None:
        self.metrics = GuardianMetrics()
        self._settings = settings
        ticks = LogClock() if settings.clock == "log" else None
        self._clock: Clock = ticks or SystemClock()
        self._http = make_http()
        self._guard = make_guard(settings, settings.releases_per_minute, self._http, self._clock, self.metrics)
        self._follower = Follower(settings, self._take_up(), ticks)
        self._written: tuple[int, int] | None = None
        self._write_at = 0.0

    async def run(self) -> None:
        """Guard. Ends only by being cancelled, or by a defect."""
        following = asyncio.create_task(self._follower.run())
        try:
            while not following.done():
                self._step()
                await self._keep_copy()
                await asyncio.sleep(PERIOD_SECONDS)
            raise RuntimeError("nobody follows the log any more")
        finally:
            following.cancel()
            await self._guard.at_rest()
            await self._http.aclose()

    @property
    def ready(self) -> bool:
        """It knows whom to guard: from the log, or from its file once Kafka is gone."""
        return self._follower.read_up or self._follower.kafka_gone

    def status(self) -> dict[str, Any]:
        """Counts, and whether Kafka answers; nothing about any one car."""
        known, now = self._follower.known, self._clock.now()
        waiting = [car for car in lapsed(known, now) if not progress_of(car, self._guard.progress, now).settled]
        leases = [car.lease_until for car in known.cars.values()]
        return {
            "ready": self.ready,
            "kafka": "read to its end"
            if self._follower.read_up
            else "gone"
            if self._follower.kafka_gone
            else "awaited",
            "held": len(known.cars),
            "lapsed": len(waiting),
            "released": sum(tried.settled for tried in self._guard.progress.values()),
            "failing": sum(not t.settled and t.tries >= MANY_TRIES for t in self._guard.progress.values()),
            "without_token": sum(known.way(car, now) is None for car in known.cars.values()),
            "newest_lease": max(leases).isoformat() if leases else None,
        }

    def render(self) -> bytes:
        """The metrics, brought up to date."""
        status, metrics, known = self.status(), self.metrics, self._follower.known
        metrics.cars_held.set(status["held"])
        metrics.lapsed.set(status["lapsed"])
        metrics.failing.set(status["failing"])
        metrics.locked.set(status["without_token"])
        metrics.kafka_up.set(self._follower.read_up)
        metrics.unreadable.set(known.unreadable)
        metrics.newest_lease.set(max((car.lease_until.timestamp() for car in known.cars.values()), default=0.0))
        return metrics.render()

    def _take_up(self) -> Known:
        try:
            found = copy.read(self._settings.held_file)
        except FileNotFoundError:
            return Known()
        except (OSError, copy.BadCopy) as error:
            LOG.error("the copy of the held cars cannot be used", error=str(error))
            return Known()
        self._guard.progress.update(found.settled)
        LOG.info("copy of the held cars taken up", cars=len(found.cars), written_at=found.written_at.isoformat())
        return found.known()

    def _step(self) -> None:
        if self.ready:
            known, now = self._follower.known, self._clock.now()
            known.forget(now - FORGOTTEN_AFTER)
            self._guard.forget(known)
            self._guard.begin(known, lambda: lapsed(known, now))

    async def _keep_copy(self) -> None:
        """Write the file if anything changed. A full disk is no reason to stop guarding."""
        known, settled = self._follower.known, sum(tried.settled for tried in self._guard.progress.values())
        stand = known.version, settled
        if stand == self._written or monotonic() < self._write_at:
            return
        begun = monotonic()
        present = copy.copy_of(known, self._guard.progress, self._clock.now())
        try:
            await asyncio.to_thread(copy.write, self._settings.held_file, present)
            self.metrics.file_written.set_to_current_time()
            self._written = stand
        except OSError as error:
            LOG.error("the copy of the held cars cannot be written", error=type(error).__name__)
        self._write_at = monotonic() + max(FILE_SECONDS, _FILE_SHARE * (monotonic() - begun))
