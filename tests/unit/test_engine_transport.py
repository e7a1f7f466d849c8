"""What stores are restored from has no holes: nothing fetched is dropped that nobody fetches again."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer.subscription_state import SubscriptionState
from faust.types import TP
from mode import Service

from agents import bind
from agents.engine.transport import Consumer, ConsumerThread
from agents.settings import Settings

CHANGELOG = TP("d2ev-polls-changelog", 0)
BATCH = [SimpleNamespace(key=b"a", value=b"1", offset=7)]


class Threadless(Consumer):
    """Fetches in no thread of its own."""

    def _new_consumer_thread(self) -> Any:
        return Service()


@pytest.fixture
async def consumer(monkeypatch: pytest.MonkeyPatch) -> Consumer:
    """A consumer that reads one changelog; what a fetch does is each test's own."""
    app = bind.faust_app(Settings(_env_file=None))
    found = Threadless(app.transport, _nothing, _nothing, _nothing)
    found.app.finish_lanes = _nothing
    found.app.begin_lanes = lambda places: None
    monkeypatch.setattr(found, "_is_changelog_tp", lambda tp: tp == CHANGELOG)
    monkeypatch.setattr(found, "_get_active_partitions", lambda: {CHANGELOG})
    monkeypatch.setattr(found, "commit_and_end_transactions", _nothing)
    app.flow_control.resume()
    found.resume_flow()
    return found


async def _nothing(*_: Any, **__: Any) -> None: ...


def waiting(consumer: Consumer) -> list[int]:
    """The offsets of what waits to be put into stores."""
    return [event.message.offset for event in consumer.app.tables.changelog_queue._queue]


async def test_warm_copies_lose_nothing_when_flow_is_resumed_beside_them(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def resumed_meanwhile(*_: Any, **__: Any) -> Any:
        consumer.resume_flow()
        return {CHANGELOG: BATCH}

    monkeypatch.setattr(consumer, "_getmany", resumed_meanwhile)
    await consumer._deliver_next()
    consumer.app.flow_control.resume()
    assert waiting(consumer) == [7]


class Fetched:
    """aiokafka's consumer while a fetch is held open; `meanwhile` happens before it returns."""

    _closed = False

    def __init__(self, meanwhile: Callable[[SubscriptionState], None]) -> None:
        self._subscription = SubscriptionState()
        self._subscription.subscribe({CHANGELOG.topic})
        self._subscription.assign_from_subscribed([CHANGELOG])
        self._fetcher = SimpleNamespace(
            _closed=False, _subscriptions=self._subscription, fetched_records=self._fetched_records
        )
        self._meanwhile = meanwhile
        self.sought: list[tuple[TP, int]] = []

    async def _fetched_records(self, *_: Any, **__: Any) -> Any:
        self._meanwhile(self._subscription)
        return {CHANGELOG: BATCH}

    def seek(self, tp: TP, offset: int) -> None:
        self.sought.append((tp, offset))


@pytest.mark.parametrize(
    ("meanwhile", "records", "sought"),
    [
        (lambda state: None, {CHANGELOG: BATCH}, []),
        (lambda state: state.assign_from_subscribed([CHANGELOG]), {}, [(CHANGELOG, 7)]),
        (lambda state: state.assign_from_subscribed([TP(CHANGELOG.topic, 1)]), {}, []),
        (lambda state: state.unsubscribe(), {}, []),
    ],
    ids=["assigned", "assigned anew", "another's now", "gone"],
)
async def test_what_an_old_fetch_takes_of_a_new_assignment_is_put_back(
    meanwhile: Callable[[SubscriptionState], None], records: Any, sought: list[tuple[TP, int]]
) -> None:
    thread = object.__new__(ConsumerThread)
    thread.consumer = SimpleNamespace(flow_active=True)
    consumer = Fetched(meanwhile)
    assert await thread._fetch_records(consumer, {CHANGELOG}, timeout=1.0) == records
    assert consumer.sought == sought


async def test_what_waits_is_of_the_assignment_that_ends(consumer: Consumer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fetched(*_: Any, **__: Any) -> Any:
        return {CHANGELOG: BATCH}

    monkeypatch.setattr(consumer, "_getmany", fetched)
    await consumer._deliver_next()
    assert waiting(consumer) == [7]
    consumer.stop_flow()
    await consumer.wait_empty()
    assert waiting(consumer) == []


async def test_a_full_queue_holds_up_no_hand_over(consumer: Consumer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fetched(*_: Any, **__: Any) -> Any:
        return {CHANGELOG: BATCH}

    monkeypatch.setattr(consumer, "_getmany", fetched)
    while not consumer.app.tables.changelog_queue.full():
        await consumer._deliver_next()
    stuck = asyncio.create_task(consumer._deliver_next())
    await asyncio.wait([stuck], timeout=0.05)
    assert not stuck.done()
    consumer.stop_flow()
    await asyncio.wait_for(consumer.wait_empty(), 30)
    await stuck
    assert waiting(consumer) == []
