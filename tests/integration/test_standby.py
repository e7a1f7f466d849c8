"""How long a killed worker's cars wait for another: with cold stores, and with warm copies. Prints what it measured."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from agents.engine.log import Outgoing
from agents.partitions import home_partition
from tables import TABLES
from tests.faults.evening import Evening, options
from tests.integration.stores import Rows, logged
from tests.kafka_chain import Kafka

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

PARTITIONS = 2
SESSION_SECONDS = 10
#: What is promised of a killed worker's cars with and without warm copies, in seconds.
CARS, SERVED_WITHIN = 2_000, {0: 20.0, 1: 20.0}


class Measured(Exception):
    """Enough was seen; the evening need not go on."""


class Takeover:
    """In the middle of an evening: many more cars like those that are there, two workers, one of them killed."""

    def __init__(self, cars: int, standbys: int) -> None:
        self.cars, self.standbys = cars, standbys
        self.assigned = self.served = self.cpu = 0.0

    async def measure(self, night: Evening) -> None:
        await night.workers.stop("worker-1")
        rows = await logged(night.settings.bootstrap, night.settings.app_id, PARTITIONS)
        copies = list(multiplied(rows, self.cars, night.settings.app_id))
        for start in range(0, len(copies), 20_000):
            await night.writer.write(copies[start : start + 20_000])
        night.workers._common |= {
            "D2EV_SESSION_TIMEOUT_SECONDS": str(SESSION_SECONDS),
            "D2EV_STANDBY_REPLICAS": str(self.standbys),
        }
        for name in ("worker-2", "worker-3"):
            await night.workers.start(name)
        await shared(night, [1, 1])
        if self.standbys:
            await asyncio.sleep(30)  # a copy does not tell how warm it is
        survivor = night.workers.all[-1].process.pid
        began, used = monotonic(), cpu_seconds(survivor)
        await night.workers.stop("worker-2", kill=True)
        self.assigned = await joined(night, began)
        await shared(night, [PARTITIONS])
        self.served, self.cpu = monotonic() - began, cpu_seconds(survivor) - used
        raise Measured


def cpu_seconds(pid: int) -> float:
    """What a process has used of the processors: on a busy machine the honest clock."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def multiplied(rows: Rows, cars: int, app_id: str) -> Iterator[Outgoing]:
    """The rows of one car, again and again under other names."""
    for table in TABLES:
        mine = [content for (name, _), content in rows.items() if name == table.name]
        model = next(((k, v) for content in mine for k, v in content.items() if k.startswith(b"acct-")), None)
        if model is None:
            continue
        key, value = model
        account, _, vehicle = key.partition(b".")
        for number in range(cars * PARTITIONS):
            name = b"more-%06d" % number
            new = name + (b"." + vehicle if vehicle else b"")
            at = home_partition(new.decode(), PARTITIONS)
            yield Outgoing(table.changelog(app_id), at, new, value.replace(account, name))


async def shared(night: Evening, counts: list[int]) -> None:
    """Return once the workers serve so many partitions each."""
    async with asyncio.timeout(400):
        while True:
            statuses = await night.workers.statuses()
            if sorted(len(s.get("partitions", [])) for s in statuses) == counts and all(s["ready"] for s in statuses):
                return
            await asyncio.sleep(0.05)


async def joined(night: Evening, began: float) -> float:
    """When the survivor stopped being ready: the group has noticed, and it takes over."""
    async with asyncio.timeout(120):
        while (await night.workers.statuses())[0]["ready"]:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return monotonic() - began


@pytest.mark.parametrize("standbys", SERVED_WITHIN)
async def test_a_killed_worker_s_cars_are_served_again(empty_kafka: Kafka, tmp_path: Path, standbys: int) -> None:
    takeover = Takeover(CARS, standbys)
    chosen = options(tmp_path / "run", empty_kafka.bootstrap, vehicles=6, partitions=PARTITIONS)
    with pytest.raises(Measured):
        await Evening(chosen, (), {0.75: takeover.measure}).run()
    sys.stdout.write(
        f"\n{CARS} cars a partition, {standbys} standbys: noticed {takeover.assigned:.1f} s, "
        f"served {takeover.served:.1f} s after the kill (session {SESSION_SECONDS} s), "
        f"{takeover.cpu:.1f} s of processor\n"
    )
    assert takeover.assigned + takeover.cpu < SERVED_WITHIN[standbys]
