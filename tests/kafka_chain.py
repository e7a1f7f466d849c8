"""Where a suite gets a real Kafka: a given address, else a container, else jars; else it fails aloud."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.brokers.errors import BrokerError
from deploy.brokers.jars import java_command, kafka_version
from deploy.brokers.local import HOME, LocalKafka
from deploy.brokers.readiness import round_trip

# Read when the suite starts: the rule in conftest.py hides D2EV_ settings from the tests themselves.
GIVEN_ADDRESS = os.environ.get("D2EV_TEST_BOOTSTRAP")


@dataclass(frozen=True)
class Kafka:
    """A running broker: its address, where it came from, and a handle when it is ours to restart."""

    bootstrap: str
    origin: str
    local: LocalKafka | None = None


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """One real Kafka for the whole suite; tests use topic names of their own and never stop it."""
    reasons: list[str] = []
    for way in _ways(tmp_path_factory.mktemp("kafka")):
        opening = way()
        try:
            found = opening.__enter__()
        except BrokerError as reason:
            reasons.append(str(reason))
            continue
        yield found
        opening.__exit__(None, None, None)
        return
    pytest.fail("no Kafka for this suite:\n  " + "\n  ".join(reasons), pytrace=False)


def why_none() -> str | None:
    """Why no Kafka can be had on this machine, in one line, or None when one of the ways is open."""
    if GIVEN_ADDRESS or docker_answers():
        return None
    try:
        java_command()
    except BrokerError as reason:
        return f"{reason}; or start Docker; or set D2EV_TEST_BOOTSTRAP=host:port"
    if (HOME / "jars" / kafka_version()).is_dir() or shutil.which("mvn"):
        return None
    return "Kafka's jars are not here and Maven is missing (Debian: apt-get install maven); or start Docker"


def docker_answers() -> bool:
    """Whether a container engine is there and answers within five seconds."""
    docker = shutil.which("docker")
    if docker is None:
        return False
    try:
        return (
            subprocess.run([docker, "version"], capture_output=True, check=False, timeout=5).returncode == 0
        )
    except subprocess.TimeoutExpired:
        return False


def _ways(directory: Path) -> list[Callable[[], AbstractContextManager[Kafka]]]:
    if GIVEN_ADDRESS:  # asked for by name: no other broker will do
        return [_given]
    return [_container, lambda: _local(directory)]


@contextmanager
def _given() -> Iterator[Kafka]:
    from confluent_kafka import KafkaException

    assert GIVEN_ADDRESS
    try:
        round_trip(GIVEN_ADDRESS)
    except KafkaException as error:
        raise BrokerError(f"D2EV_TEST_BOOTSTRAP={GIVEN_ADDRESS} does not serve: {error}") from error
    yield Kafka(GIVEN_ADDRESS, "D2EV_TEST_BOOTSTRAP")


@contextmanager
def _container() -> Iterator[Kafka]:
    if not docker_answers():
        raise BrokerError("no container engine answers; start Docker")
    from tests.kafka_container import ApacheKafkaContainer

    with ApacheKafkaContainer() as container:
        yield Kafka(container.bootstrap, container.image)


@contextmanager
def _local(directory: Path) -> Iterator[Kafka]:
    with LocalKafka(directory) as broker:
        yield Kafka(broker.bootstrap, f"jars of Apache Kafka {kafka_version()}", broker)
