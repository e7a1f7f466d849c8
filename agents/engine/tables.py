"""Faust's tables, ready as soon as the agents are and restored without holes."""

from __future__ import annotations

import asyncio
from functools import cached_property
from typing import Any

from faust.tables import TableManager as Stock

POLL_SECONDS = 0.01
#: Chunks of changelogs that may wait to be put into stores.
MAX_CHUNKS_WAITING = 4


class Waiting(asyncio.Queue[Any]):
    """Chunks of changelogs on their way into stores."""

    def clear(self) -> None:
        """Forget them. Who waits for room goes on waiting: Faust's queues cancel him."""
        self._queue.clear()  # type: ignore[attr-defined]


class TableManager(Stock):
    """Registers the tables once every agent has said what it reads, so that the group is joined once.

    The stock manager sleeps a second for those that register late.
    """

    @cached_property
    def changelog_queue(self) -> Waiting:
        """What stores are restored from. The stock queue forgets what is in it whenever flow is resumed."""
        return Waiting(MAX_CHUNKS_WAITING)

    async def on_start(self) -> None:
        while len(self.app.topics) < len(self.app.agents) and not self.should_stop:
            await self.sleep(POLL_SECONDS)
        if not self.should_stop:
            await self._update_channels()
            await self.recovery.start()
