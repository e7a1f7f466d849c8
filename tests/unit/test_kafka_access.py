"""Reaching Kafka: what cannot be meant is refused in one line, and no client is made without it."""

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from agents import kafka
from agents.bind import credentials
from agents.kafka import KafkaAccess
from agents.settings import BadSettings, load

ROOT = Path(__file__).resolve().parents[2]
LOGIN = {"kafka_user": "worker", "kafka_password": "secret-4711"}
#: Benchmarks, the demo and its brokers are on this machine only; a maker's own Kafka is another one.
ELSEWHERE = ("agents/kafka.py", "agents/ingress/stream.py", "deploy/bench/", "deploy/demo/", "deploy/brokers/")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"kafka_protocol": "SASL_SSL"}, "give both with D2EV_KAFKA_PROTOCOL=SASL_SSL"),
        ({"kafka_protocol": "SASL_SSL", "kafka_user": "worker"}, "give both"),
        (LOGIN, "give both with D2EV_KAFKA_PROTOCOL=SASL_SSL, else neither"),
        ({"kafka_protocol": "SSL", **LOGIN}, "give both with D2EV_KAFKA_PROTOCOL=SASL_SSL, else neither"),
        ({"kafka_protocol": "SASL_PLAINTEXT", **LOGIN}, "'PLAINTEXT', 'SSL' or 'SASL_SSL'"),
        ({"kafka_ca": __file__}, "PLAINTEXT has no use"),
        ({"kafka_protocol": "SSL", "kafka_ca": "/nowhere.pem"}, "D2EV_KAFKA_CA: Value error, there is no such file"),
        ({"kafka_protocol": "SSL", "kafka_ca": __file__}, "D2EV_KAFKA_CA: not PEM"),
        ({"kafka_protocol": "SSL", "kafka_cert": __file__, "kafka_cert_key": __file__}, "D2EV_KAFKA_CERT_KEY: not PEM"),
        ({"kafka_protocol": "SSL", "kafka_cert": __file__}, "D2EV_KAFKA_CERT_KEY: give both or neither"),
        ({"bootstrap": "a:1,b"}, "D2EV_BOOTSTRAP: Value error, give host:port"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(given: dict[str, object], said: str) -> None:
    with pytest.raises(BadSettings) as refusal:
        load({}, **given)
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert "4711" not in str(refusal.value)


def test_a_password_is_shown_to_clients_only() -> None:
    access = KafkaAccess(kafka_protocol="SASL_SSL", kafka_user="worker", kafka_password=SecretStr("secret-4711"))
    assert "4711" not in repr(access)
    assert "4711" not in repr(credentials(access))
    assert kafka.for_aiokafka(access)["sasl_plain_password"] == "secret-4711"
    assert kafka.for_librdkafka(access)["sasl.password"] == "secret-4711"
    assert credentials(access).password == "secret-4711"


@pytest.mark.parametrize("protocol", ["SSL", "SASL_SSL"])
def test_every_library_is_told_the_same(protocol: str) -> None:
    login = LOGIN if protocol == "SASL_SSL" else {}
    access = KafkaAccess.model_validate({"kafka_protocol": protocol, "bootstrap": "a:1,b:2", **login})
    ours, theirs, faust = kafka.for_aiokafka(access), kafka.for_librdkafka(access), credentials(access)
    assert ours["security_protocol"] == theirs["security.protocol"] == faust.protocol.value == protocol
    assert ours["bootstrap_servers"] == theirs["bootstrap.servers"].split(",") == ["a:1", "b:2"]
    assert ours["ssl_context"].check_hostname
    assert ours.get("sasl_mechanism") == theirs.get("sasl.mechanism") == ((login and "SCRAM-SHA-512") or None)


def test_without_tls_nothing_is_said_of_it() -> None:
    assert credentials(KafkaAccess()) is None
    assert kafka.for_aiokafka(KafkaAccess())["ssl_context"] is None


def test_a_wrong_protocol_is_no_plaintext() -> None:
    with pytest.raises(ValidationError):
        KafkaAccess.model_validate({"kafka_protocol": "ssl"})


def test_no_client_of_ours_knows_another_way() -> None:
    for path in sorted([*ROOT.glob("agents/**/*.py"), *ROOT.glob("deploy/**/*.py")]):
        where = str(path.relative_to(ROOT))
        if not where.startswith(ELSEWHERE):
            assert "bootstrap_servers" not in path.read_text(), where
            assert "bootstrap.servers" not in path.read_text(), where
