"""The bridge on a real Kafka protocol: statuses reach Firestore in order through faults and restarts; events come."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import httpx
import pytest

from agents import probes
from agents.bridge import feed, hook
from agents.bridge import firestore as client
from agents.bridge.process import Bridge
from agents.engine.log import LogWriter, Outgoing
from agents.partitions import home_partition
from agents.settings import Settings, load
from deploy.brokers.embedded import EmbeddedBroker
from deploy.fakes.firestore import ROOT, FakeFirestore, Trouble
from deploy.fakes.issuer import Issuer
from deploy.reading import Reader
from streams import serde
from streams.topics import DEAD_LETTER, PREFERENCE, REGISTRATION, STATUS, Topic
from tests.bridging import COLLECTION, listening, status
from tests.unit.test_bridge_changes import CAR
from tests.unit.test_bridge_hook import AUDIENCE, CLAIMS, EMAIL

PARTITIONS = 6
CARS = [f"acc{n % 7}.car{n}" for n in range(21)]


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker({topic.name: PARTITIONS for topic in (STATUS, REGISTRATION, PREFERENCE, DEAD_LETTER)}) as one:
        yield one


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "ROUND_SECONDS", 0.02)
    monkeypatch.setattr(feed, "LONGEST_WAIT_SECONDS", 0.1)
    monkeypatch.setattr(feed, "AGAIN_SECONDS", 0.1)
    monkeypatch.setattr(client, "_TIMEOUT", {"connect": 1, "write": 1, "pool": 1, "read": 0.5})


def made(broker: EmbeddedBroker, fake: FakeFirestore, url: str, **given: Any) -> Settings:
    return load(
        {}, bootstrap=broker.bootstrap, partitions=PARTITIONS, session_timeout_seconds=2,
        firestore=fake.key_file(url), firestore_url=url, **given,
    )  # fmt: skip


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Bridge]:
    bridge = Bridge(settings)
    task = asyncio.create_task(bridge.run())
    try:
        yield bridge
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def until(holds: Callable[[], bool], what: str, seconds: float = 60) -> None:
    try:
        async with asyncio.timeout(seconds):
            while not holds():  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"never: {what}") from None


async def write(settings: Settings, records: Sequence[Outgoing]) -> None:
    writer = LogWriter(settings)
    await writer.start()
    await writer.write(records)
    await writer.stop()


def told(car: str, number: int | None) -> Outgoing:
    value = None if number is None else serde.encode(status(car, number))
    return Outgoing(STATUS.name, home_partition(car, PARTITIONS), car.encode(), value)


async def read(settings: Settings, topic: Topic) -> list[Any]:
    def all_of_it() -> list[Any]:
        with Reader(settings) as reader:
            found = list(reader.read([(topic, partition) for partition in range(PARTITIONS)]))
        return [None if one.value is None else serde.decode(topic.name, one.value) for one in found]

    return await asyncio.to_thread(all_of_it)


def shown(fake: FakeFirestore) -> dict[str, int]:
    """The number of the status that each car's document shows."""
    prefix = f"{ROOT}/{COLLECTION}/"
    documents = fake.store.documents.items()
    found = {name.removeprefix(prefix): one.fields for name, one in documents if name.startswith(prefix)}
    return {car: int(fields["plan_revision"]["integerValue"]) for car, fields in found.items()}


def folded(log: Sequence[tuple[str, int | None]]) -> dict[str, int]:
    return {car: number for car, number in dict(log).items() if number is not None}


def went_back(fake: FakeFirestore, log: Sequence[tuple[str, int | None]]) -> list[str]:
    """Cars whose document showed something else than a part of what the log says, in its order."""
    wrong = []
    for car in CARS:
        name = f"{ROOT}/{COLLECTION}/{car}"
        applied = [one.fields for one in fake.store.applied if one.name == name]
        lived = [None if one is None else int(one["plan_revision"]["integerValue"]) for one in applied]
        ordered = iter([number for whose, number in log if whose == car])
        if not all(any(step == one for one in ordered) for step in lived):
            wrong.append(car)
    return wrong


async def test_statuses_arrive_in_order_through_faults_and_restarts(broker: EmbeddedBroker) -> None:
    """Two bridges come and go, one commit in three fails in some way, and the documents end as the topic's fold."""
    chance = Random(20261123)
    fake = FakeFirestore(trouble=lambda _: chance.choice([*Trouble]) if chance.random() < 0.35 else None)
    log: list[tuple[str, int | None]] = []
    async with listening(fake.app()) as url:
        settings = made(broker, fake, url)
        for life in range(6):
            some = [(chance.choice(CARS), None if chance.random() < 0.1 else len(log) + n) for n in range(150)]
            log += some
            async with running(settings):
                await write(settings, [told(*one) for one in some[:75]])
                async with running(settings):
                    await write(settings, [told(*one) for one in some[75:]])
                    await asyncio.sleep(chance.uniform(0.2, 1.5))
                await asyncio.sleep(chance.uniform(0.0, 0.8))
            assert went_back(fake, log) == [], f"in life {life}"
        async with running(settings) as bridge:
            await until(lambda: shown(fake) == folded(log), "all that the topic says")
            assert bridge.ready
    assert went_back(fake, log) == []
    assert await read(settings, DEAD_LETTER) == []
    assert fake.commits < 3 * len(log)


async def test_after_a_restart_nothing_is_written_twice(broker: EmbeddedBroker) -> None:
    fake = FakeFirestore()
    async with listening(fake.app()) as url:
        settings = made(broker, fake, url)
        log = [(car, number) for number in range(3) for car in CARS]
        await write(settings, [told(*one) for one in log])
        async with running(settings):
            await until(lambda: shown(fake) == folded(log), "all")
        written = len(fake.store.applied)
        await write(settings, [told(CARS[0], None)])
        async with running(settings):
            await until(lambda: CARS[0] not in shown(fake), "erased")
        assert len(fake.store.applied) == written + 2
        anew = settings.model_copy(update={"app_id": "another"})  # a group that has committed nothing
        async with running(anew) as bridge:
            await until(lambda: bridge.metrics.registry.get_sample_value("d2ev_bridge_records_behind") == 0, "read")
            await asyncio.sleep(0.3)
        assert len(fake.store.applied) == written + 2


async def test_an_outage_of_firestore_is_waited_for_and_one_bad_status_keeps_no_other(broker: EmbeddedBroker) -> None:
    fake = FakeFirestore(trouble=lambda _: Trouble.UNAVAILABLE)
    async with listening(fake.app()) as url:
        settings = made(broker, fake, url)
        bad = "__a.b__"
        await write(settings, [told(CARS[0], 1), told(bad, 2), told(CARS[1], 3)])
        await write(settings, [Outgoing(STATUS.name, 0, b"a.b", b"not a status")])
        async with running(settings) as bridge:
            await until(lambda: fake.commits > 6, "several attempts")
            assert bridge.status()["statuses"]["waiting"] > 0
            assert shown(fake) == {}
            fake.trouble = lambda _: None
            await until(lambda: shown(fake) == {CARS[0]: 1, CARS[1]: 3}, "what is good")
            await until(lambda: bridge.status()["statuses"] == {"reading": True, "waiting": 0}, "all is well")
        letters = await read(settings, DEAD_LETTER)
    causes = sorted(letter.cause.split(" at ")[0] for letter in letters)
    assert causes == ["400 INVALID_ARGUMENT", "the record: Invalid JSON: expected ident"]


async def test_what_apps_write_reaches_the_log(broker: EmbeddedBroker) -> None:
    fake, issuer = FakeFirestore(), Issuer({})
    async with listening(fake.app()) as url, listening(issuer.app()) as keys:
        issuer.url = keys
        given = {"audience": AUDIENCE, "email": EMAIL, "issuer": keys}
        settings = made(broker, fake, url, firestore_hook=given)
        async with running(settings) as bridge:
            assert bridge.hook is not None
            runner, port = await hook.serve(bridge.hook, "127.0.0.1", 0)
            side, side_port = await probes.serve(bridge, "127.0.0.1", 0)
            await until(lambda: bridge.ready, "ready")
            token = {"Authorization": f"Bearer {issuer.token('1', **CLAIMS)}"}
            async with httpx.AsyncClient(trust_env=False) as http:

                async def post(path: str, fields: Any) -> int:
                    event = fake.written(path, fields)
                    address = f"http://127.0.0.1:{port}/hooks/firestore"
                    return (
                        await http.post(address, content=event.body, headers={**event.headers, **token})
                    ).status_code

                assert await post("drivers/anna/preferences/a.b", {}) == 404
                assert await post("drivers/anna/registrations/a.b", CAR) == 204
                assert await post("drivers/anna/preferences/a.b", {"target_soc_pct": 90}) == 204
                assert await post("drivers/bert/preferences/a.b", {"target_soc_pct": 20}) == 403
                await until(lambda: bridge.status()["cars"] == 1, "known")
                assert await post("drivers/anna/registrations/a.b", None) == 204
                page = (await http.get(f"http://127.0.0.1:{side_port}/metrics")).text
                assert (await http.get(f"http://127.0.0.1:{side_port}/readyz")).status_code == 200
            await runner.cleanup()
            await side.cleanup()
        assert 'd2ev_bridge_events_total{kind="preferences",outcome="taken"} 1.0' in page
        assert "anna" not in page
        made_of_it, erased = await read(settings, REGISTRATION)
        assert (made_of_it.driver, made_of_it.car, erased) == ("anna", "a.b", None)
        assert [one.target_soc_pct for one in await read(settings, PREFERENCE)] == [90]
        assert len(await read(settings, DEAD_LETTER)) == 1


async def test_the_command_writes_and_ends(broker: EmbeddedBroker) -> None:
    fake = FakeFirestore()
    async with listening(fake.app()) as url:
        settings = made(broker, fake, url)
        environment = os.environ | {
            "D2EV_BOOTSTRAP": settings.bootstrap, "D2EV_PARTITIONS": str(PARTITIONS), "D2EV_HEALTH_PORT": "0",
            "D2EV_FIRESTORE": fake.key_file(url), "D2EV_FIRESTORE_URL": url, "D2EV_BRIDGE_PORT": "0",
            "D2EV_FIRESTORE_HOOK": json.dumps({"audience": AUDIENCE, "email": EMAIL}),
        }  # fmt: skip
        await write(settings, [told("a.b", 1)])
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "deploy.cli", "bridge", stdout=asyncio.subprocess.PIPE, env=environment
        )
        assert process.stdout is not None
        try:
            side, door = [(await process.stdout.readline()).decode().strip() for _ in range(2)]
            async with httpx.AsyncClient(trust_env=False) as http:
                assert (await http.post(door)).status_code == 401
                assert (await http.get(f"{side}/status")).status_code == 200
            await until(lambda: shown(fake) == {"a.b": 1}, "written")
            process.terminate()
            assert await asyncio.wait_for(process.wait(), 20) == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ({}, r"^D2EV_FIRESTORE: the bridge has nothing to do"),
        ({"firestore": "SECRET"}, r"^D2EV_FIRESTORE: the key file: not JSON$"),
    ],
)
def test_it_does_not_start_half_set_up(given: dict[str, str], cause: str) -> None:
    with pytest.raises(ValueError, match=cause):
        Bridge(load({}, **given))
