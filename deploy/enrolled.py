"""The simulator with its cars enrolled: what linking would have done, for trying a cluster in real time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from agents.engine.log import LogWriter, Outgoing
from agents.envelope import seal_context
from agents.partitions import home_partition
from agents.sealing import Sealer
from agents.settings import Settings
from oem_connectors.simulator.cloud.car import SimCar
from oem_connectors.simulator.cloud.fleet import commuters
from oem_connectors.simulator.cloud.run import serve
from oem_connectors.simulator.cloud.world import World
from streams import serde
from streams.contracts.base import Contract
from streams.contracts.preference import Preference
from streams.contracts.registration import Registration
from streams.topics import PREFERENCE, REGISTRATION, Topic

#: What the cars' tariff and region are called: `d2ev feeds` may serve them.
TARIFF: Final = "demo"
REGION: Final = "demo"
_DAYS: Final = 28
#: When half of the commuters are home.
_HALF_HOME: Final = timedelta(hours=18, minutes=30)
#: From now until each of them has to be ready, whatever the time of day.
_NIGHT: Final = timedelta(hours=10)


async def main(port: int, vehicles: int, seed: int, settings: Settings) -> None:
    """Serve the cars, tell the log who they are, and go on until cancelled."""
    now = datetime.now(UTC)
    world = World(home_now(commuters(vehicles, now - timedelta(days=1), _DAYS, seed), now), _now, seed)
    runner, url = await serve(world, port)
    writer = LogWriter(settings)
    try:
        await writer.start()
        await writer.write(enrolments(world, settings.sealer(), settings.partitions, now))
        print(url, flush=True)
        await asyncio.Event().wait()
    finally:
        await writer.stop()
        await runner.cleanup()


def home_now(cars: Sequence[SimCar], now: datetime) -> list[SimCar]:
    """The same cars, in whose evening it is now: half are home, the others come in the next two hours."""
    shift = now - now.replace(hour=0, minute=0, second=0, microsecond=0) - _HALF_HOME
    return [
        replace(
            car,
            stays=[replace(stay, plug_in=stay.plug_in + shift, plug_out=stay.plug_out + shift) for stay in car.stays],
        )
        for car in cars
    ]


def enrolments(world: World, sealer: Sealer, partitions: int, now: datetime) -> list[Outgoing]:
    """A registration and a preference per car."""
    ready_by = (now + _NIGHT).time().replace(second=0, microsecond=0)
    made = []
    for key, truth in world.cars.items():
        car = truth.car
        token = world.tokens.consent(car.account).encode()
        registration = Registration(
            car=key,
            driver=f"driver-{car.account}",
            oem="simulator",
            vehicle=car.vehicle,
            model=car.model,
            usable_kwh=car.battery.usable_kwh,
            power_kw=car.battery.power_kw,
            efficiency=car.battery.efficiency,
            home_zone=car.zone,
            region=REGION,
            tariff=TARIFF,
            grant_sealed=sealer.seal(token, seal_context(car.account)),
            registered_at=now,
        )
        made.append(record(REGISTRATION, key, registration, partitions, now))
        made.append(record(PREFERENCE, key, Preference(car=key, ready_by=ready_by, updated_at=now), partitions, now))
    return made


def record(topic: Topic, key: str, message: Contract, partitions: int, now: datetime) -> Outgoing:
    """A record in the partition of its account."""
    headers = (*serde.headers(topic.name, "simulator", now), ("ce_id", f"{key}-{now.timestamp():.3f}".encode()))
    return Outgoing(topic.name, home_partition(key, partitions), key.encode(), serde.encode(message), headers)


def _now() -> datetime:
    return datetime.now(UTC)
