"""Slow calls: in order per account, no more than the width at once, and none left once they are dropped."""

import asyncio

from agents.engine.jobs import Jobs


class Calls:
    """Calls that wait to be let through, and tell what is running and what has run."""

    def __init__(self) -> None:
        self.running: list[str] = []
        self.done: list[str] = []
        self.go = asyncio.Semaphore(0)

    async def call(self, name: str) -> None:
        self.running.append(name)
        try:
            await self.go.acquire()
            self.done.append(name)
        finally:
            self.running.remove(name)


async def turns() -> None:
    """Let every task that can run do so."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_calls_of_an_account_run_one_after_another_beside_those_of_others() -> None:
    calls, errors = Calls(), list[BaseException]()
    jobs = Jobs(8, errors.append)
    for name in ("a1", "a2", "b1"):
        jobs.add(name[0], lambda name=name: calls.call(name))  # type: ignore[misc]
    await turns()
    assert calls.running == ["a1", "b1"]
    calls.go.release()
    await turns()
    assert calls.running == ["b1", "a2"]
    for _ in range(2):
        calls.go.release()
    await turns()
    assert (calls.done, len(jobs), errors) == (["a1", "b1", "a2"], 0, [])


async def test_no_more_than_the_width_run_at_once() -> None:
    calls = Calls()
    jobs = Jobs(2, lambda error: None)
    for name in "abcde":
        jobs.add(name, lambda name=name: calls.call(name))  # type: ignore[misc]
    await turns()
    assert calls.running == ["a", "b"]
    assert len(jobs) == 5
    await jobs.drop()


async def test_dropped_calls_are_gone_when_drop_returns_and_count_as_no_error() -> None:
    calls, errors = Calls(), list[BaseException]()
    jobs = Jobs(2, errors.append)
    for name in ("a1", "a2", "b1", "c1"):
        jobs.add(name[0], lambda name=name: calls.call(name))  # type: ignore[misc]
    await turns()
    await jobs.drop()
    await turns()
    assert (calls.running, calls.done, len(jobs), errors) == ([], [], 0, [])


async def test_a_failed_call_is_reported_and_the_next_of_its_account_still_runs() -> None:
    calls, errors = Calls(), list[BaseException]()
    jobs = Jobs(2, errors.append)

    async def fail() -> None:
        raise RuntimeError("broken")

    jobs.add("a", fail)
    jobs.add("a", lambda: calls.call("a2"))
    await turns()
    assert [str(error) for error in errors] == ["broken"]
    assert calls.running == ["a2"]
    await jobs.drop()
