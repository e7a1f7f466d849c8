"""The fleet's charging power over time, by the simulator's meters: as managed, and as it would have been unmanaged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from deploy.demo.fleet import SimVehicle
from deploy.demo.recorded import Window
from oem_connectors.simulator.cloud.world import World

SLOT = timedelta(minutes=15)
Load = list[tuple[datetime, float]]


class Loads:
    """Called with nothing, gives (managed, unmanaged) as (start of quarter hour, kW) over what has passed."""

    def __init__(self, world: World, fleet: Sequence[SimVehicle], window: Window, now: Callable[[], datetime]) -> None:
        self._world, self._window, self._now = world, window, now
        slots = int((window.end - window.start) / SLOT) + 1
        self._managed = [0.0] * slots
        self._unmanaged = [0.0] * slots
        self._metered = 0
        for vehicle in fleet:
            for stay in vehicle.stays:
                kwh = (vehicle.target_soc_pct - stay.soc_at_plug_in_pct) / 100 * vehicle.usable_kwh / vehicle.efficiency
                end = min(stay.plug_out, stay.plug_in + timedelta(hours=max(0.0, kwh) / vehicle.power_kw))
                self._add(self._unmanaged, stay.plug_in, end, vehicle.power_kw)

    def __call__(self) -> tuple[Load, Load]:
        for piece in self._world.log.metered[self._metered :]:
            hours = (piece.end - piece.start) / timedelta(hours=1)
            if hours > 0:
                self._add(self._managed, piece.start, piece.end, piece.energy_kwh / hours)
        self._metered = len(self._world.log.metered)
        return self._curve(self._managed), self._curve(self._unmanaged)

    def _add(self, slots: list[float], start: datetime, end: datetime, power_kw: float) -> None:
        at = max(start, self._window.start)
        while at < min(end, self._window.end):
            number = int((at - self._window.start) / SLOT)
            edge = self._window.start + (number + 1) * SLOT
            part = (min(edge, end) - at) / SLOT
            slots[number] += power_kw * part
            at = edge

    def _curve(self, slots: list[float]) -> Load:
        passed = int((self._now() - self._window.start) / SLOT)
        return [(self._window.start + n * SLOT, round(kw, 2)) for n, kw in enumerate(slots[:passed])]
