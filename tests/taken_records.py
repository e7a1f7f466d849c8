"""`python -m tests.taken_records`: takes the examples of the topics' pages anew from a run of the demo.

20 cars live a day under a cap that they feel, and one record that nobody can read comes. Of each published topic one
record is kept, where it can be of a car whose session was settled, with the most to tell.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.engine.log import Outgoing
from agents.partitions import home_partition
from deploy.demo.feed import record
from deploy.demo.night import Night, Options
from streams.contracts.capacity import CapSlot, RegionCap
from streams.json_schemas import published
from streams.topics import BY_NAME, CAP, SESSION, TELEMETRY

FILE = Path(__file__).resolve().parent.parent / "docs" / "samples" / "records.json"
CAP_KW = 20

Taken = dict[str, Any]


async def disturb(night: Night) -> None:
    """A cap on the region, and a reading that is none."""
    start, end, region = night.now, night.window.end, night.window.region
    cap = RegionCap(region=region, issued_at=start, slots=(CapSlot(start=start, end=end, cap_kw=CAP_KW),))
    car = night.fleet[0].car
    partitions = night.options.partitions
    unread = Outgoing(TELEMETRY.name, home_partition(car, partitions), car.encode(), b'{"soc_pct": "full"}')
    await night.writer.write([record(CAP, region, cap, start, partitions), unread])


async def read(bootstrap: str) -> dict[str, list[Taken]]:
    """Every record of the published topics that has a value."""
    found: dict[str, list[Taken]] = {name: [] for name in published()}
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        places = [TopicPartition(name, 0) for name in found]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        while any([await consumer.position(place) < end for place, end in ends.items() if end]):
            for place, batch in (await consumer.getmany(timeout_ms=200)).items():
                found[place.topic] += [_taken(one) for one in batch if one.value is not None and _readable(one.value)]
    return found


def chosen(found: dict[str, list[Taken]]) -> dict[str, Taken]:
    """One record of each topic."""
    car = next(one["key"] for one in found[SESSION.name] if one["value"]["promise"] == "met")
    picked = {}
    for name, records in found.items():
        of_car = [one for one in records if one["key"] == car] if BY_NAME[name].key == "car" else records
        picked[name] = max(of_car, key=_tells)
    return picked


def _tells(taken: Taken) -> int:
    return len([1 for value in taken["value"].values() if value not in (None, [], 0)])


def _readable(value: bytes) -> bool:
    return value.startswith(b"{") and b'"full"' not in value


def _taken(one: Any) -> Taken:
    return {
        "key": None if one.key is None else one.key.decode(),
        "headers": {name: value.decode() for name, value in one.headers},
        "value": json.loads(one.value),
    }


async def main() -> None:
    """Live the day and write the file."""
    found: dict[str, list[Taken]] = {}

    async def look(night: Night) -> None:
        found.update(await read(night.settings.bootstrap))

    with tempfile.TemporaryDirectory() as run_dir:
        night = Night(Options(vehicles=20, days=1, partitions=1, run_dir=Path(run_dir) / "demo"))
        night.hooks |= {
            night.window.start + timedelta(hours=5): disturb,
            night.window.end - timedelta(minutes=5): look,
        }
        await night.run()
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(chosen(found), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"took {FILE}")


if __name__ == "__main__":
    asyncio.run(main())
