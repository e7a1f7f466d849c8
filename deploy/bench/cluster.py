"""The bench's side of Kafka: topics for one run of the bench, readings in, what was written out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from deploy.bench.telemetry import Reading

FLUSH_SECONDS = 60
READ_SECONDS = 30.0


class Unusable(ValueError):
    """This cluster must not be used for a bench; the message says why and what to do."""


class Cluster:
    """A Kafka that the bench may fill, at `bootstrap`."""

    def __init__(self, bootstrap: str, partitions: int) -> None:
        from confluent_kafka.admin import AdminClient

        self.bootstrap = bootstrap
        self._partitions = partitions
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})
        self._made: list[str] = []

    def create(self, names: Iterable[str]) -> None:
        """Create topics. Raises Unusable when one exists: it may hold somebody's records."""
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import NewTopic

        refused = []
        for name, future in self._admin.create_topics([NewTopic(n, self._partitions, 1) for n in names]).items():
            try:
                future.result(FLUSH_SECONDS)
                self._made.append(name)
            except KafkaException as error:
                refused.append(error.args[0].str().rstrip("."))
        if refused:
            raise Unusable(f"{self.bootstrap}: {refused[0]}; the bench needs a Kafka without D2EV's topics")

    def drop(self, mark: str) -> None:
        """Delete every topic made here, and those with `mark` in their name, which a variant made for itself."""
        theirs = [name for name in self._admin.list_topics(timeout=READ_SECONDS).topics if mark in name]
        doomed = sorted({*self._made, *theirs})
        for future in self._admin.delete_topics(doomed).values() if doomed else ():
            future.result(FLUSH_SECONDS)

    def feed(self, topic: str, readings: Iterable[Reading]) -> None:
        """Write readings, each into its partition."""
        from confluent_kafka import Producer

        producer = Producer(
            {"bootstrap.servers": self.bootstrap, "linger.ms": 50, "enable.idempotence": True, "log_level": 3}
        )
        for reading in readings:
            while True:
                try:
                    producer.produce(topic, reading.value, reading.key, reading.partition)
                    break
                except BufferError:
                    producer.poll(0.1)
        if producer.flush(FLUSH_SECONDS):
            raise RuntimeError(f"{topic}: Kafka did not take every reading")

    def ends(self, topic: str) -> dict[int, int]:
        """The end offset of every partition."""
        from confluent_kafka import TopicPartition

        reader = self._reader()
        try:
            return {
                p: reader.get_watermark_offsets(TopicPartition(topic, p), timeout=READ_SECONDS)[1]
                for p in range(self._partitions)
            }
        finally:
            reader.close()

    def read(self, topic: str, since: dict[int, int]) -> Iterator[tuple[bytes, bytes]]:
        """Key and value of everything in `topic` from the offsets `since`."""
        from confluent_kafka import TopicPartition

        left = sum(self.ends(topic).values()) - sum(since.values())
        reader = self._reader()
        try:
            reader.assign([TopicPartition(topic, p, offset) for p, offset in since.items()])
            while left > 0:
                messages = reader.consume(min(left, 10_000), READ_SECONDS)
                if not messages:
                    raise RuntimeError(f"{topic}: {left} records did not arrive")
                yield from ((m.key(), m.value()) for m in messages)
                left -= len(messages)
        finally:
            reader.close()

    def _reader(self) -> Any:
        from confluent_kafka import Consumer

        return Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": "d2ev-bench-reader",
                "enable.auto.commit": False,
            }
        )
