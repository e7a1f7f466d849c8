"""More partitions in the middle of an evening, killed at every step: nothing lost, nobody late, nothing done twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from agents.partitions import home_partition
from deploy.demo import feed
from deploy.demo.world import preference
from deploy.migrate.errors import CannotExpand
from deploy.migrate.expansion import Expansion
from deploy.migrate.log import RawLog
from deploy.migrate.placing import rewritten
from deploy.migrate.retire import retire
from deploy.reading import Reader
from streams.contracts.schedule import Schedule
from streams.domain.ids import stable_id
from streams.topics import PREFERENCE, SCHEDULE
from tables import TABLES
from tests.faults.evening import Evening, options
from tests.faults.verdict import judge, unprocessed
from tests.integration.expanding import APP, expansion, new_version
from tests.integration.stores import logged
from tests.kafka_chain import Kafka

pytestmark = pytest.mark.timeout(300)

BEFORE, AFTER = 2, 5
#: Hours after the evening's start: half of the cars have plugged in.
EXPANDED = 35 / 60


class Killed(Exception):
    """The migration was killed."""


class Mortal(Expansion):
    """Dies once after each step, before it has noted that it did it."""

    died: set[str]

    def _done(self, step: str) -> None:
        if step not in self.died:
            self.died.add(step)
            raise Killed(step)
        super()._done(step)


def killed_everywhere(night: Evening) -> Expansion:
    """Run the expansion, again and again, until it lives."""
    died: set[str] = set()
    with RawLog(night.settings) as log:
        while True:
            expanded = expansion(night.settings, AFTER, log)
            expanded.__class__ = Mortal
            assert isinstance(expanded, Mortal)
            expanded.died = died
            try:
                expanded.run(30)
            except Killed:
                continue
            assert died == set(expanded.steps)
            return expanded


def expanded_at_once(night: Evening) -> Expansion:
    with RawLog(night.settings) as log:
        expanded = expansion(night.settings, AFTER, log)
        expanded.run(30)
        return expanded


class Operator:
    """Expands while every driver whose car is there asks, by the old number of partitions, to charge at once."""

    def __init__(self, expand: Callable[[Evening], Expansion]) -> None:
        self.asked: set[str] = set()
        self.retired: list[str] = []
        self.expanded: Expansion
        self._expand = expand

    async def expand(self, night: Evening) -> None:
        with RawLog(night.settings) as log, pytest.raises(CannotExpand, match="1 workers of d2ev run; stop them"):
            await asyncio.to_thread(expansion(night.settings, AFTER, log).run, 0)
        await night.workers.stop("worker-1")
        before = await logged(night.settings.bootstrap, night.settings.app_id, BEFORE)
        self.expanded = await asyncio.to_thread(self._expand, night)
        self.at = night.now
        here = [v for v in night.fleet if v.stays[0].plug_in < night.now]
        self.asked = {v.car for v in here if int(stable_id(v.car), 16) % 2}
        wishes = [preference(v, night.now).model_copy(update={"mode": "boost"}) for v in here if v.car in self.asked]
        await night.writer.write([feed.record(PREFERENCE, w.car, w, night.now, BEFORE) for w in wishes])
        after = await logged(night.settings.bootstrap, self.expanded.new.app_id, AFTER)
        assert rows_of_cars(before) == rows_of_cars(after)
        await new_version(night, self.expanded, "worker-2")

    async def retire(self, night: Evening) -> None:
        """With the settings of old, as the operator's shell still has them."""
        old = night.settings.model_copy(update={"app_id": "d2ev", "partitions": BEFORE})

        def run() -> list[str]:
            with RawLog(old) as log:
                return retire(expansion(old, AFTER, log))

        self.retired = await asyncio.to_thread(run)

    def unheard(self, night: Evening) -> set[str]:
        """Cars whose drivers asked by the old number of partitions, and no plan at home knows of it."""
        assert self.asked
        heard = set()
        with Reader(night.settings) as reader:
            for entry in reader.read([(SCHEDULE, partition) for partition in range(AFTER)]):
                plan = None if entry.value is None else Schedule.model_validate_json(entry.value)
                if plan and plan.inputs.preference_updated_at == self.at:
                    assert entry.partition == home_partition(plan.car, AFTER), "planned by a stranger"
                    heard.add(plan.car)
        return self.asked - heard


def rows_of_cars(rows: dict[tuple[str, int], dict[bytes, bytes]]) -> Counter[tuple[str, bytes, bytes]]:
    """All rows that belong to accounts, wherever they lie."""
    return Counter(
        (table, key, value)
        for (table, _), content in rows.items()
        for key, value in content.items()
        if key.startswith(b"acct")
    )


@pytest.mark.long
async def test_an_evening_goes_on_with_more_partitions(empty_kafka: Kafka, tmp_path: Path) -> None:
    operator = Operator(killed_everywhere)
    chosen = options(tmp_path / "run", empty_kafka.bootstrap, vehicles=16, partitions=BEFORE)
    night = Evening(chosen, (), {EXPANDED: operator.expand, 2: operator.retire})
    await night.run()
    assert judge(night).complaints() == []
    assert operator.unheard(night) == set()
    assert set(operator.retired) == {*(table.changelog("d2ev") for table in TABLES), f"{APP}-was-{BEFORE}-migration"}
    await each_word_is_at_home(empty_kafka.bootstrap, operator.asked)


async def test_an_hour_goes_on_with_more_partitions(empty_kafka: Kafka, tmp_path: Path) -> None:
    operator = Operator(expanded_at_once)
    chosen = options(tmp_path / "run", empty_kafka.bootstrap, vehicles=8, partitions=BEFORE)
    night = Evening(chosen, (), {EXPANDED: operator.expand})
    night.window = replace(night.window, end=night.window.start + timedelta(minutes=65))
    await night.run()
    assert night.world.log.effective()
    assert night.world.log.duplicate_effective() == []
    assert list(unprocessed(night)) == []
    assert operator.unheard(night) == set()
    await each_word_is_at_home(empty_kafka.bootstrap, operator.asked)


async def each_word_is_at_home(bootstrap: str, but: set[str]) -> None:
    """Readers find every key in one partition alone, but for what was written by the old number."""
    from agents.settings import load

    with RawLog(load({}, bootstrap=bootstrap)) as log:
        for topic in rewritten():
            places: dict[str, set[int]] = {}
            for record in log.read(topic.name, log.ends(topic.name, range(AFTER))):
                places.setdefault(record.key.decode(), set()).add(record.partition)
            torn = {key for key, where in places.items() if len(where) > 1 and key not in but}
            assert not torn, (topic.name, torn)
