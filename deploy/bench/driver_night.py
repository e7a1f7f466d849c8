"""A night at a steady pace, which notes of every step how long the pipeline, and each of its stages, was at it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from time import monotonic, time
from typing import NamedTuple

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from deploy.demo.night import Night, Options

_LAST_RECORD = "d2ev_stage_last_record_timestamp_seconds"


class Step(NamedTuple):
    """One step of the night: seconds from its beat until nothing was left to do, in all and by stage."""

    seconds: float
    stages: Mapping[str, float]
    records: int


class SteadyNight(Night):
    """No step takes less than `pace` seconds, as soon as it is set; `steps` are those since then."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        steps = range(int((self.window.end - self.window.start) / options.step))
        self.hooks = {self.window.start + number * options.step: lambda _: self._rest() for number in steps}
        self.pace: float | None = None
        self.steps: list[Step] = []
        self._busy = 0.0
        self._records = 0
        self._began = time()
        self._http: aiohttp.ClientSession | None = None

    async def settle(self) -> None:
        """As any night, timed."""
        began = monotonic()
        await super().settle()
        self._busy += monotonic() - began

    async def paced_until(self, until: datetime, pace: float) -> None:
        """Live on at a pace."""
        self.pace = pace
        self._begin()
        async with aiohttp.ClientSession() as self._http:
            await self.live_until(until)
        self.pace = None

    def _begin(self) -> None:
        self._busy, self._records, self._began = 0.0, self.quiet.records, time()

    async def _rest(self) -> None:
        if self.pace is None:
            return
        stages = await self._stages()
        self.steps.append(Step(self._busy, stages, self.quiet.records - self._records))
        await asyncio.sleep(max(0.0, self._began + self.pace - time()))
        self._begin()

    async def _stages(self) -> dict[str, float]:
        """How long after the beat each stage had finished its last chunk; stages without work are left out."""
        assert self._http is not None
        last: dict[str, float] = {}
        for worker in self.workers.all:
            async with self._http.get(f"{worker.url}/metrics") as answer:
                text = await answer.text()
            for family in text_string_to_metric_families(text):
                for sample in family.samples:
                    if sample.name == _LAST_RECORD:
                        stage = sample.labels["stage"]
                        last[stage] = max(last.get(stage, 0.0), sample.value - self._began)
        return {stage: seconds for stage, seconds in last.items() if seconds > 0}
