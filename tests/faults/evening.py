"""A short night with all its decisions: from 20:00 to midnight every car plugs in, waits and charges; due at 23:30."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from datetime import time, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

from deploy.demo.fleet import SimVehicle, Stay, soc_at_plug_in
from deploy.demo.night import Hook, Night, Options
from deploy.demo.recorded import Window
from deploy.demo.world import build_world
from oem_connectors.simulator.cloud.tokens import Terms, TokenBook
from streams.domain.ids import stable_id
from tests.faults.supervised import Kill, Supervised

FROM_NOON: Final = timedelta(hours=8)
HOURS: Final = 4
READY_BY: Final = time(23, 30)
STEP: Final = timedelta(minutes=5)
#: In every such stretch somebody dies, as long as the plan has kills left.
NUDGE_EVERY: Final = timedelta(minutes=10)
#: Access tokens live so short that every account is refreshed several times. Half of the accounts forgive an answer
#: that was lost, with the other half a spent refresh token is the end. Half of those have cars without a schedule of
#: their own: nothing but a start of ours lets them go.
FORGIVING: Final = Terms(timedelta(hours=2), grace=timedelta(minutes=30))
STRICT: Final = Terms(timedelta(hours=2))


class Evening(Night):
    """One evening under `plan`. `hooks` by hours after its start."""

    workers: Supervised

    def __init__(self, options: Options, plan: Iterable[Kill] = (), hooks: Mapping[float, Fault] | None = None) -> None:
        super().__init__(options)
        start = self.window.start + FROM_NOON
        self.window = replace(self.window, start=start, end=start + timedelta(hours=HOURS))
        nudges = {start + n * NUDGE_EVERY: _nudge for n in range(1, HOURS * timedelta(hours=1) // NUDGE_EVERY)}
        self.hooks = {start + timedelta(hours=hours): cast(Hook, hook) for hours, hook in (hooks or {}).items()}
        self.hooks = dict(sorted((nudges | self.hooks).items()))
        self.fleet = [_tonight(vehicle, self.window, options.seed) for vehicle in self.fleet]
        self.now = start
        accounts = sorted({vehicle.account for vehicle in self.fleet})
        self.world = build_world(
            self.fleet, self.window, self.scenario, options.seed, lambda: self.now, without_schedule={*accounts[::4]}
        )
        terms = {account: (STRICT, FORGIVING)[place % 2] for place, account in enumerate(accounts)}
        self.world.tokens = TokenBook(options.seed, terms)
        self.live = self._live()
        self.make_workers = partial(Supervised, plan=plan)


def options(run_dir: Path, bootstrap: str, **changes: Any) -> Options:
    """An evening on a given broker."""
    facts: dict[str, Any] = {"days": 1, "step": STEP, "partitions": 2, "run_dir": run_dir, "bootstrap": bootstrap}
    return Options(**(facts | changes))


def _tonight(vehicle: SimVehicle, window: Window, seed: int) -> SimVehicle:
    """The same car with one stay: plugged in within an hour, in need of half an hour to an hour and a quarter."""
    draw = int(stable_id(seed, "evening", vehicle.car), 16)
    plug_in = window.start + timedelta(minutes=5 + draw % 60)
    hours = 0.5 + draw // 60 % 4 / 4
    soc_pct = soc_at_plug_in(vehicle.target_soc_pct, hours * vehicle.power_kw * vehicle.efficiency, vehicle.usable_kwh)
    stay = Stay(plug_in, window.end - timedelta(minutes=5), soc_pct)
    return replace(vehicle, ready_by=READY_BY, stays=(stay,))


Fault = Callable[[Evening], Awaitable[None]]


async def _nudge(night: Night) -> None:
    cast(Evening, night).workers.nudge()
