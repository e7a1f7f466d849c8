"""Whom to start now, in which order, and what an answer means for the next try. Pure: `now` is an argument.

A release is over when a reading shows that the car charges, or that it is unplugged or elsewhere; an accepted start
is not the end of it. Until then the car is asked again, ever more slowly, for no car may stay held.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple

from agents.guardian.known import Known
from streams.contracts.base import Instant
from streams.contracts.held import HeldCar
from streams.contracts.telemetry import Charge, Plug, Telemetry
from streams.domain.ids import stable_id
from tables.rows import Row

#: How long a car may take to show what a start did.
SETTLES: Final = timedelta(minutes=5)
#: The pause after the first try without success; doubles with each, up to the longest.
PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(minutes=10)
#: After so many tries a car counts as failed. It is asked on all the same.
MANY_TRIES: Final = 5
#: A lease that lapsed longer ago says little of the car's present: it is read before it is started.
STALE: Final = timedelta(hours=2)
#: A living control lets a car go at the very end of its lease: it goes first.
GRACE: Final = timedelta(minutes=1)
_CHARGES: Final = frozenset({Charge.CHARGING, Charge.STARTING, Charge.COMPLETE})


class Step(StrEnum):
    """What a car is asked."""

    LOOK = "look"
    WAKE = "wake"
    START = "start"


class Outcome(StrEnum):
    """What came of one call about one car."""

    STARTED = "started"  # the maker accepts; what the car does is seen later
    ASLEEP = "asleep"
    WOKEN = "woken"  # the maker accepts to wake it
    REFUSED = "refused"  # the maker understood and refuses
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    UNKNOWN = "unknown"  # sent, and its fate is unknown
    LOCKED = "locked"  # the token does not open, or is not accepted
    UNSUPPORTED = "unsupported"  # no connector, or the car has no start
    RESTS = "rests"  # a reading shows it plugged in and not charging
    CHARGING = "charging"  # a reading shows it charging, or full
    GONE = "gone"  # a reading shows it unplugged or away from home


#: Nothing more to do.
_SETTLED: Final = frozenset({Outcome.CHARGING, Outcome.UNSUPPORTED})
#: They are no tries: nothing was asked of the car.
_NO_TRY: Final = _SETTLED | {Outcome.GONE, Outcome.ASLEEP, Outcome.RESTS, Outcome.THROTTLED, Outcome.LOCKED}
#: One reading may err: a car counts as gone after so many in a row.
_SURELY_GONE: Final = 2


class Answer(NamedTuple):
    """An outcome, and how long the maker asked us to wait."""

    outcome: Outcome
    retry_after: timedelta | None = None


class Progress(Row):
    """How far the release of a car has come. It is about one lease: a renewed one begins anew."""

    lease_until: Instant
    tries: int = 0
    #: What to ask next, where that is known.
    step: Step | None = None
    not_before: Instant | None = None
    last: Outcome | None = None
    #: When a start first went out.
    asked_at: Instant | None = None
    #: Readings in a row that show the car gone.
    gone: int = 0
    #: The sealed token that was not accepted.
    locked_by: str | None = None

    @property
    def settled(self) -> bool:
        return self.last in _SETTLED or self.gone >= _SURELY_GONE


def progress_of(car: HeldCar, progress: Mapping[str, Progress], now: datetime) -> Progress:
    """How far we are with the car's present lease."""
    known = progress.get(car.car)
    if known is not None and known.lease_until == car.lease_until:
        return known
    return Progress(lease_until=car.lease_until, step=Step.LOOK if now - car.lease_until > STALE else None)


def step_of(car: HeldCar, tried: Progress, now: datetime, sleeps_after: timedelta | None) -> Step:
    """What to ask next. A car that was stopped long enough ago to sleep is woken first: a start would be in vain."""
    if tried.step is not None:
        return tried.step
    asleep = sleeps_after is not None and now - car.since >= sleeps_after
    return Step.WAKE if asleep else Step.START


def lapsed(known: Known, now: datetime) -> list[HeldCar]:
    """The cars that control no longer vouches for."""
    return [car for car in known.cars.values() if lapses_at(car) <= now]


def lapses_at(car: HeldCar) -> datetime:
    """From when on the car is ours to start."""
    return car.lease_until + GRACE


def due(known: Known, cars: list[HeldCar], progress: Mapping[str, Progress], now: datetime) -> list[HeldCar]:
    """Those of `cars` to be asked now, the least slack first; behind them those that many tries did not start."""
    tries = ((progress_of(car, progress, now), car) for car in cars)
    found = [(tried, car) for tried, car in tries if ready(known, car, tried, now)]
    found.sort(key=lambda pair: (pair[0].tries >= MANY_TRIES, pair[1].last_safe_start, pair[1].car))
    return [car for _, car in found]


def ready(known: Known, car: HeldCar, tried: Progress, now: datetime) -> bool:
    """Whether this is the time to ask the car, and its account can be opened."""
    if tried.settled or (tried.not_before is not None and tried.not_before > now):
        return False
    way = known.way(car, now)
    return way is not None and way.access.sealed != tried.locked_by


def after(tried: Progress, step: Step, answer: Answer, now: datetime, token: str) -> Progress:
    """The progress once `step` has its answer. `token` is the sealed token that was used."""
    pause = min(PAUSE * 2 ** min(tried.tries, 10), LONGEST_PAUSE)
    fresh: dict[str, Any] = {"step": step, "last": answer.outcome, "gone": 0}
    counted = {"tries": tried.tries + (answer.outcome not in _NO_TRY)}
    return tried.model_copy(update={**fresh, **counted, **_next(tried, step, answer, now, pause, token)})


def _next(tried: Progress, step: Step, answer: Answer, now: datetime, pause: timedelta, token: str) -> dict[str, Any]:
    """What to ask next, and not before when."""
    update: dict[str, Any] = {"step": Step.START, "not_before": now + pause}
    match answer.outcome:
        case Outcome.CHARGING | Outcome.UNSUPPORTED:
            update = {}
        case Outcome.LOCKED:
            update = {"locked_by": token}
        case Outcome.GONE:
            update = {"gone": tried.gone + 1, "not_before": now + PAUSE}
        case Outcome.ASLEEP:
            update = {"step": Step.WAKE, "not_before": now}
        case Outcome.RESTS if tried.last is not Outcome.REFUSED:  # refused just now, it would be again
            update = {"step": Step.START, "not_before": now}
        case Outcome.REFUSED if step is not Step.LOOK:
            update = {"step": Step.LOOK, "not_before": now}
        case Outcome.THROTTLED | Outcome.UNAVAILABLE:
            update = {"not_before": now + (answer.retry_after or pause)}
        case Outcome.STARTED | Outcome.UNKNOWN if step is Step.START:
            settled_by = now + max(SETTLES, pause)
            update = {"step": Step.LOOK, "not_before": settled_by, "asked_at": tried.asked_at or now}
    return update


def seen(reading: Telemetry, car: HeldCar, tried: Progress) -> Outcome:
    """What a reading says of the release. A sample from before it does not prove that the car charges."""
    if reading.plug is Plug.UNPLUGGED or reading.at_home is False:
        return Outcome.GONE
    fresh = reading.car_time is not None and reading.car_time > (tried.asked_at or car.lease_until)
    return Outcome.CHARGING if fresh and reading.charge in _CHARGES else Outcome.RESTS


def release_id(car: HeldCar, tries: int) -> str:
    """The id under which a start is sent: the same from any guardian; another one only after a try that failed."""
    return stable_id("release", car.car, car.session_id, car.since, tries)
