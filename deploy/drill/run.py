"""Runs the drill in virtual time against a real HTTP cloud, and judges it by what the cars did."""

from __future__ import annotations

from collections import Counter
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path
from statistics import quantiles
from time import monotonic
from typing import Any

from agents.engine.log import LogWriter
from agents.guardian import copy
from agents.guardian.guard import SCAN, Guard
from agents.guardian.known import Known
from agents.guardian.metrics import GuardianMetrics
from agents.guardian.process import make_guard
from agents.guardian.rules import lapsed, lapses_at, progress_of
from agents.settings import Settings, load
from deploy.brokers.embedded import EmbeddedBroker
from deploy.drill.night import DEATH, END, TARGET_PCT, Guest, guests, hold, left_behind
from deploy.release import Source, held_cars
from deploy.topics import wanted
from oem_connectors.http import make_http
from oem_connectors.simulator.cloud.faults import Fault, FaultKind, FaultScript
from oem_connectors.simulator.cloud.log import Change, What, Who
from oem_connectors.simulator.cloud.run import serve
from oem_connectors.simulator.cloud.world import World
from streams.contracts.held import HeldCar

SECOND = timedelta(seconds=1)
#: What else goes wrong: the cloud is away for ten minutes, and some answers are lost, wrong or without effect.
TROUBLE = FaultScript(
    (
        Fault(FaultKind.OUTAGE, DEATH + 8 * 60 * SECOND, DEATH + 18 * 60 * SECOND),
        Fault(FaultKind.DROPPED, DEATH, END, share_of_calls=0.02),
        Fault(FaultKind.ERROR, DEATH, END, share_of_calls=0.02),
        Fault(FaultKind.NO_EFFECT, DEATH, END, share_of_calls=0.02),
    )
)


class Time:
    """The drill's clock: it stands while calls are under way, and then moves on."""

    def __init__(self) -> None:
        self.at = DEATH

    def now(self) -> datetime:
        return self.at


async def drill(vehicles: int, seed: int, folder: Path, *, broker_gone: bool) -> dict[str, Any]:
    """One drill. With `broker_gone` the guardian has nothing but its file."""
    begun, time = monotonic(), Time()
    every = guests(vehicles, seed)
    world = World([guest.car for guest in every], time.now, seed, TROUBLE)
    cars = hold(world, every)
    async with AsyncExitStack() as stack:
        runner, url = await serve(world)
        stack.push_async_callback(runner.cleanup)
        settings = load({}, env="demo", held_file=folder / "held.json", oem_urls={"simulator": url}, partitions=4)
        source = await _registry(world, cars, settings, broker_gone=broker_gone)
        http = make_http()
        stack.push_async_callback(http.aclose)
        metrics = GuardianMetrics()
        guard = make_guard(settings, settings.releases_per_minute, http, time, metrics)
        await _guard_the_night(guard, source.known, time)
    world.settle(END)
    return {
        "vehicles": vehicles,
        "registry": "file" if broker_gone else "topic",
        "releases_per_minute_allowed": settings.releases_per_minute,
        **_verdict(world, every, cars),
        "missed_without_guardian": _missed_alone(every, seed),
        "wall_seconds": round(monotonic() - begun, 1),
    }


async def _registry(world: World, cars: list[HeldCar], settings: Settings, *, broker_gone: bool) -> Source:
    """What a guardian finds that starts now: the log, or only the file that the one before it kept."""
    topics = {topic.name: topic.partitions for topic in wanted(settings)}
    with EmbeddedBroker(topics) as broker:
        there = settings.model_copy(update={"bootstrap": broker.bootstrap})
        writer = LogWriter(there)
        await writer.start()
        await writer.write(left_behind(world, cars, settings, settings.sealer()))
        await writer.stop()
        source = await held_cars(there, None)
        if not broker_gone:
            return source
        copy.write(settings.held_file, copy.copy_of(source.known, {}, DEATH))
    return await held_cars(there, None)


async def _guard_the_night(guard: Guard, known: Known, time: Time) -> None:
    while time.at < END:
        guard.begin(known, lambda: lapsed(known, time.at))
        await guard.at_rest()
        next_at = time.at + (SECOND if guard.busy else SCAN)
        time.at = next_at if guard.busy else max(next_at, min(_instants(guard, known, time.at), default=END))


def _instants(guard: Guard, known: Known, now: datetime) -> list[datetime]:
    """When each car that is not over with is due next."""
    found = []
    for car in known.cars.values():
        tried = progress_of(car, guard.progress, now)
        if not tried.settled:
            found.append(max(lapses_at(car), tried.not_before or lapses_at(car)))
    return found


def _verdict(world: World, every: list[Guest], cars: list[HeldCar]) -> dict[str, Any]:
    ours = [change for change in world.log.changes if change.at >= DEATH and change.what is What.STARTED]
    first: dict[str, Change] = {}
    for change in sorted(ours, key=lambda change: change.at):
        first.setdefault(change.car, change)
    who = Counter(change.cause.who for change in first.values())
    held_on = sorted((first[car.car].at - car.lease_until).total_seconds() for car in cars if car.car in first)
    cuts = quantiles(held_on, n=100) if len(held_on) > 1 else [0.0] * 99
    starts = Counter(call.at.replace(second=0) for call in world.log.calls if call.endpoint == "start")
    missed = [guest.car for guest in every if world.soc_at(guest.car.key, guest.ready_by) < TARGET_PCT - 0.5]
    return {
        "held": len(cars),
        "backstops": sum(car.backstop_at is not None for car in cars),
        "started_by": {"guardian": who[Who.COMMAND], "own_schedule": who[Who.SCHEDULE], "car": who[Who.CAR]},
        "seconds_after_lease": {"p50": round(cuts[49]), "p99": round(cuts[98]), "max": round(max(held_on, default=0))},
        "calls": {f"{name} {status}": n for (name, status), n in sorted(world.log.calls_by_endpoint().items())},
        "most_starts_in_a_minute": max(starts.values(), default=0),
        "stopped_after_death": sum(call.endpoint == "stop" for call in world.log.calls),
        "effective_twice": len(world.log.duplicate_effective()),
        "missed": len(missed),
        "missed_kinds": dict(Counter(car.personality.value for car in missed)),
    }


def _missed_alone(every: list[Guest], seed: int) -> int:
    """The same night with nobody there: only the starts written into the cars."""
    world = World([guest.car for guest in every], lambda: DEATH, seed)
    hold(world, every)
    world.settle(END)
    return sum(world.soc_at(guest.car.key, guest.ready_by) < TARGET_PCT - 0.5 for guest in every)
