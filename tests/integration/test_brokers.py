"""The real broker is a Kafka 4, carries our records whole, and forgets nothing when it is killed."""

import asyncio
import socket
import struct
import uuid
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient

from deploy.brokers.jars import kafka_version
from tests.kafka_chain import Kafka

_FETCH, _API_VERSIONS = 1, 18
COMPOSE = Path("deploy/compose.yaml")


async def _create(bootstrap: str, partitions: int) -> str:
    topic = f"test.{uuid.uuid4().hex}"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, partitions, 1)])
    finally:
        await admin.close()
    return topic


async def _write(bootstrap: str, topic: str, values: list[bytes]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", max_request_size=4_000_000) as producer:
        for value in values:
            await producer.send_and_wait(topic, value, key=b"car", headers=[("ce_id", b"1")])


async def _read(bootstrap: str, topic: str, count: int) -> list[tuple[bytes, bytes, object]]:
    """Read `count` records in the group named like the topic, and commit."""
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=topic,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    async with consumer:
        got = [await asyncio.wait_for(consumer.getone(), 30) for _ in range(count)]
        await consumer.commit()
    return [(record.key, record.value, tuple(record.headers)) for record in got]


def _oldest_supported(bootstrap: str, api: int) -> int:
    """Ask the broker itself, without a client library, which versions of one request it still takes."""
    host, port = bootstrap.rsplit(":", 1)
    request = struct.pack(">hhih", _API_VERSIONS, 0, 7, -1)
    with (
        socket.create_connection((host, int(port)), timeout=10) as connection,
        connection.makefile("rb") as answer,
    ):
        connection.sendall(struct.pack(">i", len(request)) + request)
        (size,) = struct.unpack(">i", answer.read(4))
        body = answer.read(size)
    _correlation, error, count = struct.unpack_from(">ihi", body)
    assert error == 0
    ranges: dict[int, int] = {key: low for key, low, _ in struct.iter_unpack(">hhh", body[10 : 10 + 6 * count])}
    return ranges[api]


def test_it_is_a_kafka_4(kafka: Kafka) -> None:
    # Kafka 4.0 dropped Fetch versions 0 to 3; every 3.x still takes them.
    assert _oldest_supported(kafka.bootstrap, _FETCH) == 4


async def test_records_come_back_with_key_headers_and_two_megabytes(kafka: Kafka) -> None:
    topic = await _create(kafka.bootstrap, 12)
    large = bytes(2_000_000)
    await _write(kafka.bootstrap, topic, [b"small", large])
    headers = (("ce_id", b"1"),)
    assert await _read(kafka.bootstrap, topic, 2) == [(b"car", b"small", headers), (b"car", large, headers)]


def test_a_mistyped_topic_is_not_created(kafka: Kafka) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "allow.auto.create.topics": True})
    answer = admin.list_topics(f"mistyped.{uuid.uuid4().hex}", timeout=10)
    (metadata,) = answer.topics.values()
    assert metadata.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART


@pytest.mark.long
async def test_a_killed_broker_comes_back_with_its_records_and_offsets(own_kafka: Kafka) -> None:
    address, handle = own_kafka.bootstrap, own_kafka.handle
    assert handle
    topic = await _create(address, 1)
    await _write(address, topic, [b"first", b"second"])
    assert [value for _, value, _ in await _read(address, topic, 1)] == [b"first"]
    assert await asyncio.to_thread(handle.restart, kill=True) == address
    assert [value for _, value, _ in await _read(address, topic, 1)] == [b"second"]
    async with AIOKafkaConsumer(bootstrap_servers=address) as consumer:
        assert await consumer.end_offsets([TopicPartition(topic, 0)]) == {TopicPartition(topic, 0): 2}


def test_compose_runs_the_same_kafka() -> None:
    assert f"image: apache/kafka:{kafka_version()}\n" in COMPOSE.read_text()
