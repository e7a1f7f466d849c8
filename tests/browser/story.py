"""One driver and one car: the whole system in virtual time, nobody enrolled, the car steered by hand."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from deploy.demo.driver_side import DriverSide
from deploy.demo.night import Night, Options
from oem_connectors.simulator.cloud.battery import Battery
from oem_connectors.simulator.cloud.car import SimCar, Stay
from oem_connectors.simulator.cloud.truth import Truth
from oem_connectors.simulator.cloud.world import World

#: Who the driver is to us, and what she calls herself at the maker's.
DRIVER = "dana"
ACCOUNT = "dana-at-the-maker"
STEP = timedelta(minutes=5)


class Story(Night):
    """Starts on the recorded window's `day`, noon at home; `url` is the driver's page."""

    def __init__(self, run_dir: Path, day: int = 0) -> None:
        super().__init__(Options(vehicles=1, days=2 + day, step=STEP, partitions=1, run_dir=run_dir))
        self.window = replace(self.window, start=self.window.start + timedelta(days=day))
        self.now = self.window.start
        self.fleet = []
        car = SimCar(
            account=ACCOUNT,
            vehicle="zoe",
            model="Compact 52",
            zone=self.window.zone,
            stays=(),
            battery=Battery(usable_kwh=52, power_kw=7.4, efficiency=0.88),
            limit_pct=100,
        )
        self.world = World([car], lambda: self.now)
        self.live = self._live()
        self.driver_side = DriverSide(run_dir, {DRIVER: "Dana", "eve": "Eve"})
        self.url = ""

    @asynccontextmanager
    async def told(self) -> AsyncIterator["Story"]:
        """Everything is up, the page included."""
        async with self.begun():
            self.url = await self.driver_side.start(self.settings, 0)
            try:
                await self.pass_time(minutes=10)
                yield self
            finally:
                await self.driver_side.close()

    @property
    def car(self) -> Truth:
        """The truth about the car."""
        (truth,) = self.world.cars.values()
        return truth

    async def pass_time(self, *, hours: float = 0, minutes: float = 0) -> datetime:
        """Let the pipeline live through it, what was asked for meanwhile first; returns the new present."""
        await self.settle()
        await self.live_until(self.now + timedelta(hours=hours, minutes=minutes))
        await self.live_until(self.now)
        return self.now

    def plug_in(self, soc_pct: float, hours: float = 16) -> None:
        """The driver comes home; it is seen when the car is next asked."""
        at = self.now + timedelta(minutes=1)
        self.car.come_back(Stay(at, at + timedelta(hours=hours), soc_pct))

    def unplug(self) -> None:
        """The driver leaves."""
        self.car.unplug(self.now)
