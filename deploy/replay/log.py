"""What planning read and wrote, from Kafka or from lines of `d2ev tail --json`, and whether any of it is missing."""

from __future__ import annotations

import gzip
import json
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from agents.kafka import KafkaAccess
from deploy.reading import Entry, Reader
from streams import serde
from streams.topics import BY_NAME, CARBON, PREFERENCE, PRICE, REGISTRATION, REPLAN, SCHEDULE, SESSION, VEHICLE

TOPICS = (REGISTRATION, PREFERENCE, REPLAN, VEHICLE, SCHEDULE, PRICE, CARBON, SESSION)


class Log:
    """Records of the topics that a replay needs, each once, in order of offset per partition."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._of: dict[tuple[str, int], list[Entry]] = defaultdict(list)
        self._offsets: dict[tuple[str, int], set[int]] = defaultdict(set)
        for entry in entries:
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
    """Lines as `d2ev tail --json` prints them, perhaps gzipped, in any order. ValueError names the line."""
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
            return Log(_entry(path, number, line) for number, line in enumerate(lines, 1) if line.strip())
    except (OSError, EOFError, UnicodeError, zlib.error) as error:
        raise ValueError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None


def _once(entries: Iterable[Entry]) -> list[Entry]:
    """Kafka delivers at least once: `ce_id` tells a record that was written twice, else what it says, and when."""
    told: set[Any] = set()
    kept = []
    for entry in entries:
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


def _entry(path: Path, number: int, line: str) -> Entry:
    try:
        row = json.loads(line)
        value = None if row["value"] is None else json.dumps(row["value"]).encode()
        headers = tuple((name, text.encode()) for name, text in row.get("headers", {}).items())
        at = datetime.fromisoformat(row["time"])
        return Entry(BY_NAME[row["topic"]], row["partition"], row["offset"], row["key"], at, value, headers)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{path}:{number}: not a line of `d2ev tail --json`") from None
