"""Webhook deliveries: an array of events, signed with the secret that the operator chose for the webhook."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

from pydantic import SecretStr

from oem_connectors.errors import Unreadable
from oem_connectors.fields import Raw, instant, text
from oem_connectors.push import Delivery, Event
from oem_connectors.signatures import signed

NEWS = frozenset({"user:vehicle:discovered", "user:vehicle:updated"})
UNLINKED = "user:vehicle:deleted"
LOST = "user:credentials:invalidated"
_SCHEME = "sha1="


def genuine(delivery: Delivery, secret: SecretStr) -> bool:
    """`x-enode-signature` is sha1= and the HMAC-SHA1 of the body."""
    given = delivery.headers.get("x-enode-signature", "")
    return given.startswith(_SCHEME) and signed(secret, delivery.body, given.removeprefix(_SCHEME), "sha1")


def events(body: Any) -> Sequence[Event]:
    """News of cars and of accounts. Heartbeats, tests, and events of other kinds of devices are no news."""
    if not isinstance(body, list) or not all(isinstance(one, Mapping) for one in body):
        raise Unreadable("a delivery must be a list of events")
    return tuple(event for one in body for event in _events(one))


def _events(one: Raw) -> Iterator[Event]:
    name = text(one, "event")
    if name not in {*NEWS, UNLINKED, LOST}:
        return
    vehicle, user = text(one, "vehicle", "id") or "", text(one, "user", "id") or ""
    if not (user if name == LOST else vehicle):
        raise Unreadable(f"{name} must name whom it is about")
    told, lost = (one["vehicle"], False) if name in NEWS else ({}, True)
    yield Event(_identity(one), vehicle, "state", told, instant(one, "createdAt"), consent_lost=lost, user=user)


def _identity(one: Raw) -> str:
    """Events have no id of their own: equal contents are the same event, delivered again."""
    return sha256(json.dumps(one, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:32]
