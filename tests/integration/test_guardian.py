"""A guardian process on real Kafka: it starts cars whose lease lapses and no others, also once the broker is killed."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
from confluent_kafka.admin import AdminClient, NewTopic

from agents.engine.log import LogWriter, Outgoing
from agents.guardian import copy
from agents.guardian.rules import GRACE
from agents.partitions import home_partition
from agents.said import Said
from agents.settings import Settings, load
from oem_connectors.simulator.cloud.car import SimCar, Stay
from oem_connectors.simulator.cloud.log import Cause, What, Who
from oem_connectors.simulator.cloud.run import serve
from oem_connectors.simulator.cloud.world import World
from streams.contracts.command import Action
from streams.topics import HELD
from tables import ACCOUNTS, KEYS
from tests.guarded import account, held, held_car
from tests.kafka_chain import Kafka

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
LIMIT_SECONDS = 45


def now() -> datetime:
    return datetime.now(UTC)


class Running(NamedTuple):
    """A guardian process."""

    process: asyncio.subprocess.Process
    url: str

    async def status(self) -> dict[str, Any]:
        async with aiohttp.ClientSession() as http, http.get(f"{self.url}/status") as answer:
            found: dict[str, Any] = await answer.json()
            return found


@asynccontextmanager
async def guardian(settings: Settings) -> AsyncIterator[Running]:
    environment = os.environ | {
        "D2EV_ENV": "demo",
        "D2EV_BOOTSTRAP": settings.bootstrap,
        "D2EV_PARTITIONS": str(settings.partitions),
        "D2EV_HELD_FILE": str(settings.held_file),
        "D2EV_HEALTH_PORT": "0",
        "D2EV_OEM_URLS": f'{{"simulator": "{settings.oem_urls["simulator"]}"}}',
    }
    with settings.held_file.with_suffix(".log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "deploy.cli", "guardian", stdout=asyncio.subprocess.PIPE, stderr=log, env=environment
        )
    assert process.stdout is not None
    try:
        yield Running(process, (await process.stdout.readline()).decode().strip())
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 15) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def until(holds: Callable[[], bool], what: str) -> None:
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            while not holds():  # noqa: ASYNC110 - neither the cloud's log nor the file can tell us
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"never: {what}") from None


async def tell(settings: Settings, records: Iterable[Said]) -> None:
    topics = {HELD.name: HELD.name} | {table.name: table.changelog(settings.app_id) for table in (ACCOUNTS, KEYS)}
    writer = LogWriter(settings)
    await writer.start()
    await writer.write(
        Outgoing(topics[said.source], home_partition(said.key, settings.partitions), said.key.encode(), said.value)
        for said in records
    )
    await writer.stop()


def cloud(names: Iterable[str]) -> World:
    """Cars that were plugged in an hour ago and stopped a minute ago."""
    stay = Stay(now() - HOUR, now() + 8 * HOUR, 30)
    cars = [SimCar(account=name.split(".")[0], vehicle=name.split(".")[1], stays=[stay]) for name in names]
    world = World(cars, now)
    for name in names:
        world.cars[name].command(Action.STOP, now() - timedelta(minutes=1), Cause(Who.COMMAND, f"stop {name}"))
    return world


def topics(settings: Settings) -> None:
    names = [HELD.name, *(table.changelog(settings.app_id) for table in (ACCOUNTS, KEYS))]
    admin = AdminClient({"bootstrap.servers": settings.bootstrap})
    for future in admin.create_topics([NewTopic(name, settings.partitions, 1) for name in names]).values():
        future.result(10)


async def test_it_starts_who_is_due_and_nobody_else_also_when_the_broker_is_killed(
    own_kafka: Kafka, tmp_path: Path
) -> None:
    world = cloud(["lapsed.car", "renewed.car", "later.car"])
    runner, url = await serve(world)
    settings = load(
        {}, bootstrap=own_kafka.bootstrap, partitions=2, held_file=tmp_path / "held.json", oem_urls={"simulator": url}
    )

    def asked() -> set[str]:
        return {call.account for call in world.log.calls if call.endpoint == "start"}

    topics(settings)
    begun = now()
    soon, later = begun + 6 * SECOND - GRACE, begun + 20 * SECOND - GRACE
    leases = {"lapsed.car": soon, "renewed.car": soon, "later.car": later}
    records = [held(held_car(name, lease, begun + HOUR)) for name, lease in leases.items()]
    for name in ("lapsed", "renewed", "later"):
        issued = world.tokens.rotate(world.tokens.consent(name), now())
        assert issued is not None
        records += account(name, issued.access_token, settings.sealer(), now() + HOUR)
    await tell(settings, records)
    async with guardian(settings) as running:
        assert asked() == set(), "its lease has not lapsed yet"
        await tell(settings, [held(held_car("renewed.car", begun + HOUR, begun + HOUR))])
        await until(lambda: asked() == {"lapsed"}, "the lapsed car is started")
        assert now() >= leases["lapsed.car"] + GRACE
        await until(lambda: settings.held_file.exists() and len(copy.read(settings.held_file).cars) == 3, "a copy")
        assert own_kafka.handle is not None
        await asyncio.to_thread(own_kafka.handle.stop, kill=True)
        await until(lambda: asked() == {"lapsed", "later"}, "the other one is started without Kafka")
        status = await running.status()
    assert status | {"newest_lease": None} == {
        "ready": True, "kafka": "gone", "held": 3, "lapsed": 2, "released": 0, "failing": 0, "without_token": 0,
        "newest_lease": None,
    }  # fmt: skip
    world.settle(now() + timedelta(minutes=1))  # a car takes some seconds to do what it is told
    assert {change.car for change in world.log.effective() if change.what is What.STARTED} == {
        "lapsed.car",
        "later.car",
    }
    await runner.cleanup()
    assert b"lapsed.car" not in settings.held_file.with_suffix(".log").read_bytes(), "no car is named in the log"
