"""kill -9 at every place that matters: nothing effective twice, no promise missed, no push twice, nothing lost."""

from collections import Counter
from pathlib import Path

import pytest

from agents.failpoints import FAILPOINTS
from tests.faults.evening import Evening, options
from tests.faults.supervised import kills
from tests.faults.verdict import judge
from tests.integration.stores import digest, logged, stored
from tests.kafka_chain import Kafka

pytestmark = pytest.mark.timeout(600)

CYCLES = 20
VEHICLES = 100
SEED = 3
#: Planned beyond those: the evening may end before the last ones have come to their place.
SPARE = 4


async def test_a_worker_killed_at_every_failpoint_and_at_any_moment(empty_kafka: Kafka, run_dir: Path) -> None:
    night = Evening(options(run_dir, empty_kafka.bootstrap, vehicles=VEHICLES), kills(CYCLES + SPARE, SEED))
    await night.run()
    verdict = judge(night)
    assert verdict.complaints() == []
    assert len(verdict.unlucky) <= 1, verdict.unlucky
    assert verdict.effective > VEHICLES, "an evening in which no car is switched proves nothing"
    deaths = Counter(death.kill.place for death in night.workers.deaths)
    assert deaths.total() >= CYCLES, night.workers.spared
    assert set(deaths) >= set(FAILPOINTS), "a place where nobody died"
    log = await logged(empty_kafka.bootstrap, night.settings.app_id, night.options.partitions)
    assert digest(stored(run_dir)) == digest(log)
