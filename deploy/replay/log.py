"""What planning read and wrote, from Kafka or from lines of `d2ev tail --json`, and whether any of it is missing."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from agents.kafka import KafkaAccess
from deploy.reading import Entry, Reader
from streams import serde
from streams.topics import BY_NAME, CARBON, PREFERENCE, PRICE, REGISTRATION, REPLAN, SCHEDULE, SESSION, VEHICLE

TOPICS = (REGISTRATION, PREFERENCE, REPLAN, VEHICLE, SCHEDULE, PRICE, CARBON, SESSION)


class Log:
    """Records of the topics that a replay needs, in order of offset per partition."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._of: dict[tuple[str, int], list[Entry]] = defaultdict(list)
        for entry in entries:
            if _readable(entry):
                self._of[entry.topic.name, entry.partition].append(entry)
        for found in self._of.values():
            found.sort(key=lambda entry: entry.offset)

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
        return sum(found[-1].offset + 1 - len(found) for (name, _), found in self._of.items() if name == topic)


def from_kafka(kafka: KafkaAccess) -> Log:
    """All that is there now. Raises BrokerError."""
    with Reader(kafka) as reader:
        places = [(topic, partition) for topic in TOPICS for partition in range(reader.partitions(topic))]
        return Log(list(reader.read(places)))


def from_file(path: Path) -> Log:
    """Lines as `d2ev tail --json` prints them, of all topics in any order. ValueError names the line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from None
    return Log(_entry(path, number, line) for number, line in enumerate(lines, 1) if line)


def _readable(entry: Entry) -> bool:
    """Workers refuse the others as well."""
    try:
        if entry.value is not None:
            serde.decode(entry.topic.name, entry.value)
    except serde.Undecodable:
        return False
    return True


def _entry(path: Path, number: int, line: str) -> Entry:
    try:
        row = json.loads(line)
        value = None if row["value"] is None else json.dumps(row["value"]).encode()
        at = datetime.fromisoformat(row["time"])
        return Entry(BY_NAME[row["topic"]], row["partition"], row["offset"], row["key"], at, value)
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{path}:{number}: not a line of `d2ev tail --json`") from None
