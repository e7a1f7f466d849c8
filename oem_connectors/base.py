"""What a connector is: frozen data plus a few pure functions, so that a new car maker is one small folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from enum import Flag, StrEnum, auto
from typing import Any, NamedTuple, TypeVar

from pydantic import SecretStr

from oem_connectors.consent import Consent
from oem_connectors.errors import OemError, Unreadable
from oem_connectors.fields import Raw, reading
from oem_connectors.push import Hook, Stream
from streams.contracts.command import Action
from streams.contracts.telemetry import Telemetry

Value = TypeVar("Value")


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


class Ask(NamedTuple):
    """What a body is made for: the instant the car's schedule is set to, the home's zone, details of the account."""

    start_at: datetime
    zone: tzinfo
    details: Mapping[str, str]


Body = Mapping[str, Any] | Callable[[Ask], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP call.

    Path, headers and the texts of a body may hold names in braces: `{vehicle}` is the maker's id of the car, `{token}`
    the access token; others come from the account's details (`{user_id}`), then from the app that the operator has
    registered with the maker (`{client_id}`). `body` is sent as JSON; a function is asked for it. `host` is one of the
    connector's; `seconds` is how long the answer may take.
    """

    method: str
    path: str
    body: Body | None = None
    host: str = "api"
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth2:
    """How access tokens are got and renewed.

    `form` is what is posted, its names in braces filled as in a `Call`; `{refresh_token}` is the token in custody.
    `basic`: the app's id and secret travel as HTTP Basic. `shared`: one token serves all accounts and none has a
    refresh token of its own. `json`: the form is sent as JSON. `access` and `rotated` name the fields of the answer
    that hold the new tokens, dotted where they are nested; `lasts` is how long an access token lives unless the answer
    says. `lost` are the maker's words for: the driver has to link again.
    """

    token_path: str
    host: str = "auth"
    form: Mapping[str, str] = field(
        default_factory=lambda: {
            "grant_type": "refresh_token",
            "refresh_token": "{refresh_token}",
            "client_id": "{client_id}",
        }
    )
    basic: bool = False
    shared: bool = False
    json: bool = False
    access: str = "access_token"
    rotated: str = "refresh_token"
    lasts: timedelta = timedelta(hours=1)
    lost: frozenset[str] = frozenset({"invalid_grant"})


#: How an app gets the one token for all its accounts.
CLIENT_CREDENTIALS: Mapping[str, str] = {"grant_type": "client_credentials"}
BEARER: Mapping[str, str] = {"Authorization": "Bearer {token}"}


@dataclass(frozen=True, slots=True)
class Grant:
    """What the maker gave us for one account. Neither token shows in a repr.

    Either may be a `credential`: a token packed with what else calls for this account need.
    """

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


class Obstacle(StrEnum):
    """Why a car of an account cannot be charged by us."""

    COMBUSTION = "combustion"  # it has no battery to charge
    SUBSCRIPTION = "subscription"  # the maker's connected service has ended or was never begun
    CONSENT = "consent"  # the driver has not given what we need
    PAIRING = "pairing"  # the car does not take our commands until the driver pairs a key


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A car in an account, by the maker's own id; `obstacle` where it cannot be charged by us."""

    id: str
    model: str
    obstacle: Obstacle | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """One shape in which the maker tells of a car: an answer, an event of a webhook, a record of a stream.

    `fits` recognises it by its own marks. `fields` gives the fields of a `Telemetry` that it holds, never a guess, and
    raises `Unreadable` and nothing else. Fields that it leaves out are what the car did not say.
    """

    name: str
    fits: Callable[[Raw], bool]
    fields: Callable[[Raw], Mapping[str, Any]]


class Reply(NamedTuple):
    """An answer as its maker's rules see it. `action` is None for readings and tokens; header names are lower case."""

    status: int
    body: Raw
    action: Action | None = None
    headers: Mapping[str, str] = {}


#: A reply to the maker's own words: a detail of a success ("already"), an error, or None where the status says it all.
Outcome = Callable[[Reply], str | OemError | None]


def by_status(reply: Reply) -> str | OemError | None:
    """The outcome of a maker whose status codes need no help."""
    del reply
    return None


def for_all(value: Value) -> Callable[[str], Value]:
    """The same for every model."""
    return lambda _model: value


@dataclass(frozen=True, slots=True, kw_only=True)
class Connector:
    """One car maker.

    `hosts` are its addresses by name; "auth.eu" stands in for "auth" where the account's details say region "eu".
    `capabilities` answers per model, and `by_model` gives calls that some models need instead; None there is the
    reading. `kinds` are the shapes in which it tells of a car; the first is what `read` answers. `vehicles(raw)`
    translates one answer of `list_vehicles`. `place(raw)` is (latitude, longitude) in degrees where an answer has one:
    it is reduced to at home or not before anything leaves. `locate` asks for the place of a plugged car, once a stay,
    where readings have none; `describe` asks about one listed car where the list does not say enough, and its answer
    goes through `vehicles` too. All of them raise `Unreadable` and nothing else.
    """

    name: str
    title: str
    hosts: Mapping[str, str]
    auth: OAuth2
    capabilities: Callable[[str], Can]
    read: Call
    list_vehicles: Call
    commands: Mapping[Action, Call]
    kinds: Sequence[Kind]
    vehicles: Callable[[Raw], Sequence[Vehicle]]
    limits: Limits
    pace: Pace
    headers: Mapping[str, str] = field(default_factory=lambda: BEARER)
    outcome: Outcome = by_status
    by_model: Callable[[str], Mapping[Action | None, Call]] = lambda _model: {}
    locate: Call | None = None
    describe: Call | None = None
    place: Callable[[Raw], tuple[float, float] | None] = lambda _raw: None
    consent: Consent | None = None
    hook: Hook | None = None
    stream: Stream | None = None

    def can(self, model: str, action: Action) -> bool:
        """Whether a car of this model takes this command."""
        return self.call(action, model) is not None and ABILITY[action] in self.capabilities(model)

    def call(self, action: Action | None, model: str) -> Call | None:
        """The call for a command, or for a reading (None), of a car of this model."""
        usual = self.read if action is None else self.commands.get(action)
        return self.by_model(model).get(action, usual)

    def normalise(self, car: str, raw: Raw, received_time: datetime, kind: str | None = None) -> Telemetry:
        """One answer as telemetry; `kind` where it is not what `read` answers. Raises `Unreadable` only."""
        chosen = next((one for one in self.kinds if kind in {None, one.name}), None)
        if chosen is None:
            raise Unreadable(f"{self.name} has no kind {kind!r}; there are {', '.join(one.name for one in self.kinds)}")
        return reading(car=car, oem=self.name, received_time=received_time, **chosen.fields(raw))

    def recognise(self, raw: Raw) -> str | None:
        """The kind of an answer by its marks; None where it is none of them."""
        return next((kind.name for kind in self.kinds if kind.fits(raw)), None)
