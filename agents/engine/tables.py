"""Faust's tables, ready as soon as the agents are: the stock manager sleeps a second for those that register late."""

from __future__ import annotations

from faust.tables import TableManager as Stock

POLL_SECONDS = 0.01


class TableManager(Stock):
    """Registers the tables once every agent has said what it reads, so that the group is joined once."""

    async def on_start(self) -> None:
        while len(self.app.topics) < len(self.app.agents) and not self.should_stop:
            await self.sleep(POLL_SECONDS)
        if not self.should_stop:
            await self._update_channels()
            await self.recovery.start()
