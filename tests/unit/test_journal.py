"""Writing in time: confirmed, or the maker comes again; what is given up goes on, within a bound."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from aiokafka.errors import KafkaTimeoutError
from structlog.testing import capture_logs

from agents import journal
from agents.engine.log import NotDurable, Outgoing
from agents.journal import Journal

RECORDS = [Outgoing("t", 0, b"k", b"v")]


@dataclass
class Writer:
    """Confirms when it is let; `lost` loses every record, `late` gives up waiting, `dead` does not even start."""

    lost: bool = False
    late: bool = False
    dead: bool = False
    let: asyncio.Event = field(default_factory=asyncio.Event)
    written: list[Outgoing] = field(default_factory=list)
    did: list[str] = field(default_factory=list)

    async def start(self) -> None:
        self.did.append("start")
        if self.dead:
            raise OSError("nobody there")

    async def stop(self) -> None:
        self.did.append("stop")

    async def write(self, records: Sequence[Outgoing]) -> None:
        if self.lost:
            raise NotDurable("lost")
        if self.late:
            raise NotDurable("late") from KafkaTimeoutError()
        await self.let.wait()
        self.written += records


def ready() -> Writer:
    writer = Writer()
    writer.let.set()
    return writer


def over(*writers: Writer) -> Journal:
    """A journal that makes these writers in turn."""
    left = list(writers)
    return Journal(lambda: left.pop(0))


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "ACK_SECONDS", 0.05)


async def test_it_returns_when_the_records_are_durable_and_starts_one_writer() -> None:
    writer = ready()
    log = over(writer)
    await asyncio.gather(*(log.write(RECORDS) for _ in range(5)))
    await log.stop()
    assert writer.written == RECORDS * 5
    assert writer.did == ["start", "stop"]


async def test_no_records_need_no_writer() -> None:
    await over().write([])


async def test_a_write_that_is_not_confirmed_in_time_is_an_error_and_goes_on() -> None:
    writer = Writer()
    log = over(writer)
    with pytest.raises(NotDurable, match="in time"):
        await log.write(RECORDS)
    assert log.open == 1
    writer.let.set()
    await log.stop()
    assert (writer.written, log.open) == (RECORDS, 0)


async def test_a_writer_that_lost_records_is_replaced() -> None:
    bad, good = Writer(lost=True), ready()
    log = over(bad, good)
    with pytest.raises(NotDurable):
        await log.write(RECORDS)
    await log.write(RECORDS)
    await log.stop()
    assert (bad.did, good.written) == (["start", "stop"], RECORDS)


async def test_a_writer_that_does_not_start_is_replaced() -> None:
    dead, good = Writer(dead=True), ready()
    log = over(dead, good)
    with pytest.raises(NotDurable, match="OSError"):
        await log.write(RECORDS)
    await log.write(RECORDS)
    await log.stop()
    assert (dead.did, good.did) == (["start", "stop"], ["start", "stop"])


async def test_while_kafka_is_silent_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MOST_OPEN", 3)
    writer = Writer()
    log = over(writer)
    ends = await asyncio.gather(*(log.write(RECORDS) for _ in range(3)), return_exceptions=True)
    assert {type(end) for end in ends} == {NotDurable}
    with pytest.raises(NotDurable, match="too many"):
        await log.write(RECORDS)
    writer.let.set()
    await asyncio.sleep(0.01)
    await log.write(RECORDS)
    await log.stop()
    assert writer.written == RECORDS * 4


async def test_a_writer_that_only_waited_too_long_is_kept() -> None:
    writer = Writer(late=True)
    log = over(writer)
    with pytest.raises(NotDurable):
        await log.write(RECORDS)
    writer.late = False
    writer.let.set()
    await log.write(RECORDS)
    await log.stop()
    assert (writer.written, writer.did) == (RECORDS, ["start", "stop"])


async def test_an_outage_is_told_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    log = over(*(Writer(lost=True) for _ in range(3)))
    with capture_logs() as lines:
        for quiet in (60, 60, 0):
            monkeypatch.setattr(journal, "QUIET_SECONDS", quiet)
            with pytest.raises(NotDurable):
                await log.write(RECORDS)
    assert [line["event"] for line in lines] == ["records not written"] * 2


async def test_stopping_does_not_wait_for_ever() -> None:
    writer = Writer()
    log = over(writer)
    with pytest.raises(NotDurable):
        await log.write(RECORDS)
    async with asyncio.timeout(1):
        await log.stop()
    await asyncio.sleep(0)
    assert (log.open, writer.did) == (0, ["start", "stop"])
