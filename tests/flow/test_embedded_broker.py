"""The embedded broker speaks enough Kafka for the demo and the flow tests, and refuses production."""

import asyncio
import sys
import time
from collections.abc import Iterator

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from deploy.brokers import embedded, librdkafka
from deploy.brokers.embedded import EmbeddedBroker
from deploy.brokers.errors import BrokerError

PARTITIONS = 12


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker({"cars": PARTITIONS, "wide": 1}) as running:
        yield running


async def _produce(bootstrap: str, records: int) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        headers = [("ce_type", b"plug")]
        sent = [
            await producer.send("cars", f"v{n}".encode(), key=f"k{n}".encode(), headers=headers) for n in range(records)
        ]
        await asyncio.gather(*sent)


async def _consume(bootstrap: str, records: int, *, group: str) -> list[tuple[bytes, bytes, object]]:
    consumer = AIOKafkaConsumer(
        "cars",
        bootstrap_servers=bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        # This broker lets a group settle for the session timeout less a second when a member has left.
        session_timeout_ms=1_500,
        heartbeat_interval_ms=300,
    )
    async with consumer:
        got = [await asyncio.wait_for(consumer.getone(), 20) for _ in range(records)]
        await consumer.commit()
        assert len(consumer.assignment()) == PARTITIONS
    return [(record.key, record.value, tuple(record.headers)) for record in got]


async def test_records_come_back_with_key_and_headers(broker: EmbeddedBroker) -> None:
    await _produce(broker.bootstrap, 50)
    got = await _consume(broker.bootstrap, 50, group="readers")
    assert sorted(got) == sorted((f"k{n}".encode(), f"v{n}".encode(), (("ce_type", b"plug"),)) for n in range(50))


async def test_a_group_goes_on_where_it_committed(broker: EmbeddedBroker) -> None:
    await _produce(broker.bootstrap, 10)
    await _consume(broker.bootstrap, 10, group="readers")
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap) as producer:
        await producer.send_and_wait("cars", b"late", key=b"late")
    assert [value for _, value, _ in await _consume(broker.bootstrap, 1, group="readers")] == [b"late"]


async def test_topics_have_the_partitions_asked_for(broker: EmbeddedBroker) -> None:
    async with AIOKafkaConsumer("cars", "wide", bootstrap_servers=broker.bootstrap) as consumer:
        counts = {topic: len(consumer.partitions_for_topic(topic) or ()) for topic in ("cars", "wide")}
    assert counts == {"cars": PARTITIONS, "wide": 1}


@pytest.mark.skipif(sys.platform != "linux", reason="only there can the stock limit be lifted")
async def test_nothing_is_dropped_beyond_the_stock_limit_of_five_mebibytes(broker: EmbeddedBroker) -> None:
    assert broker.retention_lifted
    partition = TopicPartition("wide", 0)
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap) as producer:
        for _ in range(12):
            await producer.send_and_wait("wide", bytes(900_000), partition=0)
    async with AIOKafkaConsumer(bootstrap_servers=broker.bootstrap) as consumer:
        assert await consumer.beginning_offsets([partition]) == {partition: 0}
        assert await consumer.end_offsets([partition]) == {partition: 12}


def test_it_listens_on_loopback_only(broker: EmbeddedBroker) -> None:
    assert broker.bootstrap.startswith("127.0.0.1:")


def test_stopping_twice_is_harmless_and_the_address_is_gone() -> None:
    broker = EmbeddedBroker()
    broker.start()
    broker.stop()
    broker.stop()
    with pytest.raises(BrokerError, match="not running"):
        _ = broker.bootstrap


def test_a_topic_that_exists_is_refused_by_name(broker: EmbeddedBroker) -> None:
    with pytest.raises(BrokerError, match=r"cars.*already exists"):
        broker.create_topic("cars", 3)


@pytest.mark.parametrize("environment", ["production", "Production"])
def test_production_refuses_it_in_one_line(environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("D2EV_ENV", environment)
    with pytest.raises(BrokerError) as refusal:
        EmbeddedBroker()
    assert "D2EV_ENV=production" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_library_without_the_cluster_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(librdkafka, "_SIGNATURES", {"rd_kafka_no_such_call": (None, ())})
    with pytest.raises(BrokerError, match="rd_kafka_no_such_call"):
        librdkafka.open_library.__wrapped__()


def test_an_unknown_build_serves_with_the_stock_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(librdkafka, "_STOCK_LIMITS", b"no such bytes anywhere")
    monkeypatch.setattr(embedded, "open_library", librdkafka.open_library.__wrapped__)
    with EmbeddedBroker() as broker:
        assert not broker.retention_lifted


def test_many_topics_do_not_wait_for_one_another() -> None:
    began = time.monotonic()
    with EmbeddedBroker({f"topic-{number}": 1 for number in range(400)}):
        assert time.monotonic() - began < 20, "most of what is asked of it is heard a second late"
