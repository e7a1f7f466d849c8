"""What a connector is: frozen data plus a few pure functions, so that a new car maker is one small folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Flag, auto
from typing import Any

from pydantic import SecretStr

from oem_connectors.errors import OemError
from streams.contracts.command import Action
from streams.contracts.telemetry import Telemetry


class Can(Flag):
    """What a car of some model can do through its maker's API."""

    READ = auto()
    START = auto()
    STOP = auto()
    WAKE = auto()
    SCHEDULE = auto()  # it takes a start time of its own and keeps it without us
    LIMIT = auto()  # it reports the charge limit set in the car, and stops there by itself
    STREAM = auto()  # it tells of changes by itself: reading only makes sure


#: The ability that each command needs.
ABILITY: Mapping[Action, Can] = {
    Action.START: Can.START,
    Action.STOP: Can.STOP,
    Action.WAKE: Can.WAKE,
    Action.SCHEDULE: Can.SCHEDULE,
    Action.UNSCHEDULE: Can.SCHEDULE,
}


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP call. `{vehicle}` in the path becomes the maker's id of the car.

    `body` is sent as JSON; a function is given the instant that the car's schedule is set to.
    """

    method: str
    path: str
    body: Mapping[str, Any] | Callable[[datetime], Mapping[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class OAuth2:
    """Where access tokens are renewed, and as whom."""

    token_path: str
    client_id: str


@dataclass(frozen=True, slots=True)
class Grant:
    """What the maker gave us for one account. Neither token shows in a repr."""

    access_token: SecretStr
    refresh_token: SecretStr
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Quota:
    """At most `calls` in any `per`."""

    calls: int
    per: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How often the maker lets us call: `app` for all our accounts together, the others per account. None: no limit."""

    app: Quota | None = None
    reads: Quota | None = None
    commands: Quota | None = None
    wakes: Quota | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often a reading of a car says anything new, and what it costs the car.

    `sleeps_after`: a car that is left alone this long falls asleep; `reads_wake`: a reading wakes it again.
    """

    plugged: timedelta
    idle: timedelta
    sleeps_after: timedelta | None = None
    reads_wake: bool = False


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A car in an account, by the maker's own id."""

    id: str
    model: str


#: (status, body) to the maker's own words: a detail of a success ("already"), an error, or None where the
#: status says it all.
Outcome = Callable[[int, Mapping[str, Any]], str | OemError | None]


def by_status(status: int, body: Mapping[str, Any]) -> str | OemError | None:
    """The outcome of a maker whose status codes need no help."""
    del status, body
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Connector:
    """One car maker.

    `capabilities` answers per model. `normalise(car, raw, received_time)` translates one answer of `read`,
    `vehicles(raw)` one answer of `list_vehicles`. Both raise `Unreadable` and nothing else: an unknown word
    becomes unknown, a missing field null, never a guess.
    """

    name: str
    title: str
    base_url: str
    auth: OAuth2
    capabilities: Callable[[str], Can]
    read: Call
    list_vehicles: Call
    commands: Mapping[Action, Call]
    normalise: Callable[[str, Mapping[str, Any], datetime], Telemetry]
    vehicles: Callable[[Mapping[str, Any]], Sequence[Vehicle]]
    limits: Limits
    pace: Pace
    outcome: Outcome = by_status

    def can(self, model: str, action: Action) -> bool:
        """Whether a car of this model takes this command."""
        return action in self.commands and ABILITY[action] in self.capabilities(model)
