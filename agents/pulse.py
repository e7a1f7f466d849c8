"""Notices that this process did not run for a while: by now another worker may own its partitions and their cars."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread
from time import monotonic

BEAT_SECONDS = 0.1


class Overslept(RuntimeError):
    """The process was suspended for longer than its membership of the group lasts."""


class Pulse:
    """A thread of its own, so that a busy event loop is not taken for a suspended process."""

    def __init__(self, limit_seconds: float) -> None:
        self._limit = limit_seconds
        self._at: float | None = None
        self._overslept = False
        self._ended = Event()

    def start(self, tell: Callable[[], object]) -> None:
        """Beat from now on; `tell` is called, from the thread, when the process has overslept."""
        self._at = monotonic()
        Thread(target=self._beat, args=(tell,), name="pulse", daemon=True).start()

    def stop(self) -> None:
        self._ended.set()

    def overslept(self) -> bool:
        """True from the first instruction after a sleep that was too long, whichever thread wakes first; for good."""
        return self._overslept or (self._at is not None and monotonic() - self._at > self._limit)

    def _beat(self, tell: Callable[[], object]) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            if self.overslept():
                self._overslept = True
                tell()
                return
            self._at = monotonic()
