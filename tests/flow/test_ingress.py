"""The ingress on a real Kafka protocol: makers' bytes in, telemetry out, through restarts and outages."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

import httpx
import pytest
from tesla_protocol.telemetry.vehicle_data_pb2 import Datum, Field, Payload, Value

from agents import journal, probes
from agents.engine.log import LogWriter, NotDurable, Outgoing
from agents.ingress import hooks, stream
from agents.ingress.process import Ingress
from agents.partitions import home_partition
from agents.said import Said
from agents.settings import Settings, load
from deploy.brokers.embedded import EmbeddedBroker
from deploy.reading import Reader
from oem_connectors import registry
from oem_connectors.push import Delivery
from streams import serde
from streams.topics import DEAD_LETTER, REGISTRATION, TELEMETRY, Topic
from tests.deliveries import (
    MINUTE,
    SECRET,
    by_enode,
    by_smartcar,
    counted,
    enode,
    erased,
    registration,
    smartcar,
)

PARTITIONS = 6
#: Base64 of the key that seals the grants of the tests' registrations.
SEAL_KEY = "A" * 43 + "="
STREAM = "tesla_telemetry_V"
VIN = "a-car-s-number"
ENROLLED = (
    registration("a.b", "enode", "v-1"),
    registration("c.d", "smartcar", "v-1"),
    registration("e.f", "tesla", VIN),
)


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    names = {topic.name: PARTITIONS for topic in (REGISTRATION, TELEMETRY, DEAD_LETTER)}
    with EmbeddedBroker(names | {STREAM: 2}) as running:
        yield running


@pytest.fixture
def settings(broker: EmbeddedBroker) -> Settings:
    return load(
        {}, bootstrap=broker.bootstrap, partitions=PARTITIONS, seal_key=SEAL_KEY, session_timeout_seconds=2,
        oem_apps={oem: {"hook_secret": SECRET.get_secret_value()} for oem in ("enode", "smartcar")},
        oem_streams={"tesla": f"{broker.bootstrap}/tesla_telemetry"},
    )  # fmt: skip


class Running(NamedTuple):
    """An ingress, and how it is spoken to."""

    ingress: Ingress
    makers: httpx.AsyncClient
    probes: httpx.AsyncClient

    async def post(self, oem: str, delivery: Delivery) -> int:
        answer = await self.makers.post(f"/hooks/{oem}", content=delivery.body, headers=dict(delivery.headers))
        return answer.status_code

    def events(self) -> dict[str, int]:
        return counted(self.ingress.metrics, "d2ev_ingress_events_total")


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Running]:
    ingress = Ingress(settings, registry.load())
    task = asyncio.create_task(ingress.run())
    door, door_port = await hooks.serve(ingress.hooks, "127.0.0.1", 0)
    side, port = await probes.serve(ingress, "127.0.0.1", 0)
    async with (
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{door_port}", timeout=20) as makers,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as asked,
    ):
        yield Running(ingress, makers, asked)
    await door.cleanup()
    await side.cleanup()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def until(holds: Callable[[], bool], what: str) -> None:
    try:
        async with asyncio.timeout(30):
            while not holds():  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"never: {what}") from None


async def write(settings: Settings, records: Sequence[Outgoing]) -> None:
    writer = LogWriter(settings)
    await writer.start()
    await writer.write(records)
    await writer.stop()


def enrolling(*told: Said) -> list[Outgoing]:
    return [Outgoing(one.source, home_partition(one.key, PARTITIONS), one.key.encode(), one.value) for one in told]


def streamed(soc: float, at: datetime) -> Outgoing:
    """A record as the maker's server writes it, in the maker's own words."""
    message = Payload(vin=VIN, data=[Datum(key=Field.Value("Soc"), value=Value(double_value=soc))])
    message.created_at.FromDatetime(at)
    value: bytes = message.SerializeToString()
    return Outgoing(STREAM, 0, VIN.encode(), value, (("txtype", b"V"), ("vin", VIN.encode())))


async def read(settings: Settings, topic: Topic) -> list[Any]:
    """Every message of a topic."""

    def all_of_it() -> list[Any]:
        with Reader(settings) as reader:
            found = list(reader.read([(topic, partition) for partition in range(PARTITIONS)]))
        for one in found:
            assert one.key is None or one.partition == home_partition(one.key, PARTITIONS)
        return [serde.decode(topic.name, one.value) for one in found if one.value is not None]

    return await asyncio.to_thread(all_of_it)


def now() -> datetime:
    return datetime.now(UTC)


async def test_what_makers_post_and_stream_becomes_telemetry(settings: Settings) -> None:
    at = now() - MINUTE
    await write(settings, [*enrolling(*ENROLLED), streamed(55, at), Outgoing(STREAM, 1, b"x", b"\xff", ())])
    async with running(settings) as run:
        await until(lambda: run.ingress.ready, "ready")
        assert (await run.probes.get("/readyz")).status_code == 200
        assert (await run.probes.get("/healthz")).status_code == 200
        assert await run.post("enode", by_enode([enode(at=at), enode("stranger", at=at)])) == 200
        assert await run.post("smartcar", by_smartcar(smartcar(at=at))) == 200
        await until(lambda: run.events().get("telemetry") == 3 and run.events().get("refused") == 1, "all news")
        status = (await run.probes.get("/status")).json()
        assert status == {
            "ready": True, "cars": 3, "hooks": ["enode", "smartcar"], "streams": {"tesla": True}, "writes_open": 0,
        }  # fmt: skip
        exposed = (await run.probes.get("/metrics")).text
        assert 'd2ev_ingress_events_total{oem="enode",outcome="unknown_vehicle"} 1.0' in exposed
        assert VIN not in exposed
    told = {(one.car, one.soc_pct, one.at_home) for one in await read(settings, TELEMETRY)}
    assert told == {("a.b", 40, True), ("c.d", 40, None), ("e.f", 55, None)}
    (letter,) = await read(settings, DEAD_LETTER)
    assert (letter.topic, letter.partition, letter.offset) == (STREAM, 1, 0)


async def test_enrolments_and_farewells_are_followed(settings: Settings) -> None:
    async with running(settings) as run:
        await until(lambda: run.ingress.ready, "ready")
        assert await run.post("enode", by_enode([enode(soc=10, at=now())])) == 200
        await write(settings, enrolling(ENROLLED[0]))
        await until(lambda: run.ingress.status()["cars"] == 1, "enrolled")
        assert await run.post("enode", by_enode([enode(soc=20, at=now())])) == 200
        await write(settings, enrolling(erased("a.b")))
        await until(lambda: run.ingress.status()["cars"] == 0, "erased")
        assert await run.post("enode", by_enode([enode(soc=30, at=now())])) == 200
        assert run.events() == {"unknown_vehicle": 2, "telemetry": 1}
    assert [one.soc_pct for one in await read(settings, TELEMETRY)] == [20]


async def test_a_stream_goes_on_where_its_records_were_durable(settings: Settings) -> None:
    at = now() - MINUTE
    await write(settings, [*enrolling(*ENROLLED), streamed(50, at)])
    async with running(settings) as run:
        await until(lambda: run.events() == {"telemetry": 1}, "the first")
    await write(settings, [streamed(51, at)])
    async with running(settings) as run:
        await until(lambda: run.events() == {"telemetry": 1}, "the second, and the first not again")
    assert [one.soc_pct for one in await read(settings, TELEMETRY)] == [50, 51]


async def test_a_stream_waits_for_the_log(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be written is not acknowledged: it is read again, and nothing is lost."""
    monkeypatch.setattr(stream, "AGAIN_SECONDS", 0.1)
    failures = iter([True, True])
    real = LogWriter.write

    async def failing(writer: LogWriter, records: Any) -> Any:
        records = list(records)
        if records[0].topic == TELEMETRY.name and next(failures, False):
            raise NotDurable("not yet")
        return await real(writer, records)

    monkeypatch.setattr(LogWriter, "write", failing)
    at = now() - MINUTE
    await write(settings, [*enrolling(*ENROLLED), streamed(50, at), streamed(51, at)])
    async with running(settings) as run:
        await until(lambda: run.events() == {"telemetry": 2}, "both")
    assert [one.soc_pct for one in await read(settings, TELEMETRY)] == [50, 51]


async def test_no_200_without_kafka(
    broker: EmbeddedBroker, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "ACK_SECONDS", 0.5)
    quiet = settings.model_copy(update={"oem_streams": {}})
    await write(quiet, enrolling(*ENROLLED))
    async with running(quiet) as run:
        assert await run.post("enode", by_enode([enode(at=now())])) in {200, 503}
        await until(lambda: run.ingress.ready, "ready")
        assert await run.post("enode", by_enode([enode(soc=11, at=now())])) == 200
        broker.stop()
        began = asyncio.get_running_loop().time()
        assert await run.post("enode", by_enode([enode(soc=12, at=now())])) == 503
        assert asyncio.get_running_loop().time() - began < 4


async def test_before_kafka_is_there_it_is_not_ready() -> None:
    nowhere = load({}, bootstrap="127.0.0.1:1", oem_apps={"enode": {"hook_secret": SECRET.get_secret_value()}})
    async with running(nowhere) as run:
        assert (await run.probes.get("/readyz")).status_code == 503
        assert await run.post("enode", by_enode([enode(at=now())])) == 503


def test_a_stream_needs_a_connector_that_has_one() -> None:
    for oem in ("enode", "nobody"):
        with pytest.raises(ValueError, match=f"^D2EV_OEM_STREAMS: no stream of '{oem}' is known; there are .*tesla"):
            Ingress(load({}, oem_streams={oem: "127.0.0.1:1/x"}), registry.load())


async def test_the_command_starts_takes_and_ends(settings: Settings) -> None:
    await write(settings, enrolling(*ENROLLED))
    environment = os.environ | {
        "D2EV_BOOTSTRAP": settings.bootstrap, "D2EV_PARTITIONS": str(PARTITIONS), "D2EV_SEAL_KEY": SEAL_KEY,
        "D2EV_HEALTH_PORT": "0", "D2EV_INGRESS_PORT": "0",
        "D2EV_OEM_APPS": json.dumps({"enode": {"hook_secret": SECRET.get_secret_value()}}),
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deploy.cli", "ingress", stdout=asyncio.subprocess.PIPE, env=environment
    )
    assert process.stdout is not None
    try:
        side, door = [(await process.stdout.readline()).decode().strip() for _ in range(2)]
        delivery = by_enode([enode(at=now())])
        async with httpx.AsyncClient() as http, asyncio.timeout(30):
            while not (await http.get(f"{side}/readyz")).is_success:  # noqa: ASYNC110 - it tells only who asks
                await asyncio.sleep(0.1)
            answer = await http.post(f"{door}enode", content=delivery.body, headers=dict(delivery.headers))
        assert answer.status_code == 200
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 20) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert [one.car for one in await read(settings, TELEMETRY)] == ["a.b"]
