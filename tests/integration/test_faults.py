"""Workers killed, joining and leaving, the broker restarted, a store lost: nothing is lost and nothing doubled."""

import asyncio
import shutil
from pathlib import Path

import pytest

from deploy.demo.night import Night
from tests.integration.nights import (
    COMMANDS,
    assert_nothing_lost_or_doubled,
    commands_seen,
    kill_and_restart,
    let_them_read,
    live,
    options,
    until_called,
)
from tests.integration.stores import digest, logged, stored
from tests.kafka_chain import Kafka

pytestmark = pytest.mark.timeout(300)


def data(night: Night, worker: str = "worker-1") -> Path:
    return night.options.run_dir / worker


async def assert_store_is_the_log(night: Night) -> None:
    log = await logged(night.settings.bootstrap, night.settings.app_id, night.options.partitions)
    assert digest(stored(data(night))) == digest(log)


async def kill_while_reading(night: Night) -> None:
    seen = await let_them_read(night)
    await until_called(night, seen, {"state"})
    await kill_and_restart(night)


async def test_a_worker_killed_while_it_reads_and_right_after_it_switched_a_car(
    empty_kafka: Kafka, tmp_path: Path
) -> None:
    armed: list[asyncio.Task[None]] = []

    async def kill_at_the_next_command(night: Night) -> None:
        async def wait_and_kill() -> None:
            await until_called(night, len(night.world.log.calls), COMMANDS, limit_seconds=200)
            await kill_and_restart(night)

        armed.append(asyncio.create_task(wait_and_kill()))

    faults = {6: kill_at_the_next_command, 9: kill_while_reading, 11: kill_at_the_next_command}
    night, summary = await live(options(tmp_path / "run", bootstrap=empty_kafka.bootstrap), faults)
    assert all(task.done() for task in armed), "a kill that never happened"
    await asyncio.gather(*armed)
    assert_nothing_lost_or_doubled(night, summary)
    assert summary["ready_by"]["missed"] == 0
    await assert_store_is_the_log(night)


async def test_workers_join_leave_and_die_under_load(empty_kafka: Kafka, tmp_path: Path) -> None:
    async def join(night: Night) -> None:
        await let_them_read(night)
        await night.workers.start("worker-2")

    async def leave(night: Night) -> None:
        seen = await let_them_read(night)
        await until_called(night, seen, {"state"})
        await night.workers.stop("worker-2")

    async def die(night: Night) -> None:
        seen = await let_them_read(night)
        await until_called(night, seen, {"state"})
        await night.workers.stop("worker-1", kill=True)

    faults = {5: join, 8: leave, 10: join, 12: die}
    night, summary = await live(options(tmp_path / "run", bootstrap=empty_kafka.bootstrap), faults)
    assert_nothing_lost_or_doubled(night, summary)
    assert summary["ready_by"]["missed"] == 0
    log = await logged(night.settings.bootstrap, night.settings.app_id, night.options.partitions)
    assert digest(stored(data(night, "worker-2"))) == digest(log), "the survivor owns every partition"


async def test_the_broker_restarts_politely_and_by_power_cut(own_kafka: Kafka, tmp_path: Path) -> None:
    handle = own_kafka.handle
    assert handle

    async def restart(night: Night) -> None:
        await let_them_read(night)
        await asyncio.to_thread(handle.restart)

    async def power_cut(night: Night) -> None:
        await let_them_read(night)
        await asyncio.to_thread(handle.restart, kill=True)

    chosen = options(tmp_path / "run", bootstrap=own_kafka.bootstrap)
    night, summary = await live(chosen, {6: restart, 10: power_cut})
    assert_nothing_lost_or_doubled(night, summary)
    assert summary["ready_by"]["missed"] == 0
    await assert_store_is_the_log(night)


async def test_a_lost_store_comes_back_from_the_log_before_anything_is_commanded(
    empty_kafka: Kafka, tmp_path: Path
) -> None:
    async def lose_the_store(night: Night) -> None:
        await night.workers.stop("worker-1")  # politely: its last second is committed, so nothing is done again
        before, switched = digest(stored(data(night))), commands_seen(night)
        assert len(before) > night.options.partitions
        shutil.rmtree(data(night))
        worker = await night.workers.start("worker-1")
        while not worker.status.get("ready"):
            await night.workers.statuses()
            assert commands_seen(night) == switched, "a command left before the tables were back"
        assert digest(stored(data(night))) == before

    chosen = options(tmp_path / "run", bootstrap=empty_kafka.bootstrap)
    night, summary = await live(chosen, {11: lose_the_store})
    assert_nothing_lost_or_doubled(night, summary)
    assert summary["ready_by"]["missed"] == 0
    await assert_store_is_the_log(night)
