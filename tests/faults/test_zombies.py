"""A worker frozen with commands in hand; another takes over and drivers change their mind: it sends nothing."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from deploy.demo import feed
from deploy.demo.world import preference
from oem_connectors.simulator.cloud.log import What
from streams.topics import PREFERENCE
from tests.faults.evening import Evening, options
from tests.faults.supervised import Kill
from tests.faults.verdict import judge
from tests.kafka_chain import Kafka

pytestmark = pytest.mark.timeout(300)

#: A command that was sent before the driver spoke shows this much later at most.
EFFECT_WITHIN = timedelta(minutes=2)
#: Hours after the evening's start: half of the cars have plugged in; and a quarter of an hour later.
MIND_CHANGED, THAWED = 35 / 60, 50 / 60


class Boosts:
    """Cars whose drivers want to charge at once, and since when."""

    def __init__(self) -> None:
        self.since: dict[str, datetime] = {}

    async def ask(self, night: Evening) -> None:
        """All who are plugged in by now. What a frozen worker would send them is now against their wish."""
        assert len(night.workers.frozen) == 1, "nobody froze"
        new = [v for v in night.fleet if v.stays[0].plug_in < night.now and v.car not in self.since]
        self.since |= {vehicle.car: night.now for vehicle in new}
        wishes = [preference(v, night.now).model_copy(update={"mode": "boost"}) for v in new]
        await night.writer.write(
            [feed.record(PREFERENCE, wish.car, wish, night.now, night.options.partitions) for wish in wishes]
        )

    def stopped(self, night: Evening) -> list[str]:
        """Cars that a command stopped after their driver had asked to charge."""
        return [
            f"{change.car} at {change.at:%H:%M} by {change.cause.plan}"
            for change in night.world.log.effective()
            if change.what is What.STOPPED and change.at > self.since.get(change.car, change.at) + EFFECT_WITHIN
        ]


async def thaw(night: Evening) -> None:
    (zombie,) = night.workers.frozen
    assert await night.workers.thaw(zombie) in {None, 0, 1}, "it neither joined again nor ended cleanly"


@pytest.mark.parametrize("place", [pytest.param("command.taken", marks=pytest.mark.long), "command.sending"])
async def test_a_frozen_worker_sends_nothing_when_it_thaws(empty_kafka: Kafka, run_dir: Path, place: str) -> None:
    boosts = Boosts()
    chosen = options(run_dir, empty_kafka.bootstrap, vehicles=24)
    night = Evening(chosen, [Kill(place, 5, freeze=True)], {MIND_CHANGED: boosts.ask, THAWED: thaw})
    await night.run()
    assert boosts.stopped(night) == []
    assert judge(night).complaints() == []
