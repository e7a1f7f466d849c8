"""Raw records off the log and onto it again, as they are: key, value, headers and time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from time import monotonic
from typing import Any, NamedTuple, Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition

from agents.kafka import for_librdkafka
from agents.settings import Settings
from deploy.brokers.errors import BrokerError
from deploy.reading import HARMLESS

_SILENCE_SECONDS = 30.0
_AT_ONCE = 5000
_QUIET: dict[str, Any] = {"log_level": 0, "error_cb": lambda _: None}


class Raw(NamedTuple):
    """A record as it lies on the log. `value` None is a tombstone."""

    partition: int
    offset: int
    key: bytes
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    at_ms: int


class RawLog:
    """Reads without a group, writes so that all replicas have it. A context manager. Raises BrokerError."""

    def __init__(self, settings: Settings) -> None:
        access = for_librdkafka(settings)
        reads = {
            "group.id": "d2ev-migrate",  # asked for by the client; nothing joins or commits
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 10,
        }
        self._consumer = Consumer({**access, **reads, **_QUIET})
        writes = {"acks": "all", "enable.idempotence": True, "linger.ms": 5, "message.max.bytes": 8 * 1_048_576}
        self._producer = Producer({**access, **writes, **_QUIET})
        self._refused: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._producer.flush(10)
        self._consumer.close()

    def ends(self, topic: str, partitions: Iterable[int]) -> dict[int, int]:
        """The end of each partition."""
        return {p: self._consumer.get_watermark_offsets(TopicPartition(topic, p), 10)[1] for p in partitions}

    def read(self, topic: str, ends: Mapping[int, int], starts: Mapping[int, int] | None = None) -> Iterator[Raw]:
        """Every keyed record of these partitions up to their `ends`, in order per partition."""
        left = {p for p, end in ends.items() if end > (starts or {}).get(p, 0)}
        self._consumer.assign([TopicPartition(topic, p, (starts or {}).get(p, OFFSET_BEGINNING)) for p in left])
        heard = monotonic()
        while left:
            for record in self._consumer.consume(_AT_ONCE, timeout=0.02):
                heard, here = monotonic(), record.partition()
                if record.error() is not None:
                    if _is_end(record.error()):
                        left.discard(here)
                    continue
                if record.offset() < ends[here] and record.key() is not None:
                    yield _raw(record)
                if record.offset() >= ends[here] - 1:
                    left.discard(here)
            if monotonic() - heard > _SILENCE_SECONDS:
                raise BrokerError(f"{topic}: Kafka no longer answers")
        self._consumer.unassign()

    def write(self, topic: str, partition: int, record: Raw) -> None:
        """Hand over one record; `flush` says when all of them are there."""
        self._write(topic, partition, record.key, record.value, list(record.headers), record.at_ms)

    def say(self, topic: str, key: bytes, value: bytes) -> None:
        """Write one record of our own and return when it is there."""
        self._write(topic, 0, key, value, [], 0)
        self.flush()

    def _write(
        self, topic: str, partition: int, key: bytes, value: bytes | None, headers: list[tuple[str, bytes]], at_ms: int
    ) -> None:
        while True:
            try:
                self._producer.produce(
                    topic, value, key, partition, on_delivery=self._told, timestamp=at_ms, headers=headers
                )
            except BufferError:
                self._producer.poll(0.5)
            else:
                self._producer.poll(0)
                return

    def flush(self) -> None:
        """Return when everything written is on all replicas. Raises BrokerError when something is not."""
        left = self._producer.flush(120)
        if left or self._refused:
            raise BrokerError(self._refused or f"{left} records were not taken; run it again")

    def _told(self, error: Any, record: Any) -> None:
        if error is not None:
            self._refused = f"{record.topic()}: {error.str()}"


def _raw(record: Any) -> Raw:
    headers = tuple(record.headers() or ())
    return Raw(record.partition(), record.offset(), record.key(), record.value(), headers, record.timestamp()[1])


def _is_end(error: Any) -> bool:
    """Whether it says that a partition is read to its end. Raises BrokerError where it says that it cannot be read."""
    if error.code() not in HARMLESS:
        raise BrokerError(f"Kafka refused the read: {error.str()}")
    return bool(error.code() == KafkaError._PARTITION_EOF)  # noqa: SLF001 - its only name
