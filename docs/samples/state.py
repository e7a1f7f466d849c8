"""What is so now of every car, from a compacted topic: `python state.py [ADDRESS] [--once]`.

No group: every start reads the topic from its beginning, which holds the newest record of every car. A null value
takes the car out.
"""

from __future__ import annotations

import argparse
import asyncio
import json

from aiokafka import AIOKafkaConsumer

TOPIC = "d2ev.driver.status.v1"


async def follow(address: str, *, once: bool) -> None:
    """Print what every car's driver reads, then every change of it as it comes; with `once`, no changes."""
    says: dict[str, str] = {}
    consumer = AIOKafkaConsumer(TOPIC, bootstrap_servers=address, auto_offset_reset="earliest")
    await consumer.start()
    try:
        while not await read_all(consumer):
            await take(consumer, says)
        for car, sentence in sorted(says.items()):
            print(car, sentence)
        while not once:
            for change in await take(consumer, says):
                print(*change)
    finally:
        await consumer.stop()


async def take(consumer: AIOKafkaConsumer, says: dict[str, str]) -> list[tuple[str, str]]:
    """Keep what has come; returns what it changed. A record that comes twice changes nothing."""
    changes = []
    for records in (await consumer.getmany(timeout_ms=500)).values():
        for record in records:
            car = record.key.decode()
            if record.value is None:
                says.pop(car, None)
                changes.append((car, "is gone"))
                continue
            sentence = json.loads(record.value)["sentence"]
            if says.get(car) != sentence:
                says[car] = sentence
                changes.append((car, sentence))
    return changes


async def read_all(consumer: AIOKafkaConsumer) -> bool:
    """Whether nothing is left to read now."""
    ends = await consumer.end_offsets(consumer.assignment())
    return bool(ends) and all([await consumer.position(place) >= end for place, end in ends.items()])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", nargs="?", default="127.0.0.1:9092")
    parser.add_argument("--once", action="store_true", help="end when all that is there has been read")
    given = parser.parse_args()
    asyncio.run(follow(given.address, once=given.once))
