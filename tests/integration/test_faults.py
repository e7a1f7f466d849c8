"""The broker restarted, a store lost: nothing is lost and nothing doubled. Workers die in tests/faults."""

import asyncio
import shutil
from pathlib import Path

import pytest

from deploy.demo.night import Night
from tests.faults.evening import Evening, options
from tests.faults.verdict import judge
from tests.integration.nights import assert_nothing_lost_or_doubled, commands_seen, let_them_read
from tests.integration.stores import digest, logged, stored
from tests.kafka_chain import Kafka

pytestmark = pytest.mark.timeout(300)


def data(night: Night, worker: str = "worker-1") -> Path:
    return night.options.run_dir / worker


async def assert_store_is_the_log(night: Night) -> None:
    log = await logged(night.settings.bootstrap, night.settings.app_id, night.options.partitions)
    assert digest(stored(data(night))) == digest(log)


async def lose_the_store(night: Night) -> None:
    """Nothing is commanded before the tables are back, as they were."""
    await night.workers.stop("worker-1")  # politely: its last second is committed, so nothing is done again
    before, switched = digest(stored(data(night))), commands_seen(night)
    assert len(before) > night.options.partitions
    shutil.rmtree(data(night))
    worker = await night.workers.start("worker-1")
    while not worker.status.get("ready"):
        await night.workers.statuses()
        assert commands_seen(night) == switched, "a command left before the tables were back"
    assert digest(stored(data(night))) == before


async def test_the_broker_restarts_politely_and_by_power_cut_and_a_lost_store_comes_back_from_the_log(
    own_kafka: Kafka, tmp_path: Path
) -> None:
    handle = own_kafka.handle
    assert handle

    async def restart(night: Night) -> None:
        await let_them_read(night)
        await asyncio.to_thread(handle.restart)

    async def power_cut(night: Night) -> None:
        await let_them_read(night)
        await asyncio.to_thread(handle.restart, kill=True)

    chosen = options(tmp_path / "run", own_kafka.bootstrap, vehicles=12)
    night = Evening(chosen, (), {0.5: restart, 1.25: power_cut, 2: lose_the_store})
    summary = await night.run()
    assert not night.hooks
    assert_nothing_lost_or_doubled(night, summary)
    assert judge(night).complaints() == []
    await assert_store_is_the_log(night)
