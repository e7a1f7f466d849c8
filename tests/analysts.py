"""A log for analysts' tests: cars that are enrolled, plug in, are settled, are erased; told once or twice."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from confluent_kafka import Producer

from agents.partitions import home_partition
from deploy.brokers.embedded import EmbeddedBroker
from streams import serde
from streams.examples import examples
from streams.topics import PLUG, REGISTRATION, SESSION, VEHICLE, Topic
from tables import VEHICLES

PARTITIONS = 3
DAWN = datetime(2023, 3, 25, 6, 0, tzinfo=UTC)
Fact = tuple[str, str, bytes | None, datetime]


def broker(topics: Iterable[Topic] = (REGISTRATION, VEHICLE, PLUG, SESSION)) -> EmbeddedBroker:
    """The topics that are asked about, empty."""
    names = [topic.name for topic in topics] + [VEHICLES.changelog("d2ev")]
    return EmbeddedBroker(dict.fromkeys(names, PARTITIONS))


def told(topic: Topic, car: str, when: datetime, **changes: object) -> Fact:
    """A record like the example, of this car."""
    message = json.loads(examples()[topic.name].model_dump_json()) | {"car": car} | changes
    return topic.name, car, json.dumps(message, default=_word).encode(), when


def _word(value: object) -> str:
    assert isinstance(value, datetime)
    return serde.rfc3339(value)


def evening(cars: Iterable[str], night: int = 0) -> list[Fact]:
    """One night of each car."""
    facts: list[Fact] = []
    for number, car in enumerate(cars):
        at = DAWN + timedelta(days=night, hours=12, minutes=number)
        morning = at + timedelta(hours=12)
        session = f"{car}-{night}"
        facts += [
            told(REGISTRATION, car, at, oem=("tesla", "skoda")[number % 2], registered_at=at),
            told(VEHICLE, car, at, soc_pct=number % 100, received_time=at),
            (VEHICLES.changelog("d2ev"), *told(VEHICLE, car, at, soc_pct=number % 100, received_time=at)[1:]),
            told(PLUG, car, at, id=f"plug-{session}", session_id=session, at=at),
            told(SESSION, car, morning, id=f"paid-{session}", session_id=session, ended_at=morning, settled_at=morning),
        ]
    return facts


def erased(car: str) -> list[Fact]:
    """The car is erased."""
    names = (REGISTRATION.name, VEHICLE.name, VEHICLES.changelog("d2ev"))
    return [(name, car, None, DAWN + timedelta(days=9)) for name in names]


def write(bootstrap: str, facts: Iterable[Fact]) -> None:
    """Write them down, in order per car."""
    producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
    for name, car, value, at in facts:
        producer.produce(
            name,
            key=car.encode(),
            value=value,
            partition=home_partition(car, PARTITIONS),
            headers=[*serde.headers(name, "test", at), ("ce_id", f"{car} {at} {value!r}".encode())],
        )
        producer.poll(0)
    assert producer.flush(30) == 0
