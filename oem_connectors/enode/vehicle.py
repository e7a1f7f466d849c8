"""A car as Enode tells it, alike in answers, in lists and in events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from oem_connectors.base import Can, Vehicle
from oem_connectors.fields import Raw, flag, instant, needed, number, objects, text, word
from streams.contracts.telemetry import Charge, Plug

POWER = "powerDeliveryState"
PLUGS = {True: Plug.PLUGGED, False: Plug.UNPLUGGED, None: Plug.UNKNOWN}
CHARGES = {
    "UNPLUGGED": Charge.IDLE,
    "PLUGGED_IN:INITIALIZING": Charge.STARTING,
    "PLUGGED_IN:CHARGING": Charge.CHARGING,
    "PLUGGED_IN:STOPPED": Charge.IDLE,
    "PLUGGED_IN:COMPLETE": Charge.COMPLETE,
    "PLUGGED_IN:NO_POWER": Charge.NO_POWER,
    "PLUGGED_IN:FAULT": Charge.FAULT,
    "PLUGGED_IN:DISCHARGING": Charge.DISCHARGING,
}
PLUGGED = {state: Plug.UNPLUGGED if state == "UNPLUGGED" else Plug.PLUGGED for state in CHARGES}
#: What a car cannot do is said per car; its model carries it.
NO_START, NO_STOP = " (no start)", " (no stop)"


def state(raw: Raw) -> Mapping[str, Any]:
    """A vehicle, as an answer or in an event; every member of its charge state may be null."""
    charging = Charge.CHARGING if flag(raw, "chargeState", "isCharging") else Charge.UNKNOWN
    plugged = PLUGS[flag(raw, "chargeState", "isPluggedIn")]
    return {
        "soc_pct": number(raw, "chargeState", "batteryLevel"),
        "limit_pct": number(raw, "chargeState", "chargeLimit"),
        "plug": word(raw, PLUGGED, plugged, "chargeState", POWER),
        "charge": word(raw, CHARGES, charging, "chargeState", POWER),
        "power_kw": number(raw, "chargeState", "chargeRate"),
        "range_km": number(raw, "chargeState", "range"),
        "odometer_km": number(raw, "odometer", "distance"),
        "car_time": instant(raw, "chargeState", "lastUpdated"),
    }


def place(raw: Raw) -> tuple[float, float] | None:
    """Where the car was seen last."""
    latitude, longitude = number(raw, "location", "latitude"), number(raw, "location", "longitude")
    return None if latitude is None or longitude is None else (latitude, longitude)


def vehicles(raw: Raw) -> Sequence[Vehicle]:
    """One page of a driver's cars."""
    return tuple(map(_vehicle, objects(raw, "data")))


def _vehicle(one: Raw) -> Vehicle:
    model = " ".join(filter(None, (text(one, "vendor"), text(one, "information", "model"))))
    for name, suffix in (("startCharging", NO_START), ("stopCharging", NO_STOP)):
        model += suffix if flag(one, "capabilities", name, "isCapable") is False else ""
    return Vehicle(needed(one, "id"), model)


def capabilities(model: str) -> Can:
    """What the car was capable of when it was listed."""
    start = Can(0) if NO_START in model else Can.START
    stop = Can(0) if NO_STOP in model else Can.STOP
    return Can.READ | Can.LIMIT | start | stop
