"""Time enters the log here and nowhere else: a tick per partition and beat; every rule takes `now` from it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Protocol

from agents.engine.log import LogWriter, Outgoing
from streams import serde
from streams.contracts.internal import Tick, TickPhase
from streams.topics import TICK


class Clock(Protocol):
    """What time it is for work that happens outside the log, such as checking that a command has not expired."""

    def now(self) -> datetime:
        """An aware UTC instant."""


class SystemClock:
    """This host's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class LogClock:
    """The newest tick: for demo, tests and replay, where time moves only with the log."""

    def __init__(self) -> None:
        self._now = datetime.fromtimestamp(0, UTC)

    def now(self) -> datetime:
        return self._now

    def seen(self, at: datetime) -> None:
        """A tick was read."""
        self._now = max(self._now, at)


def ticks(at: datetime, phases: Iterable[TickPhase], partitions: Iterable[int]) -> list[Outgoing]:
    """The records that move time to `at` in `partitions`."""
    shared = serde.headers(TICK.name, "clock", at)
    return [
        Outgoing(
            TICK.name,
            partition,
            str(partition).encode(),
            serde.encode(Tick(at=at, phase=phase)),
            (*shared, ("ce_id", f"tick-{phase}-{at.timestamp():.3f}-{partition}".encode())),
        )
        for phase in phases
        for partition in partitions
    ]


class Ticker:
    """Ticks every partition this worker owns, once a period."""

    def __init__(
        self, writer: LogWriter, clock: Clock, owned: Callable[[], Iterable[int]], monotonic: Callable[[], float]
    ) -> None:
        self._writer, self._clock, self._owned, self._monotonic = writer, clock, owned, monotonic
        self._began: float | None = None

    async def run(self, period_seconds: float = 1.0) -> None:
        """Until cancelled. Raises NotDurable."""
        while True:
            self._began = self._monotonic()
            await self._writer.write(ticks(self._clock.now(), TickPhase, self._owned()))
            self._began = None
            await asyncio.sleep(period_seconds)

    def waits_seconds(self) -> float:
        """For how long Kafka has owed us an answer to a tick."""
        return 0.0 if self._began is None else self._monotonic() - self._began
