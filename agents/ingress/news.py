"""What becomes of one piece of news: rules without a clock, a log or a memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from agents.ingress.directory import Enrolled
from oem_connectors.answers import translated
from oem_connectors.base import Connector
from oem_connectors.errors import Unreadable
from oem_connectors.home import is_home
from oem_connectors.push import Event
from streams.contracts.telemetry import Charge, Plug, Telemetry

#: Makers try again for 26 hours at most. What is older was kept by somebody else.
OLDEST: Final = timedelta(hours=30)
#: Clocks of cars and makers may be ahead of ours by so much.
AHEAD: Final = timedelta(minutes=2)
_SILENT: Final[tuple[object, ...]] = (None, Plug.UNKNOWN, Charge.UNKNOWN)
_ABOUT: Final = frozenset({"car", "oem", "car_time", "oem_time", "received_time"})


class Outcome(StrEnum):
    """What became of an event. Every event has exactly one."""

    TELEMETRY = "telemetry"
    CONSENT_LOST = "consent_lost"
    DUPLICATE = "duplicate"
    UNKNOWN = "unknown_vehicle"
    OLD = "old"
    SILENT = "silent"
    REFUSED = "refused"


class Verdict(NamedTuple):
    """The outcome, with the readings it led to or the reason why it was refused."""

    outcome: Outcome
    readings: tuple[Telemetry, ...] = ()
    cause: str = ""


def judge(connector: Connector, event: Event, cars: Sequence[Enrolled], now: datetime) -> Verdict:
    """What an event tells of `cars`, which are the vehicle it names."""
    if event.consent_lost:
        return Verdict(Outcome.CONSENT_LOST)
    if not cars:
        return Verdict(Outcome.UNKNOWN)
    try:
        readings = tuple(_reading(connector, event, car, now) for car in cars)
    except Unreadable as error:
        return Verdict(Outcome.REFUSED, cause=str(error))
    if _told_at(event, readings[0]) < now - OLDEST:
        return Verdict(Outcome.OLD)
    if _silent(readings[0]):
        return Verdict(Outcome.SILENT)
    return Verdict(Outcome.TELEMETRY, readings)


def _reading(connector: Connector, event: Event, car: Enrolled, now: datetime) -> Telemetry:
    """The event as a reading of a car. Raises Unreadable.

    A reading without a time counts as taken when it came, and news come late and again: so what tells no time at all is
    refused, and the maker's time of the event stands in for one that the car did not tell.
    """
    said = translated(connector.normalise, car.car, event.raw, now, event.kind)
    told = [at for at in (said.car_time, event.at) if at is not None]
    if not told:
        raise Unreadable("the news tells no time")
    if max(told) > now + AHEAD:
        raise Unreadable("the news is of a time to come")
    at_home = said.at_home
    if at_home is None and car.home is not None:
        at_home = is_home(translated(connector.place, event.raw), car.home)
    return said.model_copy(update={"car_time": told[0], "at_home": at_home})


def _told_at(event: Event, reading: Telemetry) -> datetime:
    """When the maker told it; by the car's clock where the maker does not say."""
    at = event.at or reading.car_time
    assert at is not None
    return at


def _silent(reading: Telemetry) -> bool:
    """Whether it says nothing of the car."""
    return all(value in _SILENT for name, value in reading if name not in _ABOUT)
