"""The last gate before an OEM: nobody calls within a Retry-After, and a cloud that fails is left alone, then probed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from time import perf_counter
from typing import TypeVar

from agents.breaker import Breaker
from agents.clock import Clock
from agents.metrics import Metrics
from oem_connectors.errors import OemError, OutcomeUnknown, Throttled, Unavailable

R = TypeVar("R")
#: Stands for all accounts.
ALL = ""
#: Without a word from the OEM a throttled account waits this long, then twice that, and so on to the longest.
WAIT, LONGEST_WAIT = timedelta(seconds=30), timedelta(minutes=10)


class Suspended(Unavailable):
    """Not called: the OEM's cloud has failed, or an answer is awaited. `retry_after` is when to come back."""

    def __init__(self, message: str, retry_after: timedelta) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Gate:
    """Before all calls to one OEM. Made of memory alone: a new worker learns again from its first refusal."""

    def __init__(self, oem: str, clock: Clock, metrics: Metrics) -> None:
        self._oem = oem
        self._clock = clock
        self._metrics = metrics
        self._breaker = Breaker(oem)
        #: Until when nobody calls, by account.
        self._closed_until: dict[str, datetime] = {}
        #: Refusals in a row for which the OEM named no time.
        self._unhelped: Counter[str] = Counter()

    async def call(self, account: str, endpoint: str, make: Callable[[], Awaitable[R]], *, release: bool = False) -> R:
        """`make()`, if the OEM may be called now; a `release` starts a car. Raises OemError."""
        self._admit(account, release=release)
        probe = self._breaker.is_open
        started, outcome = perf_counter(), "dropped"
        try:
            answer = await make()
        except OemError as error:
            outcome = type(error).__name__
            self._note(account, error, probe=probe)
            raise
        else:
            outcome = "ok"
            self._breaker.answered()
            self._unhelped.pop(account, None)
            return answer
        finally:
            if probe:
                self._breaker.leave()
            self._metrics.breaker.labels(self._oem).set(self._breaker.is_open)
            self._metrics.oem_requests.labels(self._oem, endpoint, outcome).observe(perf_counter() - started)

    def _admit(self, account: str, *, release: bool) -> None:
        now = self._clock.now()
        until = max(self._closed_until.get(name, now) for name in (account, ALL))
        if until > now:
            raise Throttled("the OEM asked us to wait", until - now)
        self._closed_until.pop(account, None)
        back_at = self._breaker.enter(now, release=release)
        if back_at is not None:
            raise Suspended("the OEM's cloud is left alone for a while", back_at - now)

    def _note(self, account: str, error: OemError, *, probe: bool) -> None:
        now = self._clock.now()
        match error:
            case Throttled():
                self._breaker.answered()
                name = ALL if error.app else account
                if error.retry_after is None:
                    error.retry_after = self._own_wait(name)
                self._closed_until[name] = max(now + error.retry_after, self._closed_until.get(name, now))
            case Unavailable() | OutcomeUnknown():
                self._breaker.failed(account, now, probe=probe)
            case _:
                self._breaker.answered()

    def _own_wait(self, name: str) -> timedelta:
        self._unhelped[name] += 1
        return min(WAIT * float(2 ** min(self._unhelped[name] - 1, 10)), LONGEST_WAIT)
