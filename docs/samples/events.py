"""Plug events into SQLite, each once however often it comes: `python events.py [ADDRESS] [FILE] [--once]`.

What was kept and that it was read go hand in hand: offsets are committed after the rows, so a crash between the two
only means that records come again, and `ce_id` tells that they did.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
from collections.abc import Iterable
from typing import Any

from aiokafka import AIOKafkaConsumer

TOPIC = "d2ev.plug.event.v1"
GROUP = "subscriber-plug-events"


async def consume(address: str, file: str, *, once: bool) -> None:
    """Keep every event as it comes; with `once`, up to what is there now."""
    store = sqlite3.connect(file)
    store.execute("create table if not exists plug_events (ce_id text primary key, car, at, kind, soc_pct)")
    consumer = AIOKafkaConsumer(
        TOPIC, bootstrap_servers=address, group_id=GROUP, auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    try:
        while not (once and await read_all(consumer)):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                keep(store, records)
                await consumer.commit()
    finally:
        await consumer.stop()
        store.close()


def keep(store: sqlite3.Connection, records: Iterable[Any]) -> None:
    """One transaction; an event that is there already changes nothing."""
    with store:
        for record in records:
            ce_id, event = dict(record.headers)["ce_id"].decode(), json.loads(record.value)
            row = (ce_id, event["car"], event["at"], event["kind"], event.get("soc_pct"))
            if store.execute("insert or ignore into plug_events values (?, ?, ?, ?, ?)", row).rowcount:
                print(*row[1:])


async def read_all(consumer: AIOKafkaConsumer) -> bool:
    """Whether nothing is left to read now."""
    ends = await consumer.end_offsets(consumer.assignment())
    return bool(ends) and all([await consumer.position(place) >= end for place, end in ends.items()])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", nargs="?", default="127.0.0.1:9092")
    parser.add_argument("file", nargs="?", default="plug_events.sqlite")
    parser.add_argument("--once", action="store_true", help="end when all that is there has been read")
    given = parser.parse_args()
    asyncio.run(consume(given.address, given.file, once=given.once))
