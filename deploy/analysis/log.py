"""A consistent cut of the log: all that was written before the reading began, and nothing after.

The ends of all partitions are noted first; every topic is read up to them, however much is written meanwhile.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from time import monotonic
from types import TracebackType
from typing import Any, Final, Self

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from agents.settings import Settings
from deploy.brokers.errors import BrokerError
from deploy.reading import CONNECT_SECONDS, HARMLESS, SILENCE_SECONDS, client
from tables.projection import Records
from tables.relations import Relation

#: Records taken so far, and how many there are.
Progress = Callable[[int, int], None]
_AT_ONCE: Final = 10_000


class Log:
    """Reads relations, without a group: nothing that a worker could notice. Raises BrokerError."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lost = False
        #: Up to where the last reading went: end offset by partition, by relation.
        self.ends: dict[str, dict[int, int]] = {}
        self._consumer = client(settings, self._on_error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()

    def read(self, relations: Iterable[Relation], progress: Progress | None = None) -> dict[str, Records]:
        """The relations as they are now, by full name: folds without what was deleted, events without repeats."""
        wanted = list(relations)
        cut = self._cut(wanted)
        self.ends = {name: {partition: end for partition, (_, end) in places.items()} for name, places in cut.items()}
        sizes = {name: sum(end - start for start, end in places.values()) for name, places in cut.items()}
        done, total = 0, sum(sizes.values())
        found = {}
        for one in wanted:
            taking: _Fold | _Events = _Fold(apart=bool(one.place)) if one.folded else _Events()
            topic, places = one.log(self._settings.app_id), cut[one.full_name]
            for batch in self._records(topic, places):
                taking.take(batch)
                done += len(batch)
                if progress is not None:
                    progress(min(done, total), total)
            if isinstance(taking, _Fold):
                for batch in self._records(topic, self._since(topic, places)):
                    taking.fill(batch)
            found[one.full_name] = taking.records()
        return found

    def _since(self, topic: str, places: Mapping[int, tuple[int, int]]) -> dict[int, tuple[int, int]]:
        """What was written after the noted ends: Kafka may have compacted away what we did not read in time."""
        ends = {partition: self._watermarks(topic, partition)[1] for partition in places}
        return {partition: (end, ends[partition]) for partition, (_, end) in places.items() if ends[partition] > end}

    def _watermarks(self, topic: str, partition: int) -> tuple[int, int]:
        found: tuple[int, int] = self._consumer.get_watermark_offsets(
            TopicPartition(topic, partition), timeout=CONNECT_SECONDS
        )
        return found

    def _cut(self, wanted: Iterable[Relation]) -> dict[str, dict[int, tuple[int, int]]]:
        """First and end offset of every partition that holds anything, by relation."""
        try:
            known = self._consumer.list_topics(timeout=CONNECT_SECONDS).topics
            return {one.full_name: self._ends(one, known) for one in wanted}
        except KafkaException as error:
            where = self._settings.bootstrap
            raise BrokerError(f"no Kafka answers at {where}: {error.args[0].str()}") from None

    def _ends(self, wanted: Relation, known: Mapping[str, Any]) -> dict[int, tuple[int, int]]:
        name = wanted.log(self._settings.app_id)
        if name not in known:
            self._refuse_hidden(name)
            if wanted.schema == "tables":  # made by the first worker
                return {}
            raise BrokerError(f"{name} is not on {self._settings.bootstrap}; run `d2ev topics apply`")
        ends = {partition: self._watermarks(name, partition) for partition in known[name].partitions}
        return {partition: (low, high) for partition, (low, high) in ends.items() if high > low}

    def _refuse_hidden(self, name: str) -> None:
        """A topic that we may not see is missing from the list of all, as one is that was never made."""
        error = self._consumer.list_topics(name, timeout=CONNECT_SECONDS).topics[name].error
        if error is not None and error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            who = self._settings.kafka_user or "whoever has no login"
            raise BrokerError(f"Kafka at {self._settings.bootstrap} lets {who} not read {name}: `d2ev topics acls`")

    def _records(self, topic: str, places: Mapping[int, tuple[int, int]]) -> Iterable[list[Any]]:
        """Batches of the records before the noted ends."""
        left = {partition: end for partition, (_, end) in places.items()}
        self._consumer.assign([TopicPartition(topic, partition, low) for partition, (low, _) in places.items()])
        heard = monotonic()
        while left:
            batch = []
            for record in self._consumer.consume(_AT_ONCE, timeout=0.2):
                heard, partition = monotonic(), record.partition()
                if record.error() is not None:
                    self._check(record.error())
                    # The last records before the end may be gone by compaction, or be no records at all.
                    left.pop(partition, None)
                    continue
                if record.offset() < places[partition][1]:
                    batch.append(record)
                if record.offset() + 1 >= places[partition][1]:
                    left.pop(partition, None)
            yield batch
            if self._lost or monotonic() - heard > SILENCE_SECONDS:
                raise BrokerError(f"Kafka at {self._settings.bootstrap} no longer answers")
        self._consumer.unassign()

    def _check(self, error: Any) -> None:
        if error.code() not in HARMLESS:
            raise BrokerError(f"Kafka at {self._settings.bootstrap} refused the read: {error.str()}")

    def _on_error(self, error: Any) -> None:
        self._lost = self._lost or error.code() == KafkaError._ALL_BROKERS_DOWN  # noqa: SLF001 - its only name


class _Fold:
    """The newest value of every key, of every partition by itself where these are tables of their own."""

    def __init__(self, *, apart: bool) -> None:
        self._apart = apart
        self._rows: defaultdict[int, dict[bytes, bytes]] = defaultdict(dict)
        self._gone: set[tuple[int, bytes]] = set()

    def take(self, batch: list[Any]) -> None:
        """Some records, in order per key."""
        for record in batch:
            place, key, value = record.partition() if self._apart else 0, record.key(), record.value()
            if value is None:
                self._rows[place].pop(key, None)
                self._gone.add((place, key))
            else:
                self._rows[place][key] = value

    def fill(self, batch: list[Any]) -> None:
        """Later records, of keys alone of which nothing was read: the nearest word to what is no more."""
        for record in batch:
            place, key, value = record.partition() if self._apart else 0, record.key(), record.value()
            if key in self._rows[place] or (place, key) in self._gone:
                continue
            if value is None:
                self._gone.add((place, key))
            else:
                self._rows[place][key] = value

    def records(self) -> Records:
        """What is left."""
        found = Records()
        for partition, rows in self._rows.items():
            found.keys += map(_text, rows)
            found.values += map(_text, rows.values())
            found.partitions += [partition] * len(rows)
        return found


class _Events:
    """Every event once: delivery is at least once, and its id tells."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()
        self._records = Records()

    def take(self, batch: list[Any]) -> None:
        """Some records, in order per partition."""
        found = self._records
        for record in batch:
            value, headers = record.value(), dict(record.headers() or ())
            same = headers.get("ce_id")
            if value is None or same in self._seen:
                continue
            if same is not None:
                self._seen.add(same)
            key = record.key()
            found.keys.append(None if key is None else _text(key))
            found.values.append(_text(value))
            found.times.append(headers.get("ce_time", b"").decode(errors="replace"))
            found.partitions.append(record.partition())
            found.offsets.append(record.offset())

    def records(self) -> Records:
        """All of them."""
        return self._records


def _text(value: bytes) -> str:
    return value.decode(errors="backslashreplace")
