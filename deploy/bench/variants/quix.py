"""Quix Streams doing the same work: the same compiled codec and fold, RocksDB state with a changelog.

Runs in a virtualenv of its own (requirements/bench.txt), which has msgspec and pydantic but nothing else of D2EV's.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from quixstreams import Application

from deploy.bench.variants.job import Job, Meter
from streams import hot
from streams.domain.vehicle import fold

COMMIT_SECONDS = 1.0


def run(job: Job) -> None:
    """Process the job's readings."""
    meter = Meter()

    def step(value: bytes, state: Any) -> bytes | None:
        meter.start()
        raw = state.get_bytes("state")
        before = None if raw is None else hot.decode_vehicle(raw)
        after = fold(before, hot.decode_telemetry(value))
        if after is before:
            return None
        new = hot.encode_vehicle(after)
        state.set_bytes("state", new)
        return new

    app = Application(
        broker_address=job.bootstrap,
        consumer_group=job.name,
        auto_offset_reset="earliest",
        state_dir=Path(job.directory),
        commit_interval=COMMIT_SECONDS,
        loglevel="ERROR",
        use_changelog_topics=True,
        producer_extra_config={"enable.idempotence": True, "acks": "all"},
    )
    source = app.topic(job.source, key_deserializer="bytes", value_deserializer="bytes")
    target = app.topic(job.target, key_serializer="bytes", value_serializer="bytes")
    rows = app.dataframe(source).apply(step, stateful=True)
    rows.filter(lambda value: value is not None).to_topic(target)
    app.run(count=job.events, collect=False)
    meter.stop(job.events)


if __name__ == "__main__":
    run(Job.from_arguments())
    os._exit(0)
