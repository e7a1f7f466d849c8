"""Webhook deliveries, payload version 4: all subscribed signals of one car, or what is wrong with its connection."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import SecretStr

from oem_connectors.errors import Unreadable
from oem_connectors.fields import Raw, epoch, instant, objects, text
from oem_connectors.push import Delivery, Event
from oem_connectors.signatures import hmac_hex, signed

#: Challenges and deliveries are signed with one key: what could be a delivery's body is no challenge to sign.
_CHALLENGE = re.compile(r"[A-Za-z0-9_.~+/=-]{1,256}")
#: Errors of these types end the account's consent whatever the maker advises.
_LOST = frozenset({"CONNECTED_SERVICES_ACCOUNT", "AUTHENTICATION"})


def genuine(delivery: Delivery, secret: SecretStr) -> bool:
    """`SC-Signature` is the HMAC-SHA256 of the body; the key is the application management token.

    A delivery is an object: what is none may be the text of a challenge, which we sign for anybody.
    """
    if not delivery.body.lstrip().startswith(b"{"):
        return False
    return signed(secret, delivery.body, delivery.headers.get("sc-signature", ""), "sha256")


def greeting(body: Any, secret: SecretStr) -> Mapping[str, str] | None:
    """The answer to VERIFY, which is not signed itself: its challenge, signed by us."""
    if not isinstance(body, Mapping) or body.get("eventType") != "VERIFY":
        return None
    holder = body.get("data") or body.get("payload")
    challenge = holder.get("challenge") if isinstance(holder, Mapping) else None
    if not isinstance(challenge, str) or not _CHALLENGE.fullmatch(challenge):
        return None
    return {"challenge": hmac_hex(secret, challenge.encode(), "sha256")}


def events(body: Any) -> Sequence[Event]:
    """News of one car. A test delivery holds invented values: no news."""
    if not isinstance(body, Mapping):
        raise Unreadable("a delivery must be an object")
    event, vehicle = text(body, "eventId"), text(body, "data", "vehicle", "id")
    kind, mode = text(body, "eventType"), text(body, "meta", "mode")
    if kind not in {"VEHICLE_STATE", "VEHICLE_ERROR"} or (mode or "").upper() == "TEST":
        return ()
    if not event or not vehicle:
        raise Unreadable("a delivery must name its eventId and data.vehicle.id")
    at, user = _delivered(body), text(body, "data", "user", "id") or ""
    if kind == "VEHICLE_STATE":
        return (Event(event, vehicle, "event", body, at, user=user),)
    if any(map(_ends_consent, objects(body, "data", "errors"))):
        return (Event(event, vehicle, "event", {}, at, consent_lost=True, user=user),)
    return ()


def _ends_consent(error: Raw) -> bool:
    """Whether the driver has to link again. `resolution` is an object, a text, or null; RESOLVED is over."""
    if error.get("state") == "RESOLVED":
        return False
    resolution = error.get("resolution")
    advice = resolution.get("type") if isinstance(resolution, Mapping) else resolution
    return advice == "REAUTHENTICATE" or text(error, "type") in _LOST


def _delivered(body: Raw) -> datetime | None:
    meta = body.get("meta")
    if isinstance(meta, Mapping) and isinstance(meta.get("deliveredAt"), str):
        return instant(body, "meta", "deliveredAt")
    return epoch(body, "meta", "deliveredAt", per_second=1000)
