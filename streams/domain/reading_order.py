"""Which of the cars that are due are read now: some are better left alone, the rest share the budget by worth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

from streams.domain import polling
from streams.domain.budget import Budget, Key, Rate
from streams.domain.polling import AT_REST, WORTH_A_WAKE, PollPolicy, Worth
from streams.domain.watched import Watched


class Skip(StrEnum):
    """Why a car that was due is not read."""

    QUOTA = "quota"
    ASLEEP = "asleep"
    RETRY_AFTER = "retry_after"
    NEEDS_CONSENT = "needs_consent"
    STREAMED = "streamed"


class Heard(NamedTuple):
    """The newest reading of a car, asked for or not: when the car took it, and when we got it."""

    car_time: datetime
    received_time: datetime


class Case(NamedTuple):
    """A car, with everything that decides whether and when it is read. `heard`: None, if nothing since a take-over."""

    car: str
    watched: Watched
    heard: Heard | None
    policy: PollPolicy
    zone: ZoneInfo

    def worth(self, now: datetime) -> Worth:
        """What a reading now would be for."""
        return polling.worth(self.watched, now, self.policy, self.zone)

    def next_after(self, at: datetime) -> datetime:
        """When it is read next, after a reading at `at`."""
        return polling.next_poll(self.car, self.watched, at, self.policy, self.zone)


class Wanted(NamedTuple):
    """A car that may be read, and the limits that this counts against. Of equal worth, the longest unheard leads."""

    worth: Worth
    heard_at: datetime
    car: str
    limits: Mapping[Key, Rate]


def left_alone(case: Case, now: datetime) -> tuple[Skip, datetime] | None:
    """Why and until when a car that was due is better not read: it was heard of meanwhile, or is to sleep."""
    policy, heard = case.policy, case.heard
    if heard is not None and (due := case.next_after(min(heard.received_time, now))) > now:
        return Skip.STREAMED, due
    value = case.worth(now)
    if policy.sleeps_after is None or value not in AT_REST:
        return None
    if heard is not None and now < (falls_asleep := heard.car_time + policy.sleeps_after):
        return Skip.ASLEEP, falls_asleep
    return (Skip.ASLEEP, case.next_after(now)) if policy.reads_wake and value not in WORTH_A_WAKE else None


def wakes(case: Case, now: datetime) -> bool:
    """Would a reading wake the car, for all we know?"""
    policy, heard = case.policy, case.heard
    if policy.sleeps_after is None or not policy.reads_wake:
        return False
    return heard is None or now >= heard.car_time + policy.sleeps_after


def by_worth(wanted: Iterable[Wanted], budget: Budget, now: datetime) -> Iterator[tuple[Wanted, timedelta]]:
    """Every car in its turn with how long it waits for the budget; nothing, if it is read now."""
    for one in sorted(wanted, key=lambda one: one[:3]):
        wait = budget.wait(one.limits, now)
        if not wait:
            budget.charge(one.limits, now)
        yield one, wait
