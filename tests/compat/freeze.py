"""`python -m tests.compat.freeze VERSION`: keep what this version writes, for all later ones to read.

Lives a day with the cars of every maker and much trouble, and keeps records of every topic and every table: one of each
shape, where a shape is which fields are filled in and which words they hold.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.demo.night import Night, Options
from streams.examples import examples
from streams.serde import encode
from streams.topics import TOPICS
from tables import TABLES
from tests.compat.golden import HERE, RECORDS, SCHEMAS, schemas

PARTITIONS = 1
SHAPES_OF_A_PLACE = 6


async def lived(directory: Path) -> dict[str, list[bytes]]:
    """Everything that a day wrote, by topic or table."""
    found: dict[str, list[bytes]] = {}

    async def read(night: Night) -> None:
        places = {topic.name: topic.name for topic in TOPICS}
        places |= {table.changelog(night.settings.app_id): f"table {table.name}" for table in TABLES}
        found.update(await _read(night.settings.bootstrap, places))

    options = Options(
        vehicles=15,
        days=1,
        oem="all",
        scenario="oem-trouble",
        partitions=PARTITIONS,
        step=timedelta(minutes=10),
        run_dir=directory,
    )
    end = Night(options).window.end
    await Night(options, {end - timedelta(minutes=10): read}).run()
    return found


async def _read(bootstrap: str, places: dict[str, str]) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        assigned = [TopicPartition(topic, p) for topic in places for p in range(PARTITIONS)]
        consumer.assign(assigned)
        ends = await consumer.end_offsets(assigned)
        while any([await consumer.position(tp) < end for tp, end in ends.items() if end]):
            for tp, batch in (await consumer.getmany(timeout_ms=200)).items():
                found.setdefault(places[tp.topic], []).extend(r.value for r in batch if r.value is not None)
    return found


def shapes(values: list[bytes]) -> list[bytes]:
    """One value of each shape, the fullest first, up to a number."""
    found: dict[frozenset[str], bytes] = {}
    for value in values:
        found.setdefault(frozenset(_shape(json.loads(value), "")), value)
    chosen: list[bytes] = []
    seen: set[str] = set()
    for shape, value in sorted(found.items(), key=lambda one: -len(one[0])):
        if len(chosen) < SHAPES_OF_A_PLACE and not shape <= seen:
            chosen.append(value)
            seen |= shape
    return chosen


def _shape(value: Any, place: str) -> Iterator[str]:
    match value:
        case dict():
            for name, part in value.items():
                yield from _shape(part, f"{place}.{name}")
        case list():
            for part in value[:3]:
                yield from _shape(part, f"{place}[]")
        case str() if value.replace("_", "").isalpha():
            yield f"{place}={value}"
        case None:
            yield f"{place} is null"
        case _:
            yield place


def main() -> None:
    """Write the folder of the version."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("version")
    folder = HERE / parser.parse_args().version
    with tempfile.TemporaryDirectory() as directory:
        written = asyncio.run(lived(Path(directory)))
    for topic, example in examples().items():
        written.setdefault(topic, []).append(encode(example))
    folder.mkdir(exist_ok=True)
    lines = [
        json.dumps({"place": place, "value": value.decode()})
        for place in sorted(written)
        for value in shapes(written[place])
    ]
    (folder / RECORDS).write_text("\n".join(lines) + "\n")
    (folder / SCHEMAS).write_text(json.dumps(schemas(), indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
