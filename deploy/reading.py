"""Reading topics beside a running system: no group, no commits, nothing that a worker could notice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from time import monotonic
from types import TracebackType
from typing import Any, NamedTuple, Self

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from agents.kafka import KafkaAccess, for_librdkafka
from deploy.brokers.errors import BrokerError
from deploy.brokers.silence import why_silent
from streams import serde
from streams.topics import BY_NAME, TOPICS, Topic

CONNECT_SECONDS = 5.0
#: A read up to the end of the log that gets nothing for so long has lost its broker.
SILENCE_SECONDS = 20.0
_AT_ONCE = 1000
#: The end of a partition; and that we may not join a group, which we never do.
HARMLESS = (KafkaError._PARTITION_EOF, KafkaError.GROUP_AUTHORIZATION_FAILED)  # noqa: SLF001 - its only name


class Entry(NamedTuple):
    """One record as it lies on the log. `at` is its event time."""

    topic: Topic
    partition: int
    offset: int
    key: str | None
    at: datetime
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


def topic_named(name: str) -> Topic:
    """The declared topic of this full or short name, for example `plug.event`. Raises ValueError listing the names."""
    short = {topic.name.removeprefix("d2ev.").rpartition(".v")[0]: topic for topic in TOPICS}
    found = BY_NAME.get(name) or short.get(name)
    if found is None:
        raise ValueError(f"no topic {name!r}; there are {', '.join(short)}")
    return found


def client(kafka: KafkaAccess, on_error: Callable[[Any], None]) -> Any:
    """What reads Kafka from wherever it is assigned to, without a group. `on_error` hears what goes wrong aside."""
    return Consumer(
        {
            **for_librdkafka(kafka),
            "group.id": "d2ev-reader",  # asked for by the client; nothing joins or commits
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "log_level": 0,  # what goes wrong is said once, by us
            "error_cb": on_error,
        }
    )


class Reader:
    """A reader of one Kafka, as a context manager.

    Raises BrokerError when nothing answers at `bootstrap`, when the broker goes away, or when a topic is missing.
    """

    def __init__(self, kafka: KafkaAccess) -> None:
        self._kafka, self._bootstrap = kafka, kafka.bootstrap
        self._lost = False
        self._consumer = client(kafka, self._on_error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()

    def partitions(self, topic: Topic) -> int:
        """How many partitions the topic has on the cluster."""
        try:
            found = self._consumer.list_topics(timeout=CONNECT_SECONDS).topics.get(topic.name)
        except KafkaException:
            raise BrokerError(why_silent(self._kafka)) from None
        if found is None:
            raise BrokerError(f"{topic.name} is not on {self._bootstrap}; run `d2ev topics apply`")
        return len(found.partitions)

    def follow(self, topic: Topic, *, from_start: bool) -> Iterator[Entry]:
        """Every record of `topic` as it comes, without end; with `from_start`, those already there first."""
        self._assign([(topic, partition) for partition in range(self.partitions(topic))], from_start=from_start)
        while True:
            for record in self._next():
                if record.error() is None:
                    yield _entry(record)

    def read(self, places: Sequence[tuple[Topic, int]]) -> Iterator[Entry]:
        """Every record that is in these partitions now, in order per partition."""
        self._assign(places, from_start=True)
        left = {(topic.name, partition) for topic, partition in places}
        heard = monotonic()
        while left:
            for record in self._next():
                heard = monotonic()
                if record.error() is None:
                    yield _entry(record)
                else:
                    left.discard((record.topic(), record.partition()))
            if monotonic() - heard > SILENCE_SECONDS:
                raise BrokerError(f"Kafka at {self._bootstrap} no longer answers")

    def _assign(self, places: Sequence[tuple[Topic, int]], *, from_start: bool) -> None:
        start = OFFSET_BEGINNING if from_start else OFFSET_END
        self._consumer.assign([TopicPartition(topic.name, partition, start) for topic, partition in places])

    def _next(self) -> list[Any]:
        """Records and ends of partitions."""
        records: list[Any] = self._consumer.consume(_AT_ONCE, timeout=0.2)
        for record in records:
            error = record.error()
            if error is not None and error.code() not in HARMLESS:
                raise BrokerError(f"Kafka at {self._bootstrap} refused the read: {error.str()}")
        if self._lost and not records:
            raise BrokerError(f"Kafka at {self._bootstrap} no longer answers")
        self._lost = False
        return records

    def _on_error(self, error: Any) -> None:
        self._lost = self._lost or error.code() == KafkaError._ALL_BROKERS_DOWN  # noqa: SLF001 - its only name


def _entry(record: Any) -> Entry:
    key, headers = record.key(), record.headers() or ()
    return Entry(
        topic=BY_NAME[record.topic()],
        partition=record.partition(),
        offset=record.offset(),
        key=None if key is None else key.decode(errors="backslashreplace"),
        at=serde.event_time(headers, record.timestamp()[1]),
        value=record.value(),
        headers=tuple(headers),
    )
