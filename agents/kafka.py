"""How our processes reach Kafka: address, TLS and login as settings, and what each client library calls them."""

from __future__ import annotations

import ssl
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator


class KafkaAccess(BaseModel):
    """Where Kafka is, and who we are to it. A login goes over TLS or not at all."""

    bootstrap: str = Field("127.0.0.1:9092", description="Kafka bootstrap address, host:port, or several with commas")
    kafka_protocol: Literal["PLAINTEXT", "SSL", "SASL_SSL"] = Field(
        "PLAINTEXT", description="SSL: TLS; SASL_SSL: TLS and a login; production refuses PLAINTEXT"
    )
    kafka_ca: Path | None = Field(
        None, description="PEM file of who signed the brokers' certificates; by default whom the system trusts"
    )
    kafka_cert: Path | None = Field(None, description="PEM file of our own certificate, where brokers ask for one")
    kafka_cert_key: Path | None = Field(None, description="PEM file of its key")
    kafka_user: str | None = Field(None, min_length=1, description="login at Kafka, with SASL_SSL")
    kafka_password: SecretStr | None = Field(None, min_length=1, description="its password")
    kafka_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = Field(
        "SCRAM-SHA-512", description="how the login is made"
    )

    @field_validator("bootstrap")
    @classmethod
    def _address(cls, value: str) -> str:
        for one in value.split(","):
            host, _, port = one.rpartition(":")
            if not host or not port.isdigit():
                raise ValueError("give host:port")
        return value

    @field_validator("kafka_ca", "kafka_cert", "kafka_cert_key")
    @classmethod
    def _readable(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError("there is no such file")
        return value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        login = self.kafka_user is not None and self.kafka_password is not None
        if (self.kafka_protocol == "SASL_SSL") != login or (self.kafka_user is None) != (self.kafka_password is None):
            raise ValueError(
                "D2EV_KAFKA_USER and D2EV_KAFKA_PASSWORD: give both with D2EV_KAFKA_PROTOCOL=SASL_SSL, else neither"
            )
        files = (self.kafka_ca, self.kafka_cert, self.kafka_cert_key)
        if self.kafka_protocol == "PLAINTEXT" and any(files):
            raise ValueError("D2EV_KAFKA_CA, D2EV_KAFKA_CERT: PLAINTEXT has no use for them; set D2EV_KAFKA_PROTOCOL")
        if (self.kafka_cert is None) != (self.kafka_cert_key is None):
            raise ValueError("D2EV_KAFKA_CERT and D2EV_KAFKA_CERT_KEY: give both or neither")
        _refuse_unusable(self.kafka_ca, self.kafka_cert, self.kafka_cert_key)
        return self


def _refuse_unusable(ca: Path | None, cert: Path | None, key: Path | None) -> None:
    """ValueError names the setting whose file gives no certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    what = "D2EV_KAFKA_CA"
    try:
        if ca is not None:
            context.load_verify_locations(ca)
        what = "D2EV_KAFKA_CERT, D2EV_KAFKA_CERT_KEY"
        if cert is not None:
            context.load_cert_chain(cert, key, password="")  # or it would be asked for on the terminal
    except ssl.SSLError:
        raise ValueError(f"{what}: not PEM, or not a certificate and its key without a password") from None
    except OSError as error:
        raise ValueError(f"{what}: cannot be read ({error.strerror})") from None


def for_aiokafka(kafka: KafkaAccess) -> dict[str, Any]:
    """Arguments of every aiokafka client."""
    secrets: dict[str, Any] = {}
    if kafka.kafka_password is not None:
        secrets = {
            "sasl_mechanism": kafka.kafka_mechanism,
            "sasl_plain_username": kafka.kafka_user,
            "sasl_plain_password": kafka.kafka_password.get_secret_value(),
        }
    return {
        "bootstrap_servers": kafka.bootstrap.split(","),
        "security_protocol": kafka.kafka_protocol,
        "ssl_context": tls(kafka),
        **secrets,
    }


def for_librdkafka(kafka: KafkaAccess) -> dict[str, Any]:
    """Configuration of every confluent_kafka client."""
    files = {
        "ssl.ca.location": kafka.kafka_ca,
        "ssl.certificate.location": kafka.kafka_cert,
        "ssl.key.location": kafka.kafka_cert_key,
    }
    config: dict[str, Any] = {"bootstrap.servers": kafka.bootstrap, "security.protocol": kafka.kafka_protocol}
    config |= {name: str(path) for name, path in files.items() if path is not None}
    if kafka.kafka_password is not None:
        config |= {
            "sasl.mechanism": kafka.kafka_mechanism,
            "sasl.username": kafka.kafka_user,
            "sasl.password": kafka.kafka_password.get_secret_value(),
        }
    return config


def tls(kafka: KafkaAccess) -> ssl.SSLContext | None:
    """What checks the brokers' certificates; None for a Kafka that is talked to in clear."""
    if kafka.kafka_protocol == "PLAINTEXT":
        return None
    return _context(kafka.kafka_ca, kafka.kafka_cert, kafka.kafka_cert_key)


@cache
def _context(ca: Path | None, cert: Path | None, key: Path | None) -> ssl.SSLContext:
    """Checks the chain and the host name. One for all clients of a process: making it reads all that is trusted."""
    context = ssl.create_default_context(cafile=ca)
    if cert is not None:
        context.load_cert_chain(cert, key)
    return context
