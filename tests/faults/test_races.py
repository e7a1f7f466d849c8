"""Two workers and one herd of commands: partitions move while cars are switched, and each is switched once."""

from pathlib import Path

import pytest

from streams.contracts.internal import TickPhase
from tests.faults.evening import Evening, options
from tests.faults.verdict import judge
from tests.integration.nights import COMMANDS, beat, until_called
from tests.kafka_chain import Kafka

pytestmark = pytest.mark.timeout(300)

STEPS_TRIED = 12


async def commands_fly(night: Evening) -> None:
    """Return in the middle of a beat that commands cars."""
    for _ in range(STEPS_TRIED):
        night.now += night.options.step
        await beat(night, TickPhase.READ)
        await night.settle()
        seen = await beat(night, TickPhase.ACT)
        try:
            await until_called(night, seen, COMMANDS, limit_seconds=0.5)
        except TimeoutError:
            await night.settle()
        else:
            return
    pytest.fail(f"no car was commanded in {STEPS_TRIED} steps")


async def join(night: Evening) -> None:
    await commands_fly(night)
    await night.workers.start("worker-2")


async def leave(night: Evening) -> None:
    await commands_fly(night)
    await night.workers.stop("worker-2")


@pytest.mark.long
async def test_a_worker_joins_and_leaves_while_cars_are_commanded(empty_kafka: Kafka, run_dir: Path) -> None:
    hooks = {0.5: join, 0.75: leave, 2.0: join, 2.5: leave}
    night = Evening(options(run_dir, empty_kafka.bootstrap, vehicles=40), hooks=hooks)
    await night.run()
    verdict = judge(night)
    assert verdict.complaints() == []
    assert verdict.consent_needed == (), "nobody was killed, so no answer was lost"
    assert verdict.effective > night.options.vehicles
