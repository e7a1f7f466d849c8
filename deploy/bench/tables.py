"""`d2ev bench tables`: the state of a whole fleet as a DataFrame, beside the way that comes to mind first."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from time import perf_counter, process_time
from typing import Any, Final

from confluent_kafka import Consumer, Producer

from agents.partitions import home_partition
from agents.settings import Settings
from deploy.analysis import tables
from deploy.analysis.log import Log
from deploy.brokers.embedded import EmbeddedBroker
from streams.contracts.vehicle import VehicleState
from streams.examples import examples
from streams.topics import VEHICLE
from tables import VEHICLES, frames
from tables.relations import relation
from tables.store import Store

PARTITIONS: Final = 12
#: The slow way is measured on so many cars at most; it takes as long for each.
_NAIVE: Final = 50_000


def bench(cars: int, *, as_json: bool) -> None:
    """Write a changelog of `cars` on the embedded broker, read it both ways, and print figures and ratios."""
    name = VEHICLES.changelog("d2ev")
    with EmbeddedBroker({name: PARTITIONS}) as broker:
        if not broker.retention_lifted and cars > 100_000:
            raise ValueError("--cars: this build of librdkafka keeps at most 100000 records; give fewer")
        _write(broker.bootstrap, name, cars)
        settings = Settings(bootstrap=broker.bootstrap, partitions=PARTITIONS)
        report = _ours(settings, cars) | _naive(broker.bootstrap, name, min(cars, _NAIVE))
    # By processor time: another load on the machine is no merit of either way.
    ratio = report["naive_cpu_us_per_car"] / report["snapshot_cpu_us_per_car"]
    report = {"cars": cars, **report, "naive_over_snapshot_ratio": round(ratio, 1)}
    if not as_json:
        for key, value in report.items():
            print(f"{key:28} {value:>12,}")
    print(json.dumps(report))


def _ours(settings: Settings, cars: int) -> dict[str, Any]:
    wanted = relation("vehicle-state")
    began, cpu = perf_counter(), process_time()
    with Log(settings) as log:
        records = log.read([wanted])[wanted.full_name]
    read = perf_counter()
    store = Store(tables.pseudonyms(settings), {})
    store.load(wanted, records)
    loaded = perf_counter()
    frame = frames.snapshot(store, wanted)
    done, cpu = perf_counter(), process_time() - cpu
    store.close()
    assert len(frame) == cars
    return {
        "read_seconds": round(read - began, 2),
        "project_seconds": round(loaded - read, 2),
        "frame_seconds": round(done - loaded, 2),
        "snapshot_seconds": round(done - began, 2),
        "snapshot_cpu_us_per_car": round(cpu / cars * 1e6, 2),
        "frame_bytes_per_car": round(int(frame.memory_usage(deep=True).sum()) / cars),
    }


def _naive(bootstrap: str, name: str, cars: int) -> dict[str, Any]:
    """Poll record by record, parse each to its message, make a frame of their dictionaries."""
    import pandas as pd

    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "naive", "auto.offset.reset": "earliest"})
    consumer.subscribe([name])
    first = consumer.poll(30)
    cpu = process_time()
    newest = {first.key(): VehicleState.model_validate_json(first.value())}
    while len(newest) < cars:
        record = consumer.poll(1)
        if record is not None and record.error() is None:
            newest[record.key()] = VehicleState.model_validate_json(record.value())
    frame = pd.json_normalize([state.model_dump() for state in newest.values()])
    cpu = process_time() - cpu
    consumer.close()
    assert len(frame) == cars
    return {"naive_cars": cars, "naive_cpu_us_per_car": round(cpu / cars * 1e6, 2)}


def _write(bootstrap: str, name: str, cars: int) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 50, "queue.buffering.max.messages": 200_000})
    for written, (car, value) in enumerate(_states(cars), start=1):
        producer.produce(name, key=car, value=value, partition=home_partition(car, PARTITIONS))
        if written % 50_000 == 0:
            producer.flush()
            print(f"{written:,} cars written", file=sys.stderr)
    producer.flush()


def _states(cars: int) -> Iterator[tuple[str, bytes]]:
    """Cars of differing charge and times, half of them plugged in."""
    like = examples()[VEHICLE.name]
    assert isinstance(like, VehicleState)
    for number in range(cars):
        car = f"account-{number // 2}.car-{number}"
        changes = {
            "car": car,
            "soc_pct": number % 101,
            "odometer_km": 1000 + number % 90_000,
            "received_time": like.received_time + timedelta(seconds=number % 86_400),
            "session": like.session if number % 2 else None,
        }
        yield car, like.model_copy(update=changes).model_dump_json().encode()
