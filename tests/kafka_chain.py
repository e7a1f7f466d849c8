"""Where a suite gets a real Kafka: a given address, else a container, else jars; else it fails aloud."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest
from confluent_kafka import KafkaException

from deploy.brokers.errors import BrokerError
from deploy.brokers.jars import java_command, kafka_jars, kafka_version
from deploy.brokers.local import HOME, LocalKafka
from deploy.brokers.readiness import round_trip

# Read when the suite starts: the rule in conftest.py hides D2EV_ settings from the tests themselves.
GIVEN_ADDRESS = os.environ.get("D2EV_TEST_BOOTSTRAP")


class Handle(Protocol):
    """A broker that a test may stop and start; its data survive, also with `kill`."""

    def start(self) -> str: ...
    def stop(self, *, kill: bool = False) -> bool: ...
    def restart(self, *, kill: bool = False) -> str: ...


@dataclass(frozen=True)
class Kafka:
    """A running broker: its address, where it came from, and its handle unless it is somebody else's."""

    bootstrap: str
    origin: str
    handle: Handle | None = None


Way = Callable[[Path], AbstractContextManager[Kafka]]

#: For brokers that live some minutes: the second compiler would cost more than it saves.
SHORT_LIVED = ("-XX:TieredStopAtLevel=1",)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """One real Kafka for the whole suite; tests use topic names of their own and never stop it."""
    with ExitStack() as stack:
        # A given address was asked for by name: no other broker will do.
        ways: list[Way] = [_given] if GIVEN_ADDRESS else [_container, _local]
        yield _first(ways, tmp_path_factory.mktemp("kafka"), stack)


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[Kafka]:
    """A real Kafka for this test alone, with a handle: it may be stopped, killed and restarted."""
    with ExitStack() as stack:
        yield _first([_container, _local], tmp_path, stack)


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


def fetch_jars() -> None:
    """Fetch what a local broker is made of, before several suites do so at once."""
    if not GIVEN_ADDRESS and not docker_answers():
        with suppress(BrokerError):  # the suite that needs them says so
            kafka_jars(HOME / "jars")


def docker_answers() -> bool:
    """Whether a container engine is there and answers within five seconds."""
    docker = shutil.which("docker")
    if docker is None:
        return False
    try:
        return subprocess.run([docker, "version"], capture_output=True, check=False, timeout=5).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _first(ways: Sequence[Way], directory: Path, stack: ExitStack) -> Kafka:
    """The first broker that can be had, or a failure that lists why each could not."""
    reasons = []
    for way in ways:
        try:
            return stack.enter_context(way(directory))
        except BrokerError as reason:
            reasons.append(str(reason))
    pytest.fail("no Kafka for this suite:\n  " + "\n  ".join(reasons), pytrace=False)


@contextmanager
def _given(_directory: Path) -> Iterator[Kafka]:
    assert GIVEN_ADDRESS
    try:
        round_trip(GIVEN_ADDRESS)
    except KafkaException as error:
        raise BrokerError(f"D2EV_TEST_BOOTSTRAP={GIVEN_ADDRESS} does not serve: {error}") from error
    yield Kafka(GIVEN_ADDRESS, "D2EV_TEST_BOOTSTRAP")


@contextmanager
def _container(_directory: Path) -> Iterator[Kafka]:
    if not docker_answers():
        raise BrokerError("no container engine answers; start Docker")
    from tests.kafka_container import ContainerKafka

    broker = ContainerKafka()
    yield Kafka(broker.start(), f"container of Apache Kafka {kafka_version()}", broker)
    broker.remove()


@contextmanager
def _local(directory: Path) -> Iterator[Kafka]:
    with LocalKafka(directory, java_options=SHORT_LIVED) as broker:
        yield Kafka(broker.bootstrap, f"jars of Apache Kafka {kafka_version()}", broker)
