"""The night on real Kafka: the same as embedded, on any partition count, and when every reading comes thrice."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.faults import evening
from tests.faults.evening import Evening
from tests.faults.verdict import judge
from tests.integration.nights import assert_nothing_lost_or_doubled, assert_same_night, live, options
from tests.kafka_chain import Kafka

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The night on the embedded broker, which all others are measured against."""
    night, summary = asyncio.run(live(options(tmp_path_factory.mktemp("embedded") / "run")))
    assert_nothing_lost_or_doubled(night, summary)
    assert summary["ready_by"]["met"], "a night in which no car charges proves nothing"
    assert summary["ready_by"]["missed"] == 0
    return summary


async def test_kafka_lives_the_embedded_evening(empty_kafka: Kafka, tmp_path: Path) -> None:
    chosen = evening.options(tmp_path / "run", empty_kafka.bootstrap, vehicles=8, partitions=8)
    real, embedded = Evening(chosen), Evening(replace(chosen, bootstrap=None, run_dir=tmp_path / "embedded"))
    lived = {one: await one.run() for one in (real, embedded)}
    for one, summary in lived.items():
        assert_nothing_lost_or_doubled(one, summary)
    assert judge(real).complaints() == []
    assert_same_night(lived[real], lived[embedded])
    assert real.world.log.effective(), "an evening on which no car is switched proves nothing"


@pytest.mark.long
@pytest.mark.parametrize("partitions", [1, 8, 16])
async def test_kafka_lives_the_embedded_night_on_any_partition_count(
    empty_kafka: Kafka, tmp_path: Path, embedded: dict[str, Any], partitions: int
) -> None:
    night, summary = await live(options(tmp_path / "run", bootstrap=empty_kafka.bootstrap, partitions=partitions))
    assert_nothing_lost_or_doubled(night, summary)
    assert_same_night(summary, embedded)


@pytest.mark.long
async def test_every_reading_three_times_and_shuffled_changes_nothing(
    empty_kafka: Kafka, tmp_path: Path, embedded: dict[str, Any]
) -> None:
    chosen = options(tmp_path / "run", bootstrap=empty_kafka.bootstrap, scenario="duplicate-telemetry")
    night, summary = await live(chosen)
    assert_nothing_lost_or_doubled(night, summary)
    assert summary["events"]["in"] > embedded["events"]["in"], "the copies never came in"
    assert_same_night(summary, embedded)
