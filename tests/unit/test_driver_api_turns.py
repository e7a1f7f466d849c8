"""Many who look at their cars are told in turns: who asks meanwhile does not wait for all of them."""

import asyncio

from agents.driver_api.read_model import ReadModel
from agents.driver_api.views import MessageView
from agents.settings import Settings

LOOKING = 200
SOON = 5.0


async def test_between_two_who_are_told_whoever_asks_has_a_turn() -> None:
    read, told = ReadModel(Settings()), 0

    async def look(driver: str) -> None:
        nonlocal told
        with read.watching(driver) as watcher:
            watcher.tell({driver})
            assert await watcher.news(SOON) == ({driver}, [])
            told += 1

    looking = [asyncio.create_task(look(f"driver-{number}")) for number in range(LOOKING)]
    most = 0
    while told < LOOKING:
        before = told
        await asyncio.sleep(0)
        assert not any(task.done() and task.exception() for task in looking)
        most = max(most, told - before)
    assert most == 1


async def test_what_changes_while_one_waits_for_a_turn_comes_with_it_and_once() -> None:
    read = ReadModel(Settings())
    with read.watching("anna") as watcher:
        watcher.tell({"one"})
        news = asyncio.create_task(watcher.news(SOON))
        await asyncio.sleep(0)
        watcher.tell({"one", "two"})
        assert await news == ({"one", "two"}, [])
        assert await watcher.news(0.01) == (set[str](), list[MessageView]())
    assert read.watchers == 0


async def test_one_who_leaves_while_waiting_holds_up_nobody() -> None:
    read = ReadModel(Settings())
    with read.watching("anna") as anna, read.watching("ben") as ben:
        anna.tell({"a"})
        ben.tell({"b"})
        leaving, staying = asyncio.create_task(anna.news(SOON)), asyncio.create_task(ben.news(SOON))
        await asyncio.sleep(0)
        leaving.cancel()
        assert await asyncio.wait_for(staying, SOON) == ({"b"}, [])
