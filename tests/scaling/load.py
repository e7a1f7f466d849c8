"""Readings stream in on the wall clock, whatever the night's clock says; and how long cars wait for their effect."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from time import monotonic

from aiokafka import AIOKafkaConsumer

from agents.engine.log import LogWriter, Outgoing
from deploy.demo import feed
from deploy.demo.night import Night
from deploy.reading import Reader
from streams.contracts.telemetry import Telemetry
from streams.topics import TELEMETRY, VEHICLE

BURST_SECONDS = 0.1
#: Between a car's readings: a whole load of them lies within a second of the night's clock.
APART = timedelta(microseconds=100)


class Load:
    """All cars say again and again what they said last, so that nothing of it is untrue."""

    def __init__(self, night: Night, rate: float) -> None:
        self._night, self._rate = night, rate
        self.written = 0
        self.seconds = 0.0
        self.served = Served(night.settings.bootstrap)
        self._ended = asyncio.Event()

    async def __aenter__(self) -> Load:
        self._last = await asyncio.to_thread(newest, self._night)
        await self.served.start({car: taken(reading) for car, reading in self._last.items()})
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ended.set()
        await self._task
        await self._night.settle()
        await self.served.stop()

    async def switch(self) -> None:
        """Write by the night's number of partitions from now on: what wrote by another one is started anew."""
        self._ended.set()
        await self._task
        self._ended.clear()
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        writer, partitions = LogWriter(self._night.settings), self._night.options.partitions
        await writer.start()
        began, before = monotonic(), self.written
        while not self._ended.is_set():
            due = int((monotonic() - began) * self._rate) - (self.written - before)
            await writer.write([self._next(number, partitions) for number in range(self.written, self.written + due)])
            self.written += due
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), BURST_SECONDS)
        self.seconds += monotonic() - began
        await writer.stop()

    def _next(self, number: int, partitions: int) -> Outgoing:
        cars = list(self._last)
        car = cars[number % len(cars)]
        reading = self._last[car]
        at = taken(reading) + APART
        self._last[car] = later = reading.model_copy(
            update={"car_time": at, "oem_time": None, "received_time": max(at, reading.received_time)}
        )
        return feed.record(TELEMETRY, car, later, at, partitions)


class Served:
    """For how long, on the wall clock, nothing new was known of a car that kept telling."""

    def __init__(self, bootstrap: str) -> None:
        self._consumer = AIOKafkaConsumer(
            VEHICLE.name, bootstrap_servers=bootstrap, auto_offset_reset="earliest", metadata_max_age_ms=1000
        )
        self._known: dict[str, datetime] = {}
        self._heard: dict[str, float] = {}
        self.longest_seconds = 0.0

    async def start(self, known: Mapping[str, datetime]) -> None:
        """These readings were there already."""
        self._known, self._heard = dict(known), dict.fromkeys(known, monotonic())
        await self._consumer.start()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        self._task.cancel()
        await self._consumer.stop()

    async def _run(self) -> None:
        async for record in self._consumer:
            if record.value is None:
                continue
            state = json.loads(record.value)
            car, at = state["car"], datetime.fromisoformat(state["car_time"])
            if car in self._known and at > self._known[car]:
                now = monotonic()
                self.longest_seconds = max(self.longest_seconds, now - self._heard[car])
                self._known[car], self._heard[car] = at, now


def taken(reading: Telemetry) -> datetime:
    """When the car was as it says."""
    return reading.car_time or reading.received_time


def newest(night: Night) -> dict[str, Telemetry]:
    """The newest reading of every car."""
    found: dict[str, Telemetry] = {}
    with Reader(night.settings) as reader:
        for entry in reader.read([(TELEMETRY, partition) for partition in range(night.options.partitions)]):
            if entry.value is not None:
                reading = Telemetry.model_validate_json(entry.value)
                if reading.car not in found or taken(reading) >= taken(found[reading.car]):
                    found[reading.car] = reading
    return found
