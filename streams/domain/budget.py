"""How often we may call: token buckets in log time, so that no window of an OEM's quota ever holds more calls."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, NamedTuple

#: The part of a quota that may come all at once; the rest is spread over its period.
_AT_ONCE: Final = 0.25
_NOW: Final = timedelta(0)


#: What a bucket is kept for: a kind of limit, and whose.
Key = tuple[str, str]


class Rate(NamedTuple):
    """A bucket's size, how fast it fills, and the part of it that this kind of call leaves to others."""

    burst: float
    per_second: float
    leaves: float = 0.0


class Bucket(NamedTuple):
    """The calls left at an instant."""

    left: float
    at: datetime


def rate(calls: float, per: timedelta, share: float = 1.0, leaves: float = 0.0) -> Rate:
    """At most `calls` x `share` in any `per`. A share below one call still gets one, so much more rarely."""
    part = calls * share
    burst = max(1.0, part * _AT_ONCE)
    return Rate(burst, (part if part < 1 else part - burst + 1) / per.total_seconds(), leaves)


def opened(flow: Rate, now: datetime) -> Bucket:
    """A new owner's bucket: half full, as the one before may have used the rest."""
    return Bucket(flow.burst / 2, now)


def filled(bucket: Bucket, flow: Rate, now: datetime) -> Bucket:
    """The bucket now. Time that runs back fills nothing."""
    seconds = max(0.0, (now - bucket.at).total_seconds())
    return Bucket(min(flow.burst, bucket.left + seconds * flow.per_second), max(now, bucket.at))


def wait(bucket: Bucket, flow: Rate, now: datetime, ahead: int = 0) -> timedelta:
    """How long until one call is allowed after the `ahead` that wait already; nothing if it is now."""
    needed = min(1 + flow.leaves * flow.burst, flow.burst) + ahead
    missing = needed - filled(bucket, flow, now).left
    return _NOW if missing <= 1e-9 else timedelta(seconds=missing / flow.per_second)


class Budget:
    """The buckets of one partition, by what they are kept for; each is made when it is first asked for."""

    def __init__(self) -> None:
        self._buckets: dict[Key, Bucket] = {}

    def wait(
        self, limits: Mapping[Key, Rate], now: datetime, ahead: Mapping[Key, int] = MappingProxyType({})
    ) -> timedelta:
        """How long until all of `limits` allow a call; nothing if they do now. `ahead`: how many wait already."""
        waits = (wait(self._bucket(key, flow, now), flow, now, ahead.get(key, 0)) for key, flow in limits.items())
        return max(waits, default=_NOW)

    def charge(self, limits: Mapping[Key, Rate], now: datetime) -> None:
        """A call is made."""
        for key, flow in limits.items():
            full = filled(self._bucket(key, flow, now), flow, now)
            self._buckets[key] = full._replace(left=full.left - 1)

    def _bucket(self, key: Key, flow: Rate, now: datetime) -> Bucket:
        found = self._buckets.get(key)
        if found is None:
            found = self._buckets[key] = opened(flow, now)
        return found
