"""What a reader beside the system makes of errors: one who may read topics but join no group reads on."""

from typing import Any

import pytest
from confluent_kafka import KafkaError

from agents.kafka import KafkaAccess
from deploy.brokers.errors import BrokerError
from deploy.reading import Reader
from streams.topics import PLUG


class Said:
    """A consumer's record that is an error, as librdkafka hands it out."""

    def __init__(self, code: int, partition: int = -1) -> None:
        self._error, self._partition = KafkaError(code), partition

    def error(self) -> KafkaError:
        return self._error

    def topic(self) -> str | None:
        return PLUG.name if self._partition >= 0 else None

    def partition(self) -> int:
        return self._partition


class Consuming:
    """A consumer that says these, one at a time, and then nothing."""

    def __init__(self, *said: Said) -> None:
        self._said = list(said)

    def consume(self, _count: int, timeout: float) -> list[Said]:
        assert timeout
        return [self._said.pop(0)] if self._said else []

    def assign(self, _places: Any) -> None: ...

    def close(self) -> None: ...


def reads(monkeypatch: pytest.MonkeyPatch, *said: Said) -> list[object]:
    with Reader(KafkaAccess(bootstrap="127.0.0.1:1")) as reader:
        reader._consumer.close()
        monkeypatch.setattr(reader, "_consumer", Consuming(*said))
        return list(reader.read([(PLUG, 0)]))


def test_who_may_join_no_group_still_reads_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    end = Said(KafkaError._PARTITION_EOF, 0)
    assert reads(monkeypatch, Said(KafkaError.GROUP_AUTHORIZATION_FAILED), end) == []


def test_who_may_not_read_the_topic_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BrokerError, match="refused the read"):
        reads(monkeypatch, Said(KafkaError.TOPIC_AUTHORIZATION_FAILED, 0))
