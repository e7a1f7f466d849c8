"""What a source of prices or carbon is, as data: what to ask, how to read the answer, and how it can end badly.

    FeedError
    ├── NotPublished   nothing to read yet: ask again at the next try of the schedule
    ├── Slow           too many requests: wait `retry_after` (our own back-off where it is None)
    ├── Down           the source cannot serve us now: back off, try again
    ├── Denied         key, account or plan are not accepted: tell the operator, try seldom
    └── Refused        the answer is not what its contract says; the message names the field

Messages are one line and hold no key, account or place. Reading is pure: no network, no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from streams.contracts.forecast import Basis, ForecastKind, Slot


class FeedError(Exception):
    """Root: nothing else leaves the reading of an answer."""


class NotPublished(FeedError):
    """The source has nothing yet for what was asked."""


class Slow(FeedError):
    """Too many requests. `retry_after` is the source's own word, None where it gave none."""

    def __init__(self, message: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Down(FeedError):
    """The source cannot serve us now."""


class Denied(FeedError):
    """Key, account or plan are not accepted."""


class Refused(FeedError):
    """The answer is not what its contract says. The message names the field, never a secret."""


class Request(NamedTuple):
    """One request below the source's host; names in braces ({api_key}) in texts are filled by the sender."""

    path: str
    query: Mapping[str, str] = {}
    method: Literal["GET", "POST"] = "GET"
    headers: Mapping[str, str] = {}
    body: Any = None


class Answer(NamedTuple):
    """What came back, or the bytes of a recorded file."""

    body: bytes
    status: int = 200
    retry_after: timedelta | None = None


class Param(NamedTuple):
    """A setting of a source: what it is, its default (None: must be given), and the words it may be."""

    about: str
    default: str | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Asked:
    """What was asked of a source: its settings, and the time [start, end) in UTC; None is open."""

    params: Mapping[str, str] = field(default_factory=dict)
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True)
class Curve:
    """What an answer holds: sorted, disjoint slots in `unit` (currency per kWh, or gCO2/kWh); gaps are unknown.

    `issued_at` is the source's own word; `final` is False where the source says that values may still change.
    """

    kind: ForecastKind
    unit: str
    slots: tuple[Slot, ...]
    issued_at: datetime | None = None
    basis: Basis | None = None
    final: bool = True
    notes: tuple[str, ...] = ()


class Login(NamedTuple):
    """A first request (Basic credentials) whose answer holds the `{token}` of the others, for a while."""

    request: Request
    token: Callable[[Answer], str]
    lasts: timedelta


def no_page(_body: bytes, _base: str) -> str | None:
    """The answer is whole: there is no further page."""
    return None


def no_request(_asked: Asked) -> tuple[Request, ...]:
    """A recorded file is asked from nobody."""
    return ()


@dataclass(frozen=True)
class Source:
    """One source. `host` is fixed and spoken to by https; it is empty for recorded files.

    `zone` is the one of its delivery days, `resolution` the length of its slots where it is always the same.
    `following(body, base)` is the address of the next page, only ever below `base`; it may raise `Refused`.
    """

    name: str
    title: str
    kind: ForecastKind
    zone: str
    licence: str
    parse: Callable[[Answer, Asked], Curve]
    requests: Callable[[Asked], tuple[Request, ...]] = no_request
    host: str = ""
    resolution: timedelta | None = None
    following: Callable[[bytes, str], str | None] = no_page
    login: Login | None = None
    params: Mapping[str, Param] = field(default_factory=dict)

    def asked(self, params: Mapping[str, str], start: datetime | None = None, end: datetime | None = None) -> Asked:
        """The settings with their defaults; ValueError names the one that is unknown, missing or no known word."""
        if unknown := sorted(set(params) - set(self.params)):
            raise ValueError(f"{self.name} has no setting {unknown[0]}; it has: {', '.join(self.params) or 'none'}")
        chosen = {name: params.get(name, param.default) for name, param in self.params.items()}
        for name, value in chosen.items():
            if value is None:
                raise ValueError(f"{self.name} needs {name}: {self.params[name].about}")
            if self.params[name].choices and value not in self.params[name].choices:
                raise ValueError(f"{name} must be one of {', '.join(self.params[name].choices)}")
        return Asked({name: value for name, value in chosen.items() if value is not None}, start, end)
