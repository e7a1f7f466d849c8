"""What Tesla's refusals mean. The signing proxy says 500 to nearly everything, so the text decides, then the status.

Where a text or a status proves that the car was not reached the error says so; any other failure of a command is left
to its status: 500, 502 and 504 may have happened.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from oem_connectors.base import Reply
from oem_connectors.errors import (
    Asleep,
    NeedsConsent,
    OemError,
    Rejected,
    Throttled,
    Unauthorised,
    Unavailable,
    Unsupported,
    WrongRegion,
)
from streams.contracts.command import Action

#: The reasons why a car need not do what it is asked, beside those that say "already" themselves.
ALREADY: Mapping[Action, frozenset[str]] = {
    Action.START: frozenset({"is_charging", "complete"}),
    Action.STOP: frozenset({"not_charging", "complete", "disconnected"}),
}
#: Texts by which an error is known, and what it means. The first that is found counts.
TEXTS: tuple[tuple[str, Callable[[str], OemError], str], ...] = (
    ("vehicle unavailable", Asleep, "the car sleeps or is out of reach"),
    ("vehicle is offline", Asleep, "the car sleeps or is out of reach"),
    ("busy or finishing wake-up", Unavailable, "the car is busy"),
    ("MESSAGEFAULT_ERROR_BUSY", Unavailable, "the car is busy"),
    ("vehicle not connected", Unavailable, "the car is out of reach"),
    ("has not been paired", Rejected, "the driver has not paired our key with the car"),
    ("MESSAGEFAULT_ERROR_INACTIVE_KEY", Rejected, "our key is not active in the car"),
    ("MESSAGEFAULT_ERROR_REMOTE_ACCESS_DISABLED", Rejected, "mobile access is switched off in the car"),
    ("mobile_access_disabled", Rejected, "mobile access is switched off in the car"),
    ("login_required", NeedsConsent, "the driver has to link the account again"),
    ("missing scopes", NeedsConsent, "the driver has not granted what this call needs"),
    ("invalid_scope", NeedsConsent, "the driver has not granted what this call needs"),
    ("OAuth token", Unauthorised, "the proxy takes no such token"),
    ("unsupported vehicle", Unsupported, "Tesla does not serve this car"),
)
STATUSES: Mapping[int, Callable[[], OemError]] = {
    402: lambda: Throttled("Tesla's bill has reached its limit", app=True),
    412: lambda: Rejected("the operator's app is not registered in this region"),
    423: lambda: Unavailable("HTTP 423: locked"),
    424: lambda: Unavailable("HTTP 424: failed dependency"),
    503: lambda: Unavailable("HTTP 503: not applied"),
}
_REGION = re.compile(r"fleet-api\.prd\.(na|eu|cn)\.vn\.cloud\.tesla\.c")
_REASON = re.compile(r"[a-z_]{1,40}$")


def outcome(reply: Reply) -> str | OemError | None:
    """The car's own word first, then the error's text, then the status."""
    response = reply.body.get("response")
    car = response if isinstance(response, Mapping) else reply.body
    if car.get("result") is False:
        return _refusal(str(car.get("reason")), reply.action)
    if reply.action is None and car.get("state") in ("asleep", "offline") and "charge_state" not in car:
        return Asleep("the car sleeps or is out of reach")
    found = _by_text(f"{reply.body.get('error')} {reply.body.get('error_description')}")
    if isinstance(found, Asleep) and reply.action is Action.WAKE:
        return Unavailable("the car cannot be woken now")
    if found is None and reply.status in STATUSES:
        return STATUSES[reply.status]()
    return found


def _refusal(reason: str, action: Action | None) -> str | OemError:
    """A reason is one word; the proxy puts a sentence before it."""
    named = _REASON.search(reason)
    word = named[0] if named else "no reason given"
    if action is not None and (word in ALREADY.get(action, ()) or word.startswith("already_")):
        return "already"
    if word == "could_not_wake_buses":
        return Asleep("the car has not woken up")
    return Rejected(f"the car refuses: {word}")


def _by_text(text: str) -> OemError | None:
    region = _REGION.search(text)
    if region:
        return WrongRegion("the account lives in another region", region[1])
    return next((error(meaning) for mark, error, meaning in TEXTS if mark in text), None)
