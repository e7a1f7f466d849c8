"""What makers tell us unasked: deliveries to our address, and records of their streams."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import SecretStr

from oem_connectors.fields import Raw


@dataclass(frozen=True, slots=True)
class Event:
    """News of one car. `raw` is of the connector's kind named `kind`; empty where only consent is told.

    `id` is the maker's, the same when it is delivered again. `consent_lost`: the driver has taken it back. `user` is
    the driver by the id that the maker knows, where told; an event of a whole account names no vehicle.
    """

    id: str
    vehicle: str
    kind: str
    raw: Raw
    at: datetime | None = None
    consent_lost: bool = False
    user: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A request as it came: header names in lower case, the body byte for byte."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """How the maker posts to us. All functions are pure; `events` raises `Unreadable` and nothing else.

    `genuine(delivery, secret)`: signed by the maker, compared in constant time. `greeting(body, secret)` is the answer
    to a request that only asks whether we are there; such a one need not be signed. `events(body)` are its news.
    """

    genuine: Callable[[Delivery, SecretStr], bool]
    events: Callable[[Any], Sequence[Event]]
    greeting: Callable[[Any, SecretStr], Mapping[str, str] | None] = lambda _body, _secret: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A Kafka topic that the maker's own server fills, one record a time. `decode` raises `Unreadable` only."""

    topics: Callable[[str], Sequence[str]]  # prefix set by the operator -> topics
    decode: Callable[[str, Mapping[str, str], bytes], Sequence[Event]]  # topic, headers, value -> news
