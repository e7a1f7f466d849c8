"""What planning read and wrote, from Kafka or from lines of `d2ev tail --json`, and whether any of it is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from agents.kafka import KafkaAccess
from deploy.kept import entries
from deploy.reading import Entry, Reader
from streams import serde
from streams.topics import CARBON, PREFERENCE, PRICE, REGISTRATION, REPLAN, SCHEDULE, SESSION, VEHICLE

TOPICS = (REGISTRATION, PREFERENCE, REPLAN, VEHICLE, SCHEDULE, PRICE, CARBON, SESSION)


class Log:
    """Records of the topics that a replay needs, each once, in order of offset per partition."""

    def __init__(self, records: Iterable[Entry]) -> None:
        self._of: dict[tuple[str, int], list[Entry]] = defaultdict(list)
        self._offsets: dict[tuple[str, int], set[int]] = defaultdict(set)
        for entry in records:
            offsets = self._offsets[entry.topic.name, entry.partition]
            if entry.topic in TOPICS and entry.offset not in offsets and _readable(entry):
                offsets.add(entry.offset)
                self._of[entry.topic.name, entry.partition].append(entry)
        for place, found in self._of.items():
            self._of[place] = _once(sorted(found, key=lambda entry: entry.offset))

    @property
    def partitions(self) -> list[int]:
        """The partitions in which there is anything."""
        return sorted({partition for _, partition in self._of})

    def of(self, topic: str, partition: int) -> list[Entry]:
        """The records of one topic in one partition."""
        return self._of.get((topic, partition), [])

    def everywhere(self, topic: str) -> Iterator[Entry]:
        """The records of one topic."""
        for partition in self.partitions:
            yield from self.of(topic, partition)

    def by_key(self, topic: str) -> dict[str, list[Entry]]:
        """The records of one topic by key, oldest first."""
        found: dict[str, list[Entry]] = defaultdict(list)
        for entry in self.everywhere(topic):
            found[entry.key or ""].append(entry)
        return found

    def missing(self, topic: str) -> int:
        """How many records are not there: compacted away, older than what is kept, or such that nobody could read."""
        return sum(max(there) + 1 - len(there) for (name, _), there in self._offsets.items() if name == topic and there)


def from_kafka(kafka: KafkaAccess) -> Log:
    """All that is there now. Raises BrokerError."""
    with Reader(kafka) as reader:
        places = [(topic, partition) for topic in TOPICS for partition in range(reader.partitions(topic))]
        return Log(list(reader.read(places)))


def from_file(path: Path) -> Log:
    """Lines as `d2ev tail --json` prints them, in any order. ValueError names the line."""
    return Log(entries(path))


def _once(records: Iterable[Entry]) -> list[Entry]:
    """Kafka delivers at least once: `ce_id` tells a record that was written twice, else what it says, and when."""
    told: set[Any] = set()
    kept = []
    for entry in records:
        identity = dict(entry.headers).get("ce_id") or (entry.key, entry.at, entry.value)
        if identity not in told:
            told.add(identity)
            kept.append(entry._replace(headers=()))
    return kept


def _readable(entry: Entry) -> bool:
    """Workers refuse the others as well."""
    try:
        if entry.value is not None:
            serde.decode(entry.topic.name, entry.value)
    except serde.Undecodable:
        return False
    return True
