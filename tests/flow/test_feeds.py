"""Feeds over HTTP and Kafka: from a source's answer to the forecasts stage and the planner, with sources in trouble."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from aiohttp import ClientSession
from aiokafka import AIOKafkaConsumer, TopicPartition

from agents import forecasts, probes
from agents.engine.log import NotDurable, Outgoing
from agents.feeds import config
from agents.feeds.metrics import FeedMetrics
from agents.feeds.process import Feeds, askers, record
from agents.settings import Settings, load
from deploy.brokers.embedded import EmbeddedBroker
from deploy.demo.feed import forecast_record
from oem_connectors.http import make_http
from streams import serde
from streams.contracts.forecast import Forecast
from streams.domain.forecasts import merge
from streams.domain.market import Market
from streams.topics import CARBON, PRICE, REPLAN
from tests.desk import Desk
from tests.feeding import Reply, Scripted, neso, octopus, serving

HOUR, HALF = timedelta(hours=1), timedelta(minutes=30)
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
TODAY = datetime(2026, 5, 3, 22, tzinfo=UTC)
PLAIN = load({}, env="demo", partitions=2)
FEEDS = config.parse("""
[[price]]
tariff = "agile"
source = "octopus"
params = { product = "P", tariff = "T" }
[[carbon]]
region = "GB"
source = "neso"
[[carbon]]
region = "CAISO"
source = "watttime"
params = { region = "CAISO_NORTH" }
""")
PENCE: list[float | None] = [10.0 + n for n in range(48)]


class Hand:
    """A clock that goes as it is told."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with make_http() as made:
        yield made


def keeping(settings: Settings, http: httpx.AsyncClient, clock: Hand, **sources: Scripted) -> Feeds:
    urls = {name: source.base for name, source in sources.items()} | {"watttime": "http://127.0.0.1:9"}
    keys = {"watttime": {"username": "u", "password": "p"}}
    told = load({}, **settings.model_dump(exclude={"feed_urls", "feed_keys"}), feed_urls=urls, feed_keys=keys)
    return Feeds(told, FEEDS, askers(told, FEEDS, http), clock, lambda: 0.5)


async def published(settings: Settings) -> list[Forecast]:
    """All that lies on the two topics."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        places = [TopicPartition(topic.name, n) for topic in (PRICE, CARBON) for n in range(settings.partitions)]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        ends = await consumer.end_offsets(places)
        found: list[Forecast] = []
        while any([await consumer.position(place) < end for place, end in ends.items()]):
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                for one in batch:
                    vintage = serde.decode(one.topic, one.value)
                    assert isinstance(vintage, Forecast)
                    assert one.key == vintage.key.encode()
                    assert dict(one.headers)["ce_type"] == one.topic.encode()
                    found.append(vintage)
    finally:
        await consumer.stop()
    return sorted(found, key=lambda vintage: (vintage.kind, vintage.issued_at))


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - the process tells nobody
            await asyncio.sleep(0.02)


async def test_from_the_sources_to_the_plans(http: httpx.AsyncClient) -> None:
    topics = {PRICE.name: PLAIN.partitions, CARBON.name: PLAIN.partitions}
    with EmbeddedBroker(topics) as broker:
        settings = PLAIN.model_copy(update={"bootstrap": broker.bootstrap})
        corrected = [*PENCE[:40], 99.0, *PENCE[41:]]
        async with (
            serving(
                Reply(octopus(TODAY, PENCE)), Reply(b"", 503), Reply(octopus(TODAY, corrected)),
            ) as prices,
            serving(Reply(neso(NOON, [200.0] * 96))) as grid,
        ):  # fmt: skip
            clock = Hand()
            feeds = keeping(settings, http, clock, octopus=prices, neso=grid)
            assert not feeds.ready
            running = asyncio.create_task(feeds.run())
            await until(lambda: all(state.ask_at for state in feeds.states.values()))
            assert feeds.ready
            standing = feeds.status()["feeds"]
            assert standing["price:agile"]["known_until"] == "2026-05-04T22:00:00Z"
            assert standing["carbon:CAISO"]["failures"] == 1, "one source is down, the others are asked"
            assert standing["carbon:CAISO"]["flags"] == ["stale"]
            assert [(one.key, len(one.slots)) for one in await published(settings)] == [("GB", 96), ("agile", 48)]
            running.cancel()
            await asyncio.wait({running})

            # Another process takes up what was published, survives a source that fails, and publishes the correction.
            clock.at += HOUR
            feeds = keeping(settings, http, clock, octopus=prices, neso=grid)
            await feeds.take_up()
            assert feeds.states["price:agile"].known == (await published(settings))[1]
            price = FEEDS[0]
            failed = await feeds.round(price)
            assert (failed.word, len(await published(settings))) == ("down", 2)
            assert failed.state.known is not None
            market = Market(failed.state.known, None)
            assert market.curve(0.0, clock.now(), clock.now() + 8 * HOUR) is not None, "planning goes on"
            new = await feeds.round(price)
            assert new.word == "published"
            same = await feeds.round(price)
            assert same.word == "unchanged"
            await feeds.stop()
        found = await published(settings)
        assert [(one.key, one.issued_at) for one in found] == [("GB", NOON), ("agile", NOON), ("agile", NOON + HOUR)]
        desk = Desk(forecasts.STAGE)
        sent = [send for one in found for send in desk.give(one.issued_at, (_topic(one), one.key, one))]
        assert {send.topic for send in sent} == {REPLAN}
        assert [send.key for send in sent] == ["carbon:GB", "price:agile", "price:agile"]
        curve = merge(found[1], found[2])
        assert [round(slot.value * 100, 6) for slot in curve.slots] == corrected


def _topic(one: Forecast) -> object:
    return PRICE if one.kind.value == "price" else CARBON


async def test_what_kafka_did_not_take_is_asked_for_again(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Outgoing] = []

    async def write(records: list[Outgoing]) -> None:
        if len(calls) < 1:
            calls.append(1)
            raise NotDurable("no")
        written.extend(records)

    calls: list[int] = []
    async with serving(Reply(octopus(TODAY, PENCE))) as prices:
        clock = Hand()
        feeds = keeping(PLAIN, http, clock, octopus=prices)
        monkeypatch.setattr(feeds._journal, "write", write)
        await feeds.round(FEEDS[0])
        assert feeds.states["price:agile"].known is None
        assert feeds.states["price:agile"].ask_at == NOON + timedelta(minutes=1)
        await feeds.round(FEEDS[0])
    assert len(written) == 1
    assert feeds.states["price:agile"].known is not None


async def test_a_defect_in_one_feed_leaves_the_others_theirs(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(Reply(neso(NOON, [200.0] * 96))) as grid:
        feeds = keeping(PLAIN, http, Hand(), neso=grid)

        async def nothing(*_: object) -> None:
            feeds.ready = True

        class Broken:
            async def ask(self, *_: object) -> None:
                raise ZeroDivisionError

        monkeypatch.setattr(feeds, "take_up", nothing)
        monkeypatch.setattr(feeds._journal, "write", nothing)
        monkeypatch.setitem(feeds._askers, "price:agile", Broken())
        running = asyncio.create_task(feeds.run())
        await until(lambda: all(state.ask_at for state in feeds.states.values()))
        assert feeds.states["price:agile"].ask_at == NOON + timedelta(minutes=15)
        assert feeds.states["carbon:GB"].known is not None
        assert not running.done()
        running.cancel()
        await asyncio.wait({running})


async def test_a_round_by_hand_publishes_nothing_when_dry(http: httpx.AsyncClient) -> None:
    with EmbeddedBroker({PRICE.name: 2, CARBON.name: 2}) as broker:
        settings = PLAIN.model_copy(update={"bootstrap": broker.bootstrap})
        async with (
            serving(Reply(octopus(TODAY, PENCE))) as prices,
            serving(Reply(neso(NOON, [200.0] * 96))) as grid,
        ):
            for publish, count in ((False, 0), (True, 2), (True, 2)):
                feeds = keeping(settings, http, Hand(), octopus=prices, neso=grid)
                outcomes = await feeds.once(publish=publish)
                assert len(await published(settings)) == count
                words = [outcome.word for _, outcome in outcomes]
                assert words[2] == "down"
    assert words == ["unchanged", "unchanged", "down"]


def test_a_vintage_lies_where_the_feed_of_the_demo_puts_it() -> None:
    slots = [{"start": NOON, "end": NOON + HALF, "value": 0.2}]
    told = {"kind": "price", "unit": "EUR/kWh", "issued_at": NOON, "source": "x", "known_until": NOON + HALF}
    for key in ("GB", "agile", "nl-dynamic"):
        vintage = Forecast.model_validate(told | {"key": key, "slots": slots})
        ours, demos = record(vintage, 6), forecast_record(vintage, NOON, 6)
        assert (ours.topic, ours.partition, ours.key, ours.value) == (
            demos.topic, demos.partition, demos.key, demos.value,
        )  # fmt: skip
        assert [name for name, _ in ours.headers] == [name for name, _ in demos.headers]
        assert json.loads(ours.value or b"")["basis"] is None


async def test_health_and_metrics(http: httpx.AsyncClient) -> None:
    async with serving(Reply(octopus(TODAY, PENCE))) as prices:
        clock = Hand()
        feeds = keeping(PLAIN, http, clock, octopus=prices)
        runner, port = await probes.serve(feeds, "127.0.0.1", 0)
        async with ClientSession(f"http://127.0.0.1:{port}") as session:
            assert (await session.get("/healthz")).status == 200
            assert (await session.get("/readyz")).status == 503
            outcome = await feeds._play(FEEDS[0], NOON)
            feeds.states["price:agile"] = outcome.state
            feeds.metrics.heard("price:agile", outcome)
            feeds.ready = True
            assert (await session.get("/readyz")).status == 200
            text = await (await session.get("/metrics")).text()
            clock.at = NOON + 10 * HOUR
            later = await (await session.get("/metrics")).text()
        await runner.cleanup()
    ends = (TODAY + 24 * HOUR).timestamp()
    assert f'd2ev_feed_known_until_timestamp_seconds{{feed="price:agile"}} {ends / 1e9:.6f}e+09' in text
    assert 'd2ev_feed_rounds_total{feed="price:agile",outcome="published"} 1.0' in text
    assert 'd2ev_feed_stale{feed="price:agile"} 0.0' in text
    assert 'd2ev_feed_stale{feed="carbon:GB"} 1.0' in text
    assert 'd2ev_feed_slots_missing{feed="price:agile"} 0.0' in text
    assert 'd2ev_feed_stale{feed="price:agile"} 1.0' in later, "prices that have ended are no prices"


def test_labels_are_feeds_and_outcomes() -> None:
    ours = [family for family in FeedMetrics().registry.collect() if family.name.startswith("d2ev_feed_")]
    assert len(ours) == 6
    assert all(family.documentation for family in ours)


async def test_the_log_that_is_not_there_is_waited_for(http: httpx.AsyncClient) -> None:
    settings = PLAIN.model_copy(update={"bootstrap": "127.0.0.1:9"})
    feeds = keeping(settings, http, Hand())
    running = asyncio.create_task(feeds.run())
    await asyncio.sleep(0.3)
    assert not running.done()
    assert not feeds.ready
    running.cancel()
    await asyncio.wait({running})


async def test_the_process_publishes_tells_how_it_is_and_ends_when_told(tmp_path: Path) -> None:
    (tmp_path / "feeds.toml").write_text(
        '[[price]]\ntariff = "fixed"\nenergy = 0.25\nretail = { currency = "GBP", zone = "Europe/London" }\n'
    )
    with EmbeddedBroker({PRICE.name: 2, CARBON.name: 2}) as broker:
        settings = PLAIN.model_copy(update={"bootstrap": broker.bootstrap})
        names = {
            "D2EV_BOOTSTRAP": broker.bootstrap, "D2EV_PARTITIONS": "2", "D2EV_HEALTH_PORT": "0",
            "D2EV_FEEDS_FILE": str(tmp_path / "feeds.toml"),
        }  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "deploy.cli", "feeds", stdout=asyncio.subprocess.PIPE, env=os.environ | names
        )
        assert process.stdout is not None
        base = (await asyncio.wait_for(process.stdout.readline(), 60)).decode().strip()
        async with ClientSession(base) as session, asyncio.timeout(60):
            while not (await (await session.get("/status")).json())["feeds"]["price:fixed"]["ask_at"]:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        (vintage,) = await published(settings)
        assert {slot.value for slot in vintage.slots} == {0.25}
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 30) == 0
