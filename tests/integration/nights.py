"""Nights for tests: a small fleet on a given broker, faults at virtual instants, and what must hold after each."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from agents.clock import ticks
from deploy.demo.night import Night, Options
from streams.contracts.internal import TickPhase

#: Calls by which the platform changes a car.
COMMANDS = {"start", "stop", "limit", "wake"}
#: What may differ between two runs of the same night: time taken, and records per partition.
INCIDENTAL = {"wall_seconds", "events"}

Fault = Callable[[Night], Awaitable[None]]


def options(run_dir: Path, **changes: Any) -> Options:
    """Six cars, one day, on a ten minute grid."""
    facts: dict[str, Any] = {
        "vehicles": 6, "days": 1, "step": timedelta(minutes=10), "partitions": 4, "run_dir": run_dir,
    }  # fmt: skip
    return Options(**(facts | changes))


async def live(chosen: Options, faults: Mapping[int, Fault] | None = None) -> tuple[Night, dict[str, Any]]:
    """Run a night with `faults` by hours after its start; the night and its summary."""
    start = Night(chosen).window.start
    hooks: dict[datetime, Fault] = {start + timedelta(hours=h): fault for h, fault in (faults or {}).items()}
    night = Night(chosen, hooks)
    summary = await night.run()
    assert not night.hooks, f"faults that never happened: {list(night.hooks)}"
    return night, summary


def assert_nothing_lost_or_doubled(night: Night, summary: dict[str, Any]) -> None:
    """The ledger balances, the log is processed to its end, and the cars were switched once per decision."""
    events = summary["events"]
    assert events["lost"] == 0, night.statuses
    assert events["in"] == events["out"] + events["filtered"] + events["dead_letters"]
    assert events["dead_letters"] == 0
    assert night.world.log.duplicate_effective() == []
    assert summary["notifications"]["duplicate"] == 0


def assert_same_night(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Plans, money, energy, commands and notifications are equal to the last digit."""
    assert {k: v for k, v in one.items() if k not in INCIDENTAL} == {
        k: v for k, v in other.items() if k not in INCIDENTAL
    }


async def let_them_read(night: Night) -> int:
    """Move time to the next instant at which a car is due and have it read, without waiting for it.

    Returns how many calls the cloud had seen before.
    """
    night.now = max(night.now, night._on_grid(night._due(("polling",))))
    return await beat(night, TickPhase.READ)


async def beat(night: Night, phase: TickPhase) -> int:
    """A beat at the present instant, without waiting for it; how many calls the cloud had seen before."""
    seen = len(night.world.log.calls)
    await night.writer.write(ticks(night.now, (phase,), range(night.options.partitions)))
    return seen


async def until_called(night: Night, seen: int, endpoints: set[str], limit_seconds: float = 20) -> None:
    """Return as soon as the cloud has seen another call to one of `endpoints`."""
    async with asyncio.timeout(limit_seconds):
        # The simulator's log has no way to tell us.
        while not any(call.endpoint in endpoints for call in night.world.log.calls[seen:]):  # noqa: ASYNC110
            await asyncio.sleep(0.001)


def commands_seen(night: Night) -> int:
    """Calls so far by which the platform changed a car."""
    return sum(call.endpoint in COMMANDS for call in night.world.log.calls)
