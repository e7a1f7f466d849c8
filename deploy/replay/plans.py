"""The planning stage itself over the log, in memory: does it give the schedules that were published?"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from heapq import merge
from typing import Any, NamedTuple

from agents.engine.stage import Memory, Record, Work
from agents.planning import stage
from deploy.reading import Entry
from deploy.replay.log import Log
from streams import serde
from streams.domain.case import PlanRules
from streams.topics import PREFERENCE, REGISTRATION, REPLAN, SCHEDULE, VEHICLE

#: A car's schedule, or that it has none any more.
_Plan = tuple[str | None, str | None]
READ = (REGISTRATION.name, PREFERENCE.name, REPLAN.name, VEHICLE.name)


class Reproduced(NamedTuple):
    """How many published schedules came out again, of how many, and how many came out that nobody published."""

    same: int
    of: int
    first_other: str | None
    unpublished: int
    first_unpublished: str | None


class _Rows:
    """The stage's tables."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], Any] = {}

    def get(self, table: Any, key: str) -> Any:
        return self._rows.get((table.name, key))

    def items(self, table: Any) -> Iterator[tuple[str, Any]]:
        return iter(sorted((key, row) for (name, key), row in self._rows.items() if name == table.name))

    def take(self, puts: Mapping[tuple[str, str], Any]) -> None:
        for place, row in puts.items():
            if row is None:
                self._rows.pop(place, None)
            else:
                self._rows[place] = row


def reproduce(log: Log, rules: PlanRules) -> Reproduced:
    """Plan everything anew by `rules` and hold it against what lies on the schedule topic."""
    of = 0
    others: list[str] = []
    unpublished: list[str] = []
    for partition in log.partitions:
        made: dict[_Plan, list[datetime]] = defaultdict(list)
        for plan, at in _plans(log, partition, rules):
            made[plan].append(at)
        for entry in log.of(SCHEDULE.name, partition):
            of += 1
            found = made.get((entry.key, _canonical(entry.value)))
            if found:
                found.pop(0)
            else:
                others.append(_told(entry.key, entry.at))
        unpublished += [_told(key, at) for (key, _), left in made.items() for at in left]
    return Reproduced(of - len(others), of, next(iter(others), None), len(unpublished), next(iter(unpublished), None))


def _told(key: str | None, at: datetime) -> str:
    return f"{key} at {serde.rfc3339(at)}"


def _plans(log: Log, partition: int, rules: PlanRules) -> Iterator[tuple[_Plan, datetime]]:
    """What the stage sends, record by record, and when."""
    planning, rows, memory = stage(rules), _Rows(), Memory()
    for entry in in_order(log, partition):
        value = None if entry.value is None else serde.decode(entry.topic.name, entry.value)
        record = Record(entry.topic.name, entry.key or "", value, entry.offset, entry)
        work = Work(partition, [record], rows, memory, _at)
        planning.step(work)
        rows.take(work.effects.puts)
        for sent in work.effects.sends:
            yield (sent.key, _canonical(None if sent.message is None else serde.encode(sent.message))), entry.at


def in_order(log: Log, partition: int) -> Iterator[Entry]:
    """The records that planning read, by the time of their events; those of one topic keep their order."""
    return (entry for _, _, _, entry in merge(*(_timed(log, topic, partition) for topic in READ)))


def _timed(log: Log, topic: str, partition: int) -> Iterator[tuple[datetime, int, int, Entry]]:
    newest = None
    for entry in log.of(topic, partition):
        newest = entry.at if newest is None else max(newest, entry.at)
        yield newest, _turn(entry), entry.offset, entry


def _turn(entry: Entry) -> int:
    """Of what happened at one instant: wishes and forecasts are there when a car is read, adders answer its plan."""
    adder = entry.topic is REPLAN and (entry.key or "").startswith("adder:")
    return len(READ) if adder else READ.index(entry.topic.name)


def _at(entry: Entry) -> datetime:
    return entry.at


def _canonical(value: bytes | None) -> str | None:
    return None if value is None else json.dumps(json.loads(value), sort_keys=True)
