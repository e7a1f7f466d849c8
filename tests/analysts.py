"""A log for analysts' tests: cars that are enrolled, plug in, are settled, are erased; told once or twice."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from agents.partitions import home_partition
from agents.settings import Settings
from deploy.analysis import tables
from deploy.analysis.log import Log
from deploy.brokers.embedded import EmbeddedBroker
from streams import serde
from streams.contracts.vehicle import VehicleState
from streams.examples import examples
from streams.topics import PLUG, REGISTRATION, SESSION, VEHICLE, Topic
from tables import VEHICLES
from tables.relations import relation

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


def answers_equal_the_fold(settings: Settings, cars: Sequence[str]) -> None:
    """While a writer goes on: rows in SQL are the messages of the log up to the noted ends, folded here by hand."""
    stop, written = threading.Event(), threading.Event()

    def go_on() -> None:
        night = 2
        while not stop.is_set():
            write(settings.bootstrap, evening(cars, night) + (erased(cars[night % len(cars)]) if night % 3 else []))
            written.set()
            night += 1

    writer = threading.Thread(target=go_on)
    writer.start()
    wanted = [relation("vehicle-state"), relation("vehicle.state"), relation("session.event")]
    try:
        assert written.wait(60)
        with Log(settings) as log:
            found = log.read(wanted)
            ends = log.ends
    finally:
        stop.set()
        writer.join(60)
    known = tables.pseudonyms(settings)
    with tables.opened(settings) as store:
        for one in wanted:
            store.load(one, found[one.full_name])
        for one in wanted[:2]:
            with store.ask(f"SELECT car, soc_pct, received_time FROM {one.full_name}") as rows:
                assert sorted(rows.fetchall()) == sorted(
                    (known.of(car), state.soc_pct, state.received_time)
                    for car, state in _folded(settings, one.log("d2ev"), ends[one.full_name]).items()
                )
        with store.ask("SELECT id FROM session_event") as rows:
            told_in = [row[0] for row in rows.fetchall()]
    assert len(told_in) == len(set(told_in)) >= 3 * len(cars)


def _folded(settings: Settings, topic: str, ends: Mapping[int, int]) -> dict[str, VehicleState]:
    """The newest state of every car before the ends, message by message."""
    newest: dict[str, VehicleState] = {}
    consumer = Consumer({"bootstrap.servers": settings.bootstrap, "group.id": "judge", "enable.auto.commit": False})
    for partition, end in ends.items():
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
        while consumer.position([TopicPartition(topic, partition)])[0].offset < end:
            record = consumer.poll(30)
            assert record is not None
            assert record.error() is None
            if record.offset() >= end:
                break
            key = record.key().decode()
            if record.value() is None:
                newest.pop(key, None)
            else:
                newest[key] = VehicleState.model_validate_json(record.value())
    consumer.close()
    return newest
