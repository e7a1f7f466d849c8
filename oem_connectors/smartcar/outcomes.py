"""Errors of both generations, by what to do next. Unknown codes fall to their type, unknown types to the status."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from oem_connectors.base import Reply
from oem_connectors.errors import (
    Asleep,
    NeedsConsent,
    OemError,
    OutcomeUnknown,
    Rejected,
    Throttled,
    Unauthorised,
    Unavailable,
    Unsupported,
)
from oem_connectors.fields import Raw
from streams.contracts.command import Action

ALREADY = {
    (Action.START, "CHARGING_IN_PROGRESS"),
    (Action.START, "FULLY_CHARGED"),
    (Action.STOP, "NOT_CHARGING"),
}


def _throttled_app(text: str) -> Throttled:
    return Throttled(text, app=True)


Make = Callable[[str], OemError]
CODES: Mapping[tuple[str, str], Make] = {
    ("VEHICLE_STATE", "ASLEEP"): Asleep,
    ("VEHICLE_STATE", "UNREACHABLE"): Unavailable,
    ("VEHICLE_STATE", "VEHICLE_OFFLINE_FOR_SERVICE"): Unavailable,
    ("AUTHENTICATION", "ACCESS_DENIED"): NeedsConsent,
    ("RATE_LIMIT", "SMARTCAR_API"): _throttled_app,
    ("BILLING", "INVALID_PLAN"): _throttled_app,
    ("BILLING", "ACCOUNT_SUSPENDED"): _throttled_app,
}
#: None: it may have happened.
TYPES: Mapping[str, Make | None] = {
    "VALIDATION": Rejected,
    "RESOURCE_NOT_FOUND": Rejected,
    "CONNECTED_SERVICES_ACCOUNT": NeedsConsent,
    "AUTHENTICATION": Unauthorised,
    "PERMISSION": NeedsConsent,
    "VEHICLE_STATE": Rejected,
    "RATE_LIMIT": Throttled,
    "BILLING": Throttled,
    "COMPATIBILITY": Unsupported,
    "SERVER": None,
    "UPSTREAM": None,
}


class Trouble(NamedTuple):
    """An error object: texts are empty and the status is 0 where it tells none."""

    type: str
    code: str
    status: int


def outcome(reply: Reply) -> str | OemError | None:
    """What an answer means. A held-open 202 tells its true outcome in its body, a failure of minutes later too."""
    found = trouble(reply.body)
    if found is None:
        return None
    if (reply.action, found.code) in ALREADY:
        return "already"
    make = CODES.get((found.type, found.code), TYPES.get(found.type))
    said = f"{found.type or 'an error'} {found.code}".strip()
    if make is not None:
        return make(said)
    if reply.status >= 300 and found.type not in TYPES:
        return None
    if found.type not in TYPES and 400 <= found.status < 500:
        return Rejected(said)
    return Unavailable(said) if reply.action is None else OutcomeUnknown(said)


def trouble(body: Raw) -> Trouble | None:
    """The error object in a body; None where it is not one. `errors` is v3's list; v1 has a word in `error`."""
    listed = body.get("errors")
    found: Any = listed[0] if isinstance(listed, list) and listed else body.get("error")
    if isinstance(found, str):
        return Trouble(found.removesuffix("_error").upper(), "", 0) if found.endswith("_error") else None
    nested = isinstance(found, Mapping)
    inner: Raw = found if isinstance(found, Mapping) else body
    status = _status(inner.get("status")) or _status(inner.get("statusCode"))
    kind, code = (str(inner.get(name)) if isinstance(inner.get(name), str) else "" for name in ("type", "code"))
    return Trouble(kind, code, status) if nested or kind in TYPES or status >= 400 else None


def _status(value: object) -> int:
    """A status is a number or a text of digits; "success" is none."""
    return int(value) if isinstance(value, int | str) and str(value).isdecimal() and len(str(value)) == 3 else 0
