"""When to leave a failing cloud alone, and when to ask it, once, whether it is back."""

from __future__ import annotations

from datetime import datetime, timedelta

from streams.domain.ids import spread_seconds

#: Failures in a row that open it: so many over two accounts, or so many of any.
OPENS_AT, OPENS_AT_ALONE = 5, 10
#: The first pause; each probe that fails doubles it, up to the longest. Up to a fifth more, so that workers differ.
PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(minutes=10)
#: Where a release waits, all others leave it the probe for this long.
PRECEDENCE = timedelta(seconds=10)
#: How long a probe that is under way may take; others come back after it.
PROBE_TAKES = timedelta(seconds=30)


class Breaker:
    """Closed, open until an instant, or half-open while one probe is under way."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._failures: list[str] = []
        self._pauses = 0
        self._probe_at: datetime | None = None
        self._probing = False
        self._release_waits = False

    @property
    def is_open(self) -> bool:
        """Whether calls are suspended, but for a probe."""
        return self._probe_at is not None

    def enter(self, now: datetime, *, release: bool) -> datetime | None:
        """When to come back; None: call now. Whoever enters while it is open is the one probe, and must leave."""
        if self._probe_at is None:
            return None
        self._release_waits |= release
        at = self._probe_at if release or not self._release_waits else self._probe_at + PRECEDENCE
        if now < at:
            return at
        if self._probing:
            return now + PROBE_TAKES
        self._probing, self._release_waits = True, False
        return None

    def leave(self) -> None:
        """The probe is over, whatever came of it."""
        self._probing = False

    def answered(self) -> None:
        """The cloud gave an answer of its own, if only a refusal: it is there."""
        self._failures.clear()
        self._pauses, self._probe_at, self._release_waits = 0, None, False

    def failed(self, account: str, now: datetime, *, probe: bool) -> None:
        """A call came to nothing. One that was under way when the breaker opened tells nothing new."""
        if self._probe_at is None:
            self._failures.append(account)
            if len(self._failures) >= (OPENS_AT if len(set(self._failures)) > 1 else OPENS_AT_ALONE):
                self._pause(now)
        elif probe:
            self._pause(now)

    def _pause(self, now: datetime) -> None:
        pause = min(PAUSE * float(2 ** min(self._pauses, 10)), LONGEST_PAUSE)
        jitter = spread_seconds(self._name, now, spread=int(pause.total_seconds() / 5))
        self._probe_at = now + pause + timedelta(seconds=jitter)
        self._pauses += 1
