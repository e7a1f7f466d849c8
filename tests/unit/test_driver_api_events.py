"""Live updates: all cars first, then what changed, once; and an end instead of a silence that would lie."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agents.driver_api import events
from agents.driver_api.api import Api
from agents.driver_api.errors import Refusal
from agents.driver_api.events import STREAMS_PER_DRIVER
from agents.driver_api.metrics import ApiMetrics
from agents.driver_api.read_model import ReadModel
from agents.said import Said
from streams.contracts.notification import NotificationKind
from streams.topics import REGISTRATION
from tests.browser.made_up_driver import HOUR, MadeUpDriver

CAR, SOON = "a1.v1", 30.0


@pytest.fixture
def anna() -> MadeUpDriver:
    made = MadeUpDriver()
    made.car(CAR)
    made.car("a1.v2", model="Zoe")
    return made


def an_api(anna: MadeUpDriver) -> Api:
    return cast(Api, SimpleNamespace(read=anna.read, metrics=ApiMetrics()))


@asynccontextmanager
async def following(anna: MadeUpDriver, last: str = "") -> AsyncIterator[Any]:
    """Pieces of a stream, one at a time."""
    stream = events._stream(an_api(anna), "anna", last)

    async def piece() -> str:
        return (await asyncio.wait_for(anext(stream), SOON)).decode()

    assert await piece() == "retry: 2000\n\n"
    try:
        yield piece
    finally:
        await stream.aclose()  # type: ignore[attr-defined]
        assert anna.read.watchers == 0


async def last_id(anna: MadeUpDriver) -> str:
    async with following(anna) as piece:
        return str(await piece()).split("id: ")[1].split("\n")[0]


async def test_every_car_comes_first_then_what_changed_once(anna: MadeUpDriver) -> None:
    async with following(anna) as piece:
        assert [f'"car":"{car}"' in await piece() for car in (CAR, "a1.v2")] == [True, True]
        waiting = asyncio.ensure_future(piece())
        await asyncio.sleep(0)
        for soc in (51, 52, 53):
            anna.car(CAR, soc=soc)
        told = await waiting
        assert told.startswith("event: car\n")
        assert '"soc_pct":53' in told
        anna.car(CAR, soc=53)
        anna.told(NotificationKind.PLUGGED_IN, HOUR, CAR)
        assert (await piece()).startswith("event: message\n"), "what looks as before is not sent again"


async def test_who_knows_all_is_told_nothing_and_who_missed_something_all(anna: MadeUpDriver) -> None:
    known = await last_id(anna)
    async with following(anna, known) as piece:
        asyncio.get_running_loop().call_soon(anna.told, NotificationKind.DONE, HOUR, CAR)
        assert (await piece()).startswith("event: message\n")
    anna.car(CAR, soc=12)
    async with following(anna, known) as piece:
        assert (await piece()).startswith("event: car\n")


async def test_a_car_that_went_is_told_and_its_messages_are_not(anna: MadeUpDriver) -> None:
    async with following(anna) as piece:
        await piece(), await piece()
        anna.told(NotificationKind.DONE, HOUR, CAR)
        anna.read.heard_ourselves([Said(REGISTRATION.name, CAR, None)])
        told = await piece()
        assert (told.startswith("event: gone\n"), f"data: {CAR}\n\n" in told) == (True, True)
        anna.told(NotificationKind.DONE, HOUR / 2, "a1.v2")
        assert '"car":"a1.v2"' in await piece()


async def test_silence_is_said_to_be_silence(anna: MadeUpDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.01)
    async with following(anna) as piece:
        await piece(), await piece()
        assert await piece() == ": still here\n\n"


async def test_a_stream_ends_with_kafka_and_with_its_hour(anna: MadeUpDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    for where, name, value in ((ReadModel, "kafka_gone", True), (events, "STREAM_SECONDS", 0)):
        with monkeypatch.context() as patched:
            patched.setattr(where, name, value)
            pieces = [one async for one in events._stream(an_api(anna), "anna", "")]
        assert len(pieces) == 3, "the cars, and the end"


async def test_too_many_streams_and_a_log_that_is_gone_are_refused(
    anna: MadeUpDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    request: Any = SimpleNamespace(scope={})
    with monkeypatch.context() as patched:
        patched.setattr(ReadModel, "kafka_gone", True)
        with pytest.raises(Refusal) as gone:
            await events.events(request, "anna", an_api(anna))
    watching = [anna.read.watching("anna") for _ in range(STREAMS_PER_DRIVER)]
    for one in watching:
        one.__enter__()
    with pytest.raises(Refusal) as many:
        await events.events(request, "anna", an_api(anna))
    assert (gone.value.status, many.value.status) == (503, 429)
    await events.events(request, "ben", an_api(anna))
    for one in watching:
        one.__exit__(None, None, None)
    await events.events(request, "anna", an_api(anna))
