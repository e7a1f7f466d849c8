"""Why a Kafka does not answer, in one line: what its clients only complain of aside."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from time import monotonic
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException

from agents.kafka import KafkaAccess, for_librdkafka, tls

_SECONDS, _STEP_SECONDS = 5.0, 0.3


class Silence(NamedTuple):
    """What is the matter, and what to do."""

    said: str
    mend: str


def why_silent(kafka: KafkaAccess) -> str:
    """What is the matter, after asking once more."""
    return silence(kafka).said


def silence(kafka: KafkaAccess) -> Silence:
    """Nobody there, a certificate that is not believed, or a login that is refused."""
    heard = _heard(kafka)
    if KafkaError._AUTHENTICATION in heard:  # noqa: SLF001 - its only name
        login = "D2EV_KAFKA_USER, D2EV_KAFKA_PASSWORD"
        return Silence(f"Kafka at {kafka.bootstrap} refuses the login of {kafka.kafka_user}: {login}", f"mend {login}")
    if KafkaError._SSL in heard:  # noqa: SLF001 - its only name
        return Silence(
            f"the certificate of Kafka at {kafka.bootstrap} is not believed, or it speaks no TLS: {_why(kafka)}",
            "D2EV_KAFKA_CA is who signed it; D2EV_BOOTSTRAP must name hosts as it does",
        )
    if kafka.kafka_protocol == "PLAINTEXT" and _speaks_tls(kafka):
        return Silence(f"Kafka at {kafka.bootstrap} wants TLS: D2EV_KAFKA_PROTOCOL", "set D2EV_KAFKA_PROTOCOL=SASL_SSL")
    return Silence(
        f"no Kafka answers at {kafka.bootstrap}", "set D2EV_BOOTSTRAP=host:port, or start one with `d2ev broker up`"
    )


def _heard(kafka: KafkaAccess) -> set[int]:
    """The complaints of a client that asks once more."""
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
    return heard


def _why(kafka: KafkaAccess) -> str:
    """What a certificate lacks, in OpenSSL's words."""
    try:
        _shake_hands(kafka, tls(kafka) or ssl.create_default_context())
    except ssl.SSLCertVerificationError as error:
        return f"{error.verify_message} (D2EV_KAFKA_CA)"
    except OSError:
        pass
    return "D2EV_KAFKA_CA"


def _speaks_tls(kafka: KafkaAccess) -> bool:
    """Whoever it is: nothing is said to him but hello."""
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    try:
        _shake_hands(kafka, anybody)
    except OSError:
        return False
    return True


def _shake_hands(kafka: KafkaAccess, context: ssl.SSLContext) -> None:
    host, _, port = kafka.bootstrap.split(",")[0].rpartition(":")
    with socket.create_connection((host.strip("[]"), int(port)), _SECONDS) as plain:
        context.wrap_socket(plain, server_hostname=host.strip("[]")).close()
