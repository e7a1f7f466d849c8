"""Bad records on the way in: a dead letter with cause and sealed original for each, while their neighbours go on."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from agents.sealing import Sealer
from streams.contracts.dead_letter import DeadLetter
from streams.contracts.telemetry import Charge, Plug, Telemetry
from streams.topics import DEAD_LETTER, REGISTRATION, TELEMETRY, VEHICLE
from tables import POLLS
from tests.integration.pipeline import PARTITION, PARTITIONS, Pipeline, pipeline
from tests.integration.stores import logged
from tests.kafka_chain import Kafka
from tests.night import PLUGGED, registration

pytestmark = pytest.mark.timeout(180)


def telemetry(number: int) -> dict[str, Any]:
    reading = Telemetry(
        car=f"acct.car-{number}", oem="simulator", soc_pct=40 + number, plug=Plug.PLUGGED, charge=Charge.IDLE,
        at_home=True, car_time=PLUGGED + timedelta(minutes=number), received_time=PLUGGED + timedelta(minutes=number),
    )  # fmt: skip
    return dict(json.loads(reading.model_dump_json()))


def enrolment(number: int) -> dict[str, Any]:
    return dict(json.loads(registration(car=f"acct.car-{number}").model_dump_json()))


def poisons(good: dict[str, Any], number_field: str, enum_field: str) -> dict[str, tuple[bytes | None, bytes]]:
    """Key and value per kind of poison, made from a good record."""
    whole = json.dumps(good).encode()
    return {
        "not JSON": (b"acct.bad", b"{oops"),
        "wrong type": (b"acct.bad", json.dumps({**good, number_field: "many"}).encode()),
        "NaN": (b"acct.bad", json.dumps({**good, number_field: float("nan")}).encode()),
        "unknown enum": (b"acct.bad", json.dumps({**good, enum_field: "perhaps"}).encode()),
        "null key": (None, whole),
        "two megabytes": (b"acct.bad", b"x" * 2_000_000),
        "nested too deep": (b"acct.bad", b"[" * 100_000),
        "a list": (b"acct.bad", b"[]"),
    }


@pytest.fixture
async def rig(empty_kafka: Kafka, tmp_path: Path) -> AsyncIterator[Pipeline]:
    async with pipeline(empty_kafka, tmp_path) as running:
        _take_large_records(running.settings.bootstrap)
        yield running


def _take_large_records(bootstrap: str) -> None:
    """As on a cluster whose operator allows more than we declare: the broker would refuse 2 MB otherwise."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    raise_limit = ConfigEntry("max.message.bytes", "4000000", incremental_operation=AlterConfigOpType.SET)
    changes = [
        ConfigResource(ResourceType.TOPIC, topic.name, incremental_configs=[raise_limit])
        for topic in (TELEMETRY, REGISTRATION)
    ]
    for changed in admin.incremental_alter_configs(changes).values():
        changed.result(10)


async def assert_letters_hold(rig: Pipeline, topic: str, bad: dict[str, tuple[bytes | None, bytes]]) -> None:
    """One letter per poison, in order, from which exactly the original bytes can be had."""
    letters = [DeadLetter.model_validate_json(record.value) for record in await rig.read(DEAD_LETTER.name)]
    sealer = Sealer(rig.settings.seal_key_bytes())
    assert len(letters) == len(bad), [letter.cause for letter in letters]
    for (kind, (key, value)), letter in zip(bad.items(), letters, strict=True):
        place = f"{letter.topic}|{letter.partition}|{letter.offset}"
        assert (letter.topic, letter.partition) == (topic, PARTITION), kind
        assert letter.cause, kind
        assert "acct" not in letter.cause, "a cause never quotes the record"
        assert letter.sealed_value is not None, kind
        assert sealer.open(letter.sealed_value, place) == value, kind
        assert (None if letter.sealed_key is None else sealer.open(letter.sealed_key, place)) == key, kind


def between(good: list[bytes], bad: dict[str, tuple[bytes | None, bytes]]) -> list[tuple[bytes | None, bytes]]:
    """A good record before, between and after the poisons."""
    pairs: list[tuple[bytes | None, bytes]] = []
    for number, value in enumerate(good):
        pairs += [(f"acct.car-{number}".encode(), value), *list(bad.values())[number : number + 1]]
    return pairs


async def test_poison_telemetry_stops_only_itself(rig: Pipeline) -> None:
    bad = poisons(telemetry(9), "soc_pct", "plug")
    good = [json.dumps(telemetry(n)).encode() for n in range(len(bad) + 1)]
    await rig.write(TELEMETRY.name, between(good, bad))
    await assert_letters_hold(rig, TELEMETRY.name, bad)
    states = {record.key.decode(): json.loads(record.value) for record in await rig.read(VEHICLE.name)}
    assert {car: state["soc_pct"] for car, state in states.items()} == {
        f"acct.car-{n}": 40 + n for n in range(len(good))
    }


async def test_poison_registrations_stop_only_themselves(rig: Pipeline) -> None:
    bad = poisons(enrolment(9), "usable_kwh", "consent")
    del bad["null key"]  # the broker itself refuses it on a compacted topic
    good = [json.dumps(enrolment(n)).encode() for n in range(len(bad) + 1)]
    await rig.write(REGISTRATION.name, between(good, bad))
    await assert_letters_hold(rig, REGISTRATION.name, bad)
    rows = await logged(rig.settings.bootstrap, rig.settings.app_id, PARTITIONS)
    assert sorted(rows[POLLS.name, PARTITION]) == [f"acct.car-{n}".encode() for n in range(len(good))]
