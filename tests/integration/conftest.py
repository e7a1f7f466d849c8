"""Every test of this suite gets a real Kafka, or fails saying how to provide one."""

import time
from contextlib import suppress

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.kafka_chain import Kafka, kafka, own_kafka

__all__ = ["kafka", "own_kafka"]


@pytest.fixture
def empty_kafka(kafka: Kafka) -> Kafka:
    """The suite's Kafka without any topic or group of the product: each night starts from nothing."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    if ours := _ours(admin):
        for deleted in admin.delete_topics(ours).values():
            with suppress(KafkaException):  # gone already, but still in the metadata
                deleted.result(10)
    deadline = time.monotonic() + 30
    while _ours(admin):  # metadata follows a little later
        assert time.monotonic() < deadline, "deleted topics are still there"
        time.sleep(0.05)
    for group in admin.list_consumer_groups().result().valid:
        with suppress(KafkaException):  # the last member of the test before may be known for a session more
            admin.delete_consumer_groups([group.group_id])[group.group_id].result(10)
    return kafka


def _ours(admin: AdminClient) -> list[str]:
    return [name for name in admin.list_topics(timeout=10).topics if name.startswith("d2ev")]
