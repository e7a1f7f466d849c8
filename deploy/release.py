"""Releasing every held car by hand: whom, from where, how far it has come, and how it ended."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from aiokafka.errors import KafkaError

from agents.clock import Clock, SystemClock
from agents.guardian import copy
from agents.guardian.follow import Follower
from agents.guardian.known import Known
from agents.guardian.metrics import GuardianMetrics
from agents.guardian.process import PERIOD_SECONDS, make_guard
from agents.guardian.rules import Outcome, Progress, progress_of
from agents.settings import Settings
from oem_connectors.http import make_http
from streams.contracts.held import HeldCar

#: A car that did not take a start after so many tries is left to the guardian.
TRIES = 3


class Source(NamedTuple):
    """Who is held, and where that was read."""

    known: Known
    where: str
    #: Why it was not read from the log.
    instead: str | None = None


@dataclass(frozen=True, slots=True)
class Released:
    """How it ended, in numbers of cars."""

    held: int
    started: int
    charging: int
    gone: int
    failed: int
    without_token: int


async def held_cars(settings: Settings, file: Path | None) -> Source:
    """From `file` if given, else from the log, else from the guardian's copy. Raises BadCopy or OSError."""
    if file is not None:
        return _from_file(file, None)
    follower = Follower(settings, Known())
    try:
        await follower.read()
    except (KafkaError, OSError, TimeoutError) as error:
        why = f"no Kafka answers at {settings.bootstrap} ({type(error).__name__})"
        return _from_file(settings.held_file, why)
    return Source(follower.known, settings.bootstrap)


def _from_file(file: Path, why: str | None) -> Source:
    found = copy.read(file)
    return Source(found.known(), f"{file}, written at {found.written_at:%Y-%m-%d %H:%M:%S} UTC", why)


def chosen(known: Known, oem: str | None) -> list[HeldCar]:
    """The held cars of one maker, or of all."""
    return [car for car in known.cars.values() if oem in {None, car.oem}]


def overview(cars: list[HeldCar]) -> list[tuple[str, int, datetime]]:
    """Per maker: how many are held, and the earliest last safe start."""
    counts = Counter(car.oem for car in cars)
    first = {oem: min(car.last_safe_start for car in cars if car.oem == oem) for oem in counts}
    return [(oem, count, first[oem]) for oem, count in sorted(counts.items())]


async def release(
    settings: Settings, known: Known, cars: list[HeldCar], per_minute: int, on_progress: Callable[[int], None]
) -> Released:
    """Start all of `cars`, leases or not, and come back when every one was asked to its end."""
    clock: Clock = SystemClock()
    http = make_http()
    guard = make_guard(settings, per_minute, http, clock, GuardianMetrics())
    try:
        while (left := _left(known, cars, guard.progress, clock.now())) > 0:
            on_progress(len(cars) - left)
            guard.begin(known, lambda: cars)
            await asyncio.sleep(PERIOD_SECONDS)
        await guard.at_rest()
    finally:
        await http.aclose()
    on_progress(len(cars))
    return _summed(known, cars, guard.progress, clock.now())


def _left(known: Known, cars: list[HeldCar], progress: dict[str, Progress], now: datetime) -> int:
    return sum(not _over(known, car, progress_of(car, progress, now), now) for car in cars)


def _over(known: Known, car: HeldCar, tried: Progress, now: datetime) -> bool:
    way = known.way(car, now)
    locked = way is None or way.access.sealed == tried.locked_by
    return locked or tried.settled or tried.last is Outcome.STARTED or tried.tries >= TRIES


def _summed(known: Known, cars: list[HeldCar], progress: dict[str, Progress], now: datetime) -> Released:
    ends = Counter(progress_of(car, progress, now).last for car in cars)
    locked = ends[None] + ends[Outcome.LOCKED]
    done = {outcome: ends[outcome] for outcome in (Outcome.STARTED, Outcome.CHARGING, Outcome.GONE)}
    return Released(
        held=len(cars),
        started=done[Outcome.STARTED],
        charging=done[Outcome.CHARGING],
        gone=done[Outcome.GONE],
        failed=len(cars) - sum(done.values()) - locked,
        without_token=locked,
    )
