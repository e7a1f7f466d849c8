"""One record of fleet-telemetry, from protobuf or from its JSON form: the few signals that concern charging."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from oem_connectors.errors import Unreadable
from oem_connectors.fields import epoch, instant, text
from oem_connectors.tesla import protobuf
from oem_connectors.tesla.protobuf import Scalar, fields, inner, real, whole

#: The words of `DetailedChargeStateValue`, by number.
STATES = ("Unknown", "Disconnected", "NoPower", "Starting", "Charging", "Complete", "Stopped", "Calibrating")
PREFIX = "DetailedChargeState"
_PLACE = re.compile(r"\((\d+\.?\d*) ([NS]), (\d+\.?\d*) ([EW])\)")
_SIGNS = {"N": 1, "E": 1, "S": -1, "W": -1}


class Payload(NamedTuple):
    """Signals by name: a number, a truth, a word or a place. What was invalid or is not understood is not there."""

    vin: str | None
    created_at: datetime
    signals: Mapping[str, Any]


def read(record: bytes) -> Payload:
    """A record in either form. Raises `Unreadable` only."""
    vin, created_at, data = _of_json(record) if record.lstrip()[:1] == b"{" else _of_protobuf(record)
    if created_at is None:
        raise Unreadable("createdAt must be there")
    signals = {name: SIGNALS[name][1](value) for name, value in data.items()}
    return Payload(vin, created_at, {name: value for name, value in signals.items() if value is not None})


def _of_json(record: bytes) -> tuple[str | None, datetime | None, Mapping[str, Any]]:
    try:
        found = json.loads(record)
    except (ValueError, RecursionError):
        raise Unreadable("the record is no JSON") from None
    data = found.get("data")
    if not isinstance(data, list) or not all(isinstance(one, Mapping) for one in data):
        raise Unreadable("data must be a list of objects")
    values = {str(one.get("key")): one.get("value") for one in data}
    said = {name: _only(value) for name, value in values.items() if name in SIGNALS and isinstance(value, Mapping)}
    return text(found, "vin"), instant(found, "createdAt"), said


def _only(value: Mapping[str, Any]) -> Any:
    return next((value[kind] for kind, _ in VALUES.values() if kind in value), None)


def _of_protobuf(record: bytes) -> tuple[str | None, datetime | None, Mapping[str, Any]]:
    vin, created_at, said = None, None, {}
    for number, value in fields(record):
        if number == 1:
            datum = dict(fields(inner(value)))
            name = _NAMES.get(whole(datum.get(1, 0)))
            if name is not None:
                said[name] = _value(inner(datum.get(2, b"")))
        elif number == 2:
            created_at = _time(dict(fields(inner(value))))
        elif number == 3:
            vin = protobuf.text(value)
    return vin, created_at, said


def _time(timestamp: Mapping[int, Scalar]) -> datetime | None:
    second = epoch({"createdAt": whole(timestamp.get(1, 0))}, "createdAt")
    micros = whole(timestamp.get(2, 0)) // 1000
    return None if second is None else second + timedelta(microseconds=min(max(micros, 0), 999_999))


def _value(message: bytes) -> Any:
    """What a `Value` holds; None where it is invalid or of a kind that we do not use."""
    said: Any = None
    for number, value in fields(message):
        said = VALUES[number][1](value) if number in VALUES else None
    return said


def _location(value: Scalar) -> Mapping[str, float]:
    found = dict(fields(inner(value)))
    return {name: real(found.get(number, b"\0" * 8)) for number, name in ((1, "latitude"), (2, "longitude"))}


def _state(value: Scalar) -> str:
    number = whole(value)
    return STATES[number] if 0 <= number < len(STATES) else str(number)


def _number(said: Any) -> Any:
    """A number that came as a text; a text that is none says nothing."""
    if not isinstance(said, str):
        return said
    try:
        found = float(said)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _flag(said: Any) -> Any:
    return {"true": True, "false": False}.get(said.lower()) if isinstance(said, str) else said


def _word(said: Any) -> Any:
    return said.removeprefix(PREFIX) if isinstance(said, str) else said


def _place(said: Any) -> Any:
    """A place that came as "(37.4 N, 122.1 W)"."""
    if not isinstance(said, str):
        return said
    match = _PLACE.fullmatch(said)
    if match is None:
        return None
    return {"latitude": float(match[1]) * _SIGNS[match[2]], "longitude": float(match[3]) * _SIGNS[match[4]]}


Reader = Callable[[Any], Any]
#: The signals that concern us: their number in `vehicle_data.proto`, and how what they say is read.
SIGNALS: Mapping[str, tuple[int, Reader]] = {
    "Odometer": (5, _number),
    "Soc": (8, _number),
    "Location": (21, _place),
    "RatedRange": (32, _number),
    "DCChargingPower": (35, _number),
    "ACChargingPower": (37, _number),
    "ChargeLimitSoc": (38, _number),
    "BatteryLevel": (42, _number),
    "ScheduledChargingStartTime": (44, _number),
    "ScheduledChargingPending": (45, _flag),
    "DetailedChargeState": (179, _word),
}
_NAMES = {number: name for name, (number, _) in SIGNALS.items()}
#: The kinds of `Value` that these come as, by number: the name in JSON, and how protobuf writes it.
VALUES: Mapping[int, tuple[str, Callable[[Scalar], Any]]] = {
    1: ("stringValue", protobuf.text),
    2: ("intValue", whole),
    3: ("longValue", whole),
    4: ("floatValue", real),
    5: ("doubleValue", real),
    6: ("booleanValue", lambda value: bool(whole(value))),
    7: ("locationValue", _location),
    32: ("detailedChargeStateValue", _state),
}
