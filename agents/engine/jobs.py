"""Slow calls beside a partition: bounded, one at a time per account, dropped when the partition leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class Jobs:
    """Tasks of one lane. `width` run at once; those with the same `serial` run in the order they were added."""

    def __init__(self, width: int, on_error: Callable[[BaseException], None]) -> None:
        self._slots = asyncio.Semaphore(width)
        self._tails: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._on_error = on_error

    def __len__(self) -> int:
        return len(self._tasks)

    def add(self, serial: str, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run `make()` after the jobs already added for `serial`."""
        task = asyncio.get_running_loop().create_task(self._run(self._tails.get(serial), make))
        self._tails[serial] = task
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._finished(serial, done))

    async def _run(self, before: asyncio.Task[None] | None, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if before is not None:
            await asyncio.wait([before])
        async with self._slots:
            await make()

    def _finished(self, serial: str, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._tails.get(serial) is task:
            del self._tails[serial]
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_error(error)

    async def drop(self) -> None:
        """Cancel everything and wait until nothing runs. What was under way is resolved by the next owner."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
