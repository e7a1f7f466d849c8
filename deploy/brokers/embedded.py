"""A Kafka cluster inside this process: the real protocol on loopback, nothing to install, nothing kept.

For the demo and the flow tests. It has no compaction, no topic creation over the wire, no security, and
forgets everything at stop; so it is refused in production. Topics that were not created up front appear on
first use with four partitions. When a member joins or leaves a running group, the group settles for the
session timeout less one second: give clients of this broker a short one, such as 2 s.
"""

import ctypes
import os
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from deploy.brokers.errors import BrokerError
from deploy.brokers.librdkafka import open_library

_PRODUCER = 0
_ERROR_TEXT_BYTES = 512
_BELL_SECONDS = 0.001


class EmbeddedBroker:
    """One in-memory broker on 127.0.0.1, as a context manager that yields itself.

    Args:
        topics: partition count by topic name, created at start.

    Attributes:
        retention_lifted: whether every record is kept until stop; else 5 MiB or 100,000 per partition.

    Raises:
        BrokerError: `D2EV_ENV` is `production`, or the confluent-kafka wheel cannot serve.
    """

    def __init__(self, topics: Mapping[str, int] | None = None) -> None:
        if os.environ.get("D2EV_ENV", "").lower() == "production":
            raise BrokerError(
                "the embedded broker keeps nothing, so D2EV_ENV=production refuses it; give a Kafka address"
            )
        self._topics = dict(topics or {})
        self._library, self.retention_lifted = open_library()
        self._client: int | None = None
        self._cluster: int | None = None

    def start(self) -> str:
        """Start the broker, create the topics and return its address, `127.0.0.1:<port>`."""
        if self._cluster is None:
            self._client = self._new_client()
            self._cluster = self._library.rd_kafka_mock_cluster_new(self._client, 1)
            if not self._cluster:
                self.stop()
                raise BrokerError("the embedded broker could not open a port on 127.0.0.1")
            self._library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 0)
            for name, partitions in self._topics.items():
                self.create_topic(name, partitions)
        return self.bootstrap

    def stop(self) -> None:
        """Stop it and forget every record; harmless when it is not running."""
        if self._cluster:
            self._library.rd_kafka_mock_cluster_destroy(self._cluster)
        if self._client:
            self._library.rd_kafka_destroy(self._client)
        self._cluster = self._client = None

    @property
    def bootstrap(self) -> str:
        """`127.0.0.1:<port>`.

        Raises:
            BrokerError: it is not running.
        """
        address: bytes = self._library.rd_kafka_mock_cluster_bootstraps(self._running())
        return address.decode()

    def create_topic(self, name: str, partitions: int) -> None:
        """Create one topic.

        Raises:
            BrokerError: it is not running, the topic exists, or the name or count is not allowed.
        """
        # Its thread answers before it has cleared the bell: who rings in between is heard a second later.
        time.sleep(_BELL_SECONDS)
        code = self._library.rd_kafka_mock_topic_create(self._running(), name.encode(), partitions, 1)
        if code:
            reason = self._library.rd_kafka_err2str(code).decode()
            raise BrokerError(f"topic {name} with {partitions} partitions was refused: {reason}")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _running(self) -> int:
        if self._cluster is None:
            raise BrokerError("the embedded broker is not running; call start() first")
        return self._cluster

    def _new_client(self) -> int:
        text = ctypes.create_string_buffer(_ERROR_TEXT_BYTES)
        conf = self._library.rd_kafka_conf_new()
        self._library.rd_kafka_conf_set(conf, b"log_level", b"3", text, _ERROR_TEXT_BYTES)  # errors only
        client: int | None = self._library.rd_kafka_new(_PRODUCER, conf, text, _ERROR_TEXT_BYTES)
        if not client:
            raise BrokerError(f"librdkafka refused to start: {text.value.decode(errors='replace')}")
        return client
