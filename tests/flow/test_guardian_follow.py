"""The guardian's reading of the log: all of it or none of it, and a broker that goes away is noticed, not obeyed."""

import asyncio
from collections.abc import Callable
from math import inf

import pytest
from aiokafka.errors import KafkaError

from agents import follow
from agents.engine.log import LogWriter, Outgoing
from agents.guardian.follow import Follower
from agents.guardian.known import Known
from agents.said import Said
from agents.settings import Settings, load
from deploy.brokers.embedded import EmbeddedBroker
from streams.topics import HELD
from tables import ACCOUNTS, KEYS
from tests.guarded import HOUR, NOW, account, freed, held, held_car

PLAIN = load({}, env="demo", partitions=1)
NAMES = {HELD.name: HELD.name} | {table.name: table.changelog(PLAIN.app_id) for table in (ACCOUNTS, KEYS)}


async def write(settings: Settings, *records: Said) -> None:
    writer = LogWriter(settings)
    await writer.start()
    await writer.write(Outgoing(NAMES[one.source], 0, one.key.encode(), one.value) for one in records)
    await writer.stop()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - the follower tells nobody
            await asyncio.sleep(0.05)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "ANSWER_SECONDS", 1.0)
    monkeypatch.setattr(follow, "FRESH_SECONDS", 1.5)
    monkeypatch.setattr(follow, "PATIENCE_SECONDS", 1.0)


@pytest.mark.usefixtures("impatient")
async def test_it_follows_and_notices_when_the_broker_is_gone() -> None:
    with EmbeddedBroker(dict.fromkeys(NAMES.values(), 1)) as broker:
        settings = PLAIN.model_copy(update={"bootstrap": broker.bootstrap})
        sealer = settings.sealer()
        await write(settings, held(held_car("a.b")), held(held_car("c.d")), *account("a", "at", sealer))
        follower = Follower(settings, Known())
        assert follower.behind_seconds == inf
        following = asyncio.create_task(follower.run())
        await until(lambda: follower.read_up)
        assert follower.behind_seconds < inf
        assert follower.known.cars.keys() == {"a.b", "c.d"}
        assert follower.known.way(follower.known.cars["a.b"], NOW) is not None
        await write(settings, held(held_car("a.b", NOW + HOUR)), freed("c.d"))
        await until(lambda: follower.known.cars.keys() == {"a.b"})
        assert follower.known.cars["a.b"].lease_until == NOW + HOUR
        assert not follower.kafka_gone
    await until(lambda: follower.kafka_gone and not follower.read_up)
    assert follow.FRESH_SECONDS < follower.behind_seconds < inf
    assert not following.done(), "it looks for the broker for ever"
    assert follower.known.cars.keys() == {"a.b"}
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following


async def test_half_a_log_is_not_taken_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """An old lease and its renewal lie in one log: whoever acted in between would start a car that is looked after."""
    seen: list[int] = []
    hear = Known.hear

    def counted(known: Known, records: list[Said]) -> None:
        seen.append(len(list(records)))
        hear(known, records)

    monkeypatch.setattr(Known, "hear", counted)
    monkeypatch.setattr(follow, "_AT_ONCE", 1)
    with EmbeddedBroker(dict.fromkeys(NAMES.values(), 1)) as broker:
        settings = PLAIN.model_copy(update={"bootstrap": broker.bootstrap})
        await write(settings, *(held(held_car("a.b", NOW + number * HOUR)) for number in range(20)))
        await Follower(settings, Known()).read()
    assert seen == [20]


async def test_no_broker_is_an_error_and_no_cancellation() -> None:
    with pytest.raises((OSError, TimeoutError, KafkaError)):
        await Follower(PLAIN.model_copy(update={"bootstrap": "127.0.0.1:1"}), Known()).read()


def test_each_record_is_heard_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[Said]] = []
    monkeypatch.setattr(Known, "hear", lambda _known, records: seen.append(list(records)))
    follower, one, other = Follower(PLAIN, Known()), held(held_car("a.b")), freed("a.b")
    follower.began()
    follower.took([one])
    follower.began()
    follower.took([one])
    follower.took([other])
    follower.reached()
    follower.reached()
    assert seen == [[one, other], []]
