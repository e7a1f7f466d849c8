"""A store that is damaged or ahead of its changelog is put aside by the first start and restored by the next."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rocksdict import Options, Rdict

from streams.topics import TELEMETRY
from tests.integration.pipeline import pipeline
from tests.integration.stores import OFFSET_KEY, digest, stored
from tests.integration.test_poison import telemetry
from tests.kafka_chain import Kafka

pytestmark = pytest.mark.timeout(180)


def garble_its_current_file(store: Path) -> None:
    (store / "CURRENT").write_text("MANIFEST-999999\n")


def put_it_ahead_of_the_changelog(store: Path) -> None:
    opened = Rdict(str(store), Options(raw_mode=True))
    opened[OFFSET_KEY] = b"1000000"
    opened.close()


@pytest.mark.parametrize(
    "damage", [garble_its_current_file, pytest.param(put_it_ahead_of_the_changelog, marks=pytest.mark.long)]
)
async def test_it_heals_without_a_human(empty_kafka: Kafka, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    async with pipeline(empty_kafka, tmp_path) as running:
        cars = [(f"acct.car-{n}".encode(), json.dumps(telemetry(n)).encode()) for n in range(9)]
        await running.write(TELEMETRY.name, [*cars])
        await running.workers.stop("one")
        before = digest(stored(tmp_path / "one"))
        (store,) = (tmp_path / "one").glob("**/vehicle-state-1.db")
        damage(store)
        first = await running.workers.start("one")
        assert await asyncio.wait_for(first.process.wait(), 60) == 1
        assert "stores put aside" in (tmp_path / "one.log").read_text()
        await running.workers.start("one")
        await running.quiet.wait(60)
        assert digest(stored(tmp_path / "one")) == before
        for line in (tmp_path / "one.log").read_text().splitlines():
            assert json.loads(line)["event"], "also a crash is one JSON line each"
