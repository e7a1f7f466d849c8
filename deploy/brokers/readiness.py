"""When a broker is ready: not when its port opens, but when a record written to it can be read back."""

import time
import uuid
from collections.abc import Callable
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

_STEP_SECONDS = 5.0


def wait_until_ready(bootstrap: str, *, limit_seconds: float, alive: Callable[[], bool]) -> bool:
    """Whether the round trip worked before the broker was no longer `alive` or the time was up."""
    deadline = time.monotonic() + limit_seconds
    while alive() and time.monotonic() < deadline:
        try:
            round_trip(bootstrap)
        except KafkaException:
            time.sleep(0.1)
        else:
            return True
    return False


def round_trip(bootstrap: str) -> None:
    """Create a topic, write a record, read it back and remove the topic.

    Raises:
        KafkaException: any step failed or took longer than five seconds.
    """
    # The probe's own connection errors are not the user's business; the caller hears the outcome.
    quiet: dict[str, Any] = {"bootstrap.servers": bootstrap, "log_level": 0, "error_cb": lambda _: None}
    topic = f"d2ev-readiness-{uuid.uuid4().hex}"
    admin = AdminClient(quiet)
    admin.list_topics(timeout=_STEP_SECONDS)
    admin.create_topics([NewTopic(topic, 1, 1)], request_timeout=_STEP_SECONDS)[topic].result(_STEP_SECONDS)
    try:
        _write_and_read(quiet, topic)
    finally:
        admin.delete_topics([topic], request_timeout=_STEP_SECONDS)[topic].result(_STEP_SECONDS)


def _write_and_read(settings: dict[str, Any], topic: str) -> None:
    producer = Producer(settings)
    producer.produce(topic, b"ready")
    left = producer.flush(_STEP_SECONDS)
    consumer = Consumer({**settings, "group.id": topic, "enable.auto.commit": False})
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        record = consumer.poll(_STEP_SECONDS)
    finally:
        consumer.close()
    if left or record is None or record.value() != b"ready":
        raise KafkaException(KafkaError(KafkaError.REQUEST_TIMED_OUT, "the record did not come back"))
