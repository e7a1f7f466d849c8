"""A night of the whole system with the cars of every maker: each over its own protocol, judged by what the cars did."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat

from deploy.demo.accounts import promise
from deploy.demo.night import Hook, Night, Options
from deploy.demo.world import metered_stays
from oem_connectors.simulator.cloud.car import Personality
from oem_connectors.simulator.cloud.log import What
from streams.contracts.session import Promise
from streams.topics import TOPICS

MAKERS = {"tesla", "smartcar", "enode", "renault", "skoda", "hyundai_kia"}


async def lived(run_dir: Path, late: Hook | None = None, **changes: Any) -> tuple[Night, dict[str, Any]]:
    """One day on a ten minute grid; the night and its summary. `late` is called before it ends."""
    step = timedelta(minutes=10)
    chosen: dict[str, Any] = {"days": 1, "step": step, "partitions": 1, "run_dir": run_dir}
    options = Options(**(chosen | changes))
    night = Night(options, {Night(options).window.end - step: late} if late else None)
    return night, await night.run()


def missed(night: Night) -> list[str]:
    """Cars that missed what they could have reached; one that cannot be started again after a stop could not."""
    stays = metered_stays(night.world, night.fleet, night.window)
    found = [stay.car for stay in stays if promise(stay) is Promise.MISSED]
    return [car for car in found if night.world.cars[car].car.personality is not Personality.CANNOT_RESUME]


def assert_promises_kept(night: Night, summary: dict[str, Any]) -> None:
    """No car misses what it could reach; nothing is lost or doubled; and it was worth the while."""
    assert missed(night) == []
    assert summary["ready_by"]["met"] > 0
    assert summary["commands"]["duplicate_effective"] == 0
    assert summary["notifications"]["duplicate"] == 0
    events = summary["events"]
    assert (events["lost"], events["dead_letters"]) == (0, 0)
    assert events["in"] == events["out"] + events["filtered"]
    assert summary["cost"]["managed"] < summary["cost"]["unmanaged"]


def switches(night: Night) -> dict[str, Counter[What]]:
    """How often commands have stopped and started cars, by maker."""
    found: dict[str, Counter[What]] = {maker.oem: Counter() for maker in night.makers}
    for change in night.world.log.effective():
        account = change.car.partition(".")[0]
        found[night.maker_of[account].oem][change.what] += 1
    return found


async def assert_all_are_events(night: Night) -> None:
    """The official SDK takes every record of every topic for an event, and an id stands for one record only."""
    places = [TopicPartition(topic.name, 0) for topic in TOPICS]
    said: dict[tuple[str, str], tuple[bytes | None, bytes | None]] = {}
    async with AIOKafkaConsumer(bootstrap_servers=night.settings.bootstrap, auto_offset_reset="earliest") as log:
        log.assign(places)
        ends = {place: end for place, end in (await log.end_offsets(places)).items() if end}
        while any([await log.position(place) < end for place, end in ends.items()]):
            for place, records in (await log.getmany(timeout_ms=200)).items():
                for record in records:
                    event = from_binary(KafkaMessage(dict(record.headers), record.key, record.value), JSONFormat())
                    assert event.get_type() == place.topic
                    assert event.get_time() is not None
                    assert (event.get_data() is None) == (record.value is None), "a tombstone stays null"
                    known = said.setdefault((place.topic, event.get_id()), (record.key, record.value))
                    assert known == (record.key, record.value), f"{place.topic}: an id for two records"
    assert {topic for topic, _ in said} == {place.topic for place in ends}


async def test_a_night_with_every_maker_keeps_every_promise(tmp_path: Path) -> None:
    night, summary = await lived(tmp_path, assert_all_are_events, oem="all", vehicles=15, scenario="oem-trouble")
    assert_promises_kept(night, summary)
    assert {maker.oem for maker in night.makers} == MAKERS
    for maker, done in switches(night).items():
        assert min(done[What.STOPPED], done[What.STARTED]) > 0, f"{maker}: {dict(done)}"


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("scenario", ["oem-outage", "oem-trouble", "sleepy-cars", "zoo"])
@pytest.mark.parametrize("maker", sorted(MAKERS))
async def test_nights_of_one_maker_keep_every_promise(tmp_path: Path, maker: str, scenario: str) -> None:
    night, summary = await lived(tmp_path, oem=maker, vehicles=40, scenario=scenario, step=timedelta(minutes=5))
    assert_promises_kept(night, summary)
    done = switches(night)[maker]
    assert min(done[What.STOPPED], done[What.STARTED]) > 0
