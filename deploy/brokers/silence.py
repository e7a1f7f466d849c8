"""Why a Kafka does not answer, in one line: what its clients only complain of aside."""

from __future__ import annotations

from contextlib import suppress
from time import monotonic

from confluent_kafka import Consumer, KafkaError, KafkaException

from agents.kafka import KafkaAccess, for_librdkafka

_SECONDS, _STEP_SECONDS = 5.0, 0.3


def why_silent(kafka: KafkaAccess) -> str:
    """Ask once more and listen: nobody there, a certificate that is not believed, or a login that is refused."""
    heard: set[int] = set()
    config = {"group.id": "d2ev-asking", "log_level": 0, "error_cb": lambda error: heard.add(error.code())}
    asking = Consumer({**for_librdkafka(kafka), **config})
    until = monotonic() + _SECONDS
    try:
        while monotonic() < until and not heard - {KafkaError._ALL_BROKERS_DOWN}:  # noqa: SLF001 - its only name
            with suppress(KafkaException):
                asking.list_topics(timeout=_STEP_SECONDS)
            asking.poll(0)
    finally:
        asking.close()
    if KafkaError._AUTHENTICATION in heard:  # noqa: SLF001 - its only name
        login = "D2EV_KAFKA_USER, D2EV_KAFKA_PASSWORD"
        return f"Kafka at {kafka.bootstrap} refuses the login of {kafka.kafka_user}: {login}"
    if KafkaError._SSL in heard:  # noqa: SLF001 - its only name
        return f"the certificate of Kafka at {kafka.bootstrap} is not believed, or it speaks no TLS: D2EV_KAFKA_CA"
    return f"no Kafka answers at {kafka.bootstrap}"
