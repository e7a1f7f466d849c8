"""Whether this process slept through its membership: its partitions then have other owners, though it has not heard."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

#: Beats come twice a second, and a heartbeat may have left just after the last one.
GRACE_SECONDS = 1.0


class Pulse:
    """Beats beside the heartbeats of the group, in the same thread, so that both stop together.

    An epoch in which it stood still for longer than the session lasts is over: only a new assignment begins another.
    """

    def __init__(self, session_seconds: float, clock: Callable[[], float] = monotonic) -> None:
        self._lasts = session_seconds + GRACE_SECONDS
        self._clock = clock
        self._epoch = -1
        self._beat_at = clock()
        self._lapsed_epoch: int | None = None
        self._lapsed_at = 0.0

    def beat(self, epoch: int) -> None:
        """Still here; `epoch` is the assignment now in force."""
        now = self._clock()
        if now - self._beat_at > self._lasts:
            self._lapsed_epoch, self._lapsed_at = self._epoch, now
        self._epoch, self._beat_at = epoch, now

    def alive(self, epoch: int) -> bool:
        """Whether the partitions of `epoch` can still be ours."""
        return epoch != self._lapsed_epoch and self._clock() - self._beat_at <= self._lasts

    def abandoned(self) -> bool:
        """The session lapsed and no new assignment came of it for as long again: nobody will."""
        return self._epoch == self._lapsed_epoch and self._clock() - self._lapsed_at > self._lasts
