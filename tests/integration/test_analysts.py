"""Analysts beside writers on a real Kafka that compacts what they read."""

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from agents.settings import Settings
from streams.topics import PLUG, REGISTRATION, SESSION, VEHICLE
from tables import VEHICLES
from tests.analysts import PARTITIONS, answers_equal_the_fold, evening, write
from tests.kafka_chain import Kafka

#: Kafka compacts segments that are full or old: these are old at once.
EAGER = {
    "segment.ms": "200",
    "min.cleanable.dirty.ratio": "0.01",
    "max.compaction.lag.ms": "1",
}


@pytest.mark.long
def test_answers_equal_the_fold_while_kafka_compacts(empty_kafka: Kafka) -> None:
    compacted = [REGISTRATION.name, VEHICLE.name, VEHICLES.changelog("d2ev")]
    made = [NewTopic(name, PARTITIONS, 1, config={"cleanup.policy": "compact"} | EAGER) for name in compacted]
    made += [NewTopic(name, PARTITIONS, 1) for name in (PLUG.name, SESSION.name)]
    admin = AdminClient({"bootstrap.servers": empty_kafka.bootstrap})
    for created in admin.create_topics(made).values():
        created.result(30)
    cars = [f"acct{number // 2}.car{number}" for number in range(200)]
    for night in range(3):
        write(empty_kafka.bootstrap, evening(cars, night))
    answers_equal_the_fold(Settings(bootstrap=empty_kafka.bootstrap), cars)
