"""Linking from a terminal: the same door, served on loopback for one account."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from agents.linking import process
from agents.linking.begun import PATIENCE
from agents.linking.invitation import Offer
from agents.linking.process import Linking
from agents.settings import Settings
from oem_connectors.errors import NeedsConsent, OemError, Rejected
from oem_connectors.registry import load
from streams.topics import REGISTRATION
from tests.consenting import INVITED
from tests.deliveries import FakeLog
from tests.linking_side import agreed, maker


class Terminal:
    """A terminal and the browser beside it."""

    def __init__(self, urls: Any) -> None:
        self.linking = Linking(Settings(oem_urls=urls, partitions=1), load())
        self.log = FakeLog()
        self.linking._journal = self.log  # type: ignore[assignment]
        self.said: asyncio.Queue[str] = asyncio.Queue()
        self.task: asyncio.Task[list[Offer]] = asyncio.create_task(
            self.linking.one("simulator", INVITED, 0, self.said.put_nowait, str)
        )

    async def start(self) -> str:
        """The address that the driver is told."""
        return (await asyncio.wait_for(self.said.get(), 5)).removeprefix("open ")


@pytest.fixture
async def terminal() -> AsyncIterator[Terminal]:
    async with maker("simulator") as (_, urls):
        made = Terminal(urls)
        yield made
        made.task.cancel()
        await asyncio.wait({made.task})
        await made.linking._makers.close()


async def walked(start: str, answer: str = "allow") -> httpx.Response:
    """The browser's way."""
    async with httpx.AsyncClient() as browser:
        begun = await browser.get(start)
        query = await agreed(begun.headers["Location"], "one", answer)
        return await browser.get(start.removesuffix("/start"), params=query)


async def test_the_driver_opens_an_address_and_the_terminal_has_the_cars(terminal: Terminal) -> None:
    start = await terminal.start()
    page = await walked(start)
    offers = await terminal.task
    assert (page.status_code, page.text.count("linked")) == (200, 2)
    assert [one.car.partition(".")[0] for one in offers] == [INVITED.account] * 2
    assert [one.topic for one in terminal.log.written] == [REGISTRATION.name] * 2
    with pytest.raises(httpx.ConnectError):
        await walked(start)


async def test_a_driver_who_refuses_ends_it_with_the_reason(terminal: Terminal) -> None:
    page = await walked(await terminal.start(), "deny")
    assert page.status_code == 400
    with pytest.raises(NeedsConsent, match="did not agree"):
        await terminal.task


async def test_a_stranger_at_the_port_does_not_end_it(terminal: Terminal) -> None:
    start = await terminal.start()
    async with httpx.AsyncClient() as stranger:
        assert (await stranger.get(start.removesuffix("/start"), params={"error": "access_denied"})).status_code == 400
        assert (await stranger.get(start.replace("simulator", "nobody"))).status_code == 502
    assert (await walked(start)).status_code == 200
    assert await terminal.task


async def test_nobody_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "PATIENCE", PATIENCE / 6000)
    alone = Terminal({})
    with pytest.raises(Rejected, match="within ten minutes"):
        await alone.task
    await alone.linking._makers.close()


async def test_while_kafka_is_down_the_terminal_is_told(terminal: Terminal) -> None:
    terminal.log.down = True
    page = await walked(await terminal.start())
    assert page.status_code >= 400
    with pytest.raises(OemError, match="could not be written down"):
        await terminal.task
