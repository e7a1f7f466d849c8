"""How often: token buckets per driver and per address, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from math import ceil
from typing import NamedTuple


class Pace(NamedTuple):
    """So many at once, and so many a minute in the long run."""

    at_once: int
    per_minute: float


class Limits:
    """Buckets by name. Those not used for longest are forgotten first, which is to be full again."""

    def __init__(self, pace: Pace, most: int = 100_000) -> None:
        self._pace, self._most = pace, most
        self._buckets: OrderedDict[str, tuple[float, datetime]] = OrderedDict()

    def take(self, name: str, now: datetime) -> timedelta | None:
        """None when it may go on; else how long to wait for the next time."""
        left, since = self._buckets.pop(name, (float(self._pace.at_once), now))
        passed = max(timedelta(), now - since) / timedelta(minutes=1)
        left = min(float(self._pace.at_once), left + passed * self._pace.per_minute)
        allowed = left >= 1
        self._buckets[name] = (left - 1 if allowed else left), max(now, since)
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return None if allowed else timedelta(minutes=(1 - left) / self._pace.per_minute)


def retry_after(wait: timedelta) -> str:
    """Whole seconds for the Retry-After header, at least one."""
    return str(max(1, ceil(wait.total_seconds())))
