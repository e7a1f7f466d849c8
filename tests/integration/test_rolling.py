"""Two versions in one group: the later one writes fields that this one does not know, and partitions change hands."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from time import monotonic

import pytest

from tests.faults.evening import Evening, options
from tests.faults.supervised import PROGRAM
from tests.faults.verdict import unprocessed
from tests.integration.newer_worker import ADDED
from tests.integration.stores import logged
from tests.kafka_chain import Kafka

pytestmark = pytest.mark.timeout(300)

NEWER = ("tests.integration.newer_worker",)


async def upgrade(night: Evening) -> None:
    """The later version joins, and has half of the partitions."""
    night.workers._program = NEWER
    await night.workers.start("worker-2")


async def leave(night: Evening) -> None:
    """The version before goes, politely: the other one serves all."""
    began = monotonic()
    await night.workers.stop("worker-1")
    await night.settle()
    sys.stdout.write(f"handed over in {monotonic() - began:.1f} s\n")


async def back(night: Evening) -> None:
    """The later version was no good: the one before takes all it left."""
    night.workers._program = PROGRAM
    await night.workers.start("worker-3")
    await night.settle()
    await night.workers.stop("worker-2")


async def test_a_rolling_upgrade_and_its_way_back_lose_and_double_nothing(empty_kafka: Kafka, tmp_path: Path) -> None:
    chosen = options(tmp_path / "run", empty_kafka.bootstrap, vehicles=8)
    night = Evening(chosen, (), {0.4: upgrade, 0.6: leave, 0.8: back})
    night.window = replace(night.window, end=night.window.start + timedelta(minutes=65))
    await night.run()
    assert night.world.log.effective()
    assert night.world.log.duplicate_effective() == []
    assert list(unprocessed(night)) == []
    rows = [row for one in (await logged(empty_kafka.bootstrap, "d2ev", 2)).values() for row in one.values()]
    assert any(ADDED in row for row in rows), "no row of the later version was left"
    assert any(ADDED not in row for row in rows)
