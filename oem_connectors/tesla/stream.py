"""News from Tesla's fleet-telemetry server: each record of its Kafka topic holds what has changed in one car.

`invalid` is silence, never zero or false. Records come at least once, late ones out of order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from oem_connectors.errors import Unreadable
from oem_connectors.fields import Raw, epoch, flag, instant, number, word
from oem_connectors.push import Event
from oem_connectors.tesla.payload import SIGNALS, read
from oem_connectors.tesla.words import CHARGES, PLUGS, km
from streams.contracts.telemetry import Charge, Plug

STREAM = "stream"
#: The type of the records in which cars tell of themselves; others tell of alerts, errors and connections.
VEHICLE_DATA = "V"


def topics(namespace: str) -> Sequence[str]:
    """The topic of what cars tell of themselves."""
    return (f"{namespace}_{VEHICLE_DATA}",)


def decode(topic: str, headers: Mapping[str, str], value: bytes) -> Sequence[Event]:
    """One record as news of one car, none where nothing in it concerns us. Raises `Unreadable` only."""
    if headers.get("txtype", topic.rpartition("_")[2]) != VEHICLE_DATA:
        return ()
    payload = read(value)
    vin = payload.vin or headers.get("vin")
    if not vin:
        raise Unreadable("the record names no car")
    if not payload.signals:
        return ()
    raw = {"CreatedAt": payload.created_at.isoformat(), **payload.signals}
    # The same when the car sends it again: neither the resend's mark nor the time it came is part of it.
    once = json.dumps([vin, raw], sort_keys=True)
    news = {**raw, **_received(headers)}
    return (Event(sha256(once.encode()).hexdigest(), vin, STREAM, news, payload.created_at),)


def _received(headers: Mapping[str, str]) -> Mapping[str, str]:
    """When the server received it: a header, in milliseconds."""
    digits = headers.get("receivedat", "")
    at = epoch({"receivedat": int(digits)}, "receivedat", per_second=1000) if digits.isdecimal() else None
    return {} if at is None else {"ReceivedAt": at.isoformat()}


def is_record(raw: Raw) -> bool:
    """Whether it is a record as `decode` gives it."""
    return "CreatedAt" in raw and not raw.keys().isdisjoint(SIGNALS)


def record(raw: Raw) -> Mapping[str, Any]:
    """Translate one record: percent, miles, kW, and the schedule's time in seconds."""
    powers = [kw for kw in (number(raw, "ACChargingPower"), number(raw, "DCChargingPower")) if kw is not None]
    level, pending = number(raw, "BatteryLevel"), flag(raw, "ScheduledChargingPending")
    return {
        "soc_pct": number(raw, "Soc") if level is None else level,
        "limit_pct": number(raw, "ChargeLimitSoc"),
        "range_km": km(number(raw, "RatedRange")),
        "plug": word(raw, PLUGS, Plug.UNKNOWN, "DetailedChargeState"),
        "charge": word(raw, CHARGES, Charge.UNKNOWN, "DetailedChargeState"),
        # Only one of the two charges: alone, a zero does not say that the other rests too.
        "power_kw": max(powers) if any(powers) or len(powers) > 1 else None,
        "odometer_km": km(number(raw, "Odometer")),
        "scheduled_start": epoch(raw, "ScheduledChargingStartTime") if pending else None,
        "car_time": instant(raw, "CreatedAt"),
        "oem_time": instant(raw, "ReceivedAt"),
    }
