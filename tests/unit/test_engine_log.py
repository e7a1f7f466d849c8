"""A write that the broker did not confirm, for whatever reason, is never taken for one that it did."""

import asyncio
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError, NotEnoughReplicasError
from aiokafka.structs import RecordMetadata, TopicPartition

from agents.engine.log import LogWriter, NotDurable, Outgoing
from agents.kafka import KafkaAccess

RECORD = Outgoing("topic", 0, b"key", b"value")


def confirmed(offset: int | None) -> RecordMetadata:
    return RecordMetadata("topic", 0, TopicPartition("topic", 0), offset, 0, 0, 0)


class Producer:
    """Takes batches of one partition and answers each with the next of `answers`."""

    def __init__(self, *answers: RecordMetadata | Exception | None, refuses: bool = False) -> None:
        self._answers = list(answers)
        self._refuses = refuses

    def create_batch(self) -> "Producer":
        return self

    def append(self, **record: Any) -> object:
        return record

    async def send_batch(self, batch: object, topic: str, *, partition: int) -> asyncio.Future[RecordMetadata | None]:
        answer = self._answers.pop(0)
        if self._refuses:
            assert isinstance(answer, Exception)
            raise answer
        future: asyncio.Future[RecordMetadata | None] = asyncio.get_running_loop().create_future()
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)
        return future


def writer(producer: Producer) -> LogWriter:
    made = LogWriter(KafkaAccess(bootstrap="127.0.0.1:1"))
    made._producer = producer
    return made


async def test_a_confirmed_write_says_where_it_ends() -> None:
    assert await writer(Producer(confirmed(6))).write([RECORD, RECORD]) == {("topic", 0): 7}


@pytest.mark.parametrize(
    "producer",
    [
        Producer(NotEnoughReplicasError()),
        Producer(KafkaTimeoutError(), refuses=True),
        Producer(RuntimeError("closed")),
        Producer(None),
        Producer(confirmed(None)),
        Producer(confirmed(-1)),
    ],
    ids=["not enough replicas", "refused at once", "closed", "no answer", "no offset", "offset -1"],
)
async def test_anything_else_is_not_durable(producer: Producer) -> None:
    with pytest.raises(NotDurable):
        await writer(producer).write([RECORD])


async def test_nothing_is_written_before_it_has_started() -> None:
    with pytest.raises(NotDurable):
        await LogWriter(KafkaAccess(bootstrap="127.0.0.1:1")).write([RECORD])
