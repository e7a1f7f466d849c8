"""Understands a recorded answer without being told what it is: the way to look at a maker's words by hand."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from oem_connectors.base import Connector, Reply
from oem_connectors.errors import OemError, Unreadable
from oem_connectors.fields import Raw
from streams.contracts.telemetry import Charge, Plug, Telemetry

_NOTHING = {"car", "oem", "received_time"}


class Understood(NamedTuple):
    """An answer's kind, by its name in the connector, and what it says."""

    kind: str
    telemetry: Telemetry


def understand(connector: Connector, raw: Any, car: str, now: datetime, kind: str | None = None) -> Understood:
    """A recorded answer as telemetry; its kind by its own marks unless given. Raises `Unreadable` with the reason."""
    found = {"items": raw} if isinstance(raw, list) else raw
    if not isinstance(found, dict):
        raise Unreadable("not a JSON object or list")
    chosen = kind or connector.recognise(found)
    if chosen is None:
        raise Unreadable(_reason(connector, found))
    telemetry = connector.normalise(car, found, now, chosen)
    if _silent(telemetry):
        raise Unreadable(f"a {chosen} that says nothing of the car")
    return Understood(chosen, telemetry)


def _silent(telemetry: Telemetry) -> bool:
    said = telemetry.model_dump(exclude=_NOTHING, exclude_none=True)
    return all(value in {Plug.UNKNOWN, Charge.UNKNOWN} for value in said.values())


def _reason(connector: Connector, raw: Raw) -> str:
    """Why an answer of no kind tells nothing of a car."""
    for status in (_own_status(raw) or 400, 200):
        verdict = connector.outcome(Reply(status, raw))
        if isinstance(verdict, OemError):
            return f"an error answer ({type(verdict).__name__}): {verdict}"
    try:
        cars = connector.vehicles(raw)
    except Unreadable:
        cars = ()
    if cars:
        return f"a list of {len(cars)} cars, not the state of one"
    kinds = ", ".join(kind.name for kind in connector.kinds)
    return f"no answer of {connector.title} known to us (kinds: {kinds})"


def _own_status(raw: Raw) -> int | None:
    for name in ("statusCode", "status", "code"):
        if isinstance(raw.get(name), int) and 400 <= raw[name] < 600:
            return int(raw[name])
    return None
