"""An idiomatic Faust agent on stock Faust: a Record per reading, `stream.items()`, a RocksDB table, an awaited send.

The table holds JSON values through Faust's own serializer. The output is spared that: it is encoded by the compiled
codec, so that it can be compared byte by byte.
"""

from __future__ import annotations

import asyncio
import os
from datetime import datetime
from typing import Any

import faust
import msgspec

from deploy.bench.variants.job import Job, Meter
from streams import hot
from streams.contracts.telemetry import Charge, Plug
from streams.domain.vehicle import fold


class Reading(faust.Record, serializer="json", coerce=True):  # type: ignore[misc, call-arg]
    """A telemetry reading as Faust's users declare it."""

    car: str
    oem: str
    received_time: datetime
    soc_pct: float | None = None
    limit_pct: float | None = None
    plug: str = "unknown"
    charge: str = "unknown"
    power_kw: float | None = None
    range_km: float | None = None
    odometer_km: float | None = None
    at_home: bool | None = None
    car_time: datetime | None = None
    oem_time: datetime | None = None

    def row(self) -> hot.TelemetryRow:
        """The reading as the fold takes it."""
        fields = self.asdict()
        return hot.TelemetryRow(**{**fields, "plug": Plug(self.plug), "charge": Charge(self.charge)})


def build(job: Job, meter: Meter, done: asyncio.Event) -> Any:
    """The Faust app with its one agent."""
    app = faust.App(
        job.name,
        broker=f"kafka://{job.bootstrap}",
        store="rocksdb://",
        datadir=job.directory,
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=job.partitions,
        processing_guarantee="at_least_once",
        consumer_auto_offset_reset="earliest",
        producer_acks=-1,
        stream_wait_empty=False,
        worker_redirect_stdouts=False,
    )
    source = app.topic(job.source, key_type=str, value_type=Reading, key_serializer="raw")
    target = app.topic(job.target, key_type=str, value_type=bytes, key_serializer="raw", value_serializer="raw")
    table = app.Table("vehicle-state", partitions=job.partitions, key_type=str)

    @app.agent(source)  # type: ignore[untyped-decorator]
    async def vehicle_state(stream: Any) -> None:
        seen = 0
        async for car, reading in stream.items():
            meter.start()
            known = table.get(car)
            before = None if known is None else msgspec.convert(known, hot.VehicleRow)
            after = fold(before, reading.row())
            if after is not before:
                table[car] = msgspec.to_builtins(after)
                await target.send(key=car, value=hot.encode_vehicle(after))
            seen += 1
            if seen == job.events:
                await app.producer.flush()
                done.set()

    return app


async def run(job: Job) -> None:
    """Process the job's readings."""
    meter, done = Meter(), asyncio.Event()
    app = build(job, meter, done)
    await app.start()
    await done.wait()
    meter.stop(job.events)
    await app.stop()


if __name__ == "__main__":
    asyncio.run(run(Job.from_arguments()))
    os._exit(0)
