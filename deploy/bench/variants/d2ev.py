"""D2EV's own path: the real worker with the vehicle-state stage, its table and its changelog."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path

from agents import vehicle_state
from agents.clock import LogClock
from agents.engine.stage import Work
from agents.engine.transport import frontiers
from agents.metrics import Metrics
from agents.sealing import Sealer, new_key
from agents.settings import Settings
from agents.worker import Worker
from deploy.bench.variants.job import Job, Meter

POLL_SECONDS = 0.01


async def run(job: Job) -> None:
    """Process the job's readings; raises what stopped the worker."""
    meter = Meter()

    def step(work: Work) -> None:
        meter.start()
        vehicle_state.step(work)

    settings = Settings(
        bootstrap=job.bootstrap, app_id=job.name, partitions=job.partitions, data_dir=Path(job.directory), clock="log"
    )
    stages = (replace(vehicle_state.STAGE, step=step),)
    worker = Worker(settings, stages, LogClock(), Metrics(), Sealer(new_key()))
    await worker.start()
    while not worker.app.consumer or sum(frontiers(worker.app.consumer).values()) < job.events:
        await asyncio.sleep(POLL_SECONDS)
        if worker.failure is not None:
            raise worker.failure
    meter.stop(job.events)
    await worker.stop()


if __name__ == "__main__":
    asyncio.run(run(Job.from_arguments()))
    os._exit(0)
