"""A Kafka that takes connections and answers nothing: the worker says that it serves nobody, until Kafka is back."""

import asyncio
from collections.abc import Iterable
from typing import cast

import pytest

from agents.app import build
from agents.clock import SystemClock, Ticker
from agents.engine.log import LogWriter, NotDurable, Outgoing
from agents.settings import load
from agents.worker import SILENCE_SECONDS, Worker


class Kafka:
    """Confirms a write when it is let; `now` is the time that passes meanwhile."""

    def __init__(self) -> None:
        self.now = 100.0
        self.thawed = asyncio.Event()
        self.asked = asyncio.Event()
        self.refuses = False

    async def write(self, _records: Iterable[Outgoing]) -> dict[tuple[str, int], int]:
        self.asked.set()
        await self.thawed.wait()
        if self.refuses:
            raise NotDurable("no answer")
        return {}

    def ticker(self) -> Ticker:
        return Ticker(cast(LogWriter, self), SystemClock(), lambda: [0], lambda: self.now)


async def test_what_kafka_owes_grows_while_it_is_frozen_and_is_paid_with_its_answer() -> None:
    kafka = Kafka()
    ticker = kafka.ticker()
    assert ticker.waits_seconds() == 0
    task = asyncio.create_task(ticker.run(period_seconds=3600))
    await kafka.asked.wait()
    kafka.now += 90
    assert ticker.waits_seconds() == 90
    kafka.thawed.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    kafka.now += 3000
    assert ticker.waits_seconds() == 0, "between two ticks nothing is owed"
    task.cancel()


async def test_a_refused_tick_ends_the_ticker_which_still_waits() -> None:
    kafka = Kafka()
    kafka.refuses = True
    kafka.thawed.set()
    ticker = kafka.ticker()
    with pytest.raises(NotDurable):
        await ticker.run()
    kafka.now += 30
    assert ticker.waits_seconds() == 30


@pytest.fixture
async def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    """One that would serve two partitions."""
    made = build(load())
    monkeypatch.setattr(made, "ready", lambda: True)
    monkeypatch.setattr(made, "owned", lambda: [0, 1])
    return made


@pytest.mark.parametrize(
    ("waited", "ready", "served"),
    [(0.0, True, [0, 1]), (SILENCE_SECONDS, True, [0, 1]), (SILENCE_SECONDS + 1, False, [])],
)
async def test_a_worker_tells_probes_and_prometheus(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, waited: float, ready: bool, served: list[int]
) -> None:
    monkeypatch.setattr(worker._ticker, "waits_seconds", lambda: waited)
    status = worker.status()
    assert (status["ready"], status["partitions"]) == (ready, served)
    assert f"\nd2ev_partitions_assigned {len(served)}.0\n" in worker.metrics.render().decode()
    assert worker.owned() == [0, 1], "what it owns it goes on to own: Kafka may come back"
