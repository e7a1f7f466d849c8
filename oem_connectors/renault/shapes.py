"""The shapes in which Renault tells of a car: percents, kilometres, and states that are numbers.

Instantaneous power is left out: some models give it in watts, some in kilowatts, and the answer does not say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from oem_connectors.base import Obstacle, Vehicle
from oem_connectors.errors import Unreadable
from oem_connectors.fields import Raw, instant, needed, number, objects, text
from oem_connectors.renault.words import AMBIGUOUS, CHARGES, OTHERS, PLUGLESS, PLUGS
from streams.contracts.telemetry import Charge, Plug

_HERE = ("data", "attributes")


def attributes(raw: Raw) -> Raw:
    """What an answer tells, empty where it is of another shape."""
    data = raw.get("data")
    found = data.get("attributes") if isinstance(data, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def state(raw: Raw) -> Mapping[str, Any]:
    """Translate one battery-status."""
    plug = PLUGS.get(number(raw, *_HERE, "plugStatus"), Plug.UNKNOWN)
    status = number(raw, *_HERE, "chargingStatus")
    rests = status == AMBIGUOUS and plug is Plug.UNPLUGGED
    return {
        "soc_pct": number(raw, *_HERE, "batteryLevel"),
        "range_km": number(raw, *_HERE, "batteryAutonomy"),
        "plug": plug,
        "charge": Charge.IDLE if rests else CHARGES.get(status, Charge.UNKNOWN),
        "car_time": instant(raw, *_HERE, "timestamp"),
    }


def cockpit(raw: Raw) -> Mapping[str, Any]:
    """Translate one cockpit; its autonomy is that of the fuel."""
    return {"odometer_km": number(raw, *_HERE, "totalMileage")}


def soc_levels(raw: Raw) -> Mapping[str, Any]:
    """Translate the levels that the battery is kept between. Their time is not that of a sample of the car."""
    return {"limit_pct": number(raw, "socTarget")}


def other(raw: Raw) -> Mapping[str, Any]:
    """Refuse what tells nothing of battery, plug or odometer."""
    marks = raw.keys() | attributes(raw).keys()
    what = next((what for mark, what in OTHERS.items() if mark in marks), "something else")
    raise Unreadable(f"{what}: nothing of battery, plug or odometer")


def place(raw: Raw) -> tuple[float, float] | None:
    """Where the car is, of an answer of location. Zero for both is no position."""
    latitude, longitude = number(raw, *_HERE, "gpsLatitude"), number(raw, *_HERE, "gpsLongitude")
    return (latitude, longitude) if latitude is not None and longitude is not None and (latitude or longitude) else None


def vehicle(raw: Raw, *inside: str) -> Vehicle:
    """One car; the code ends its model, because what it can do hangs on that."""
    model = " ".join(text(raw, *inside, "model", name) or "" for name in ("label", "code")).strip()
    plugless = text(raw, *inside, "engineEnergyType") in PLUGLESS
    return Vehicle(needed(raw, *inside, "vin"), model, Obstacle.COMBUSTION if plugless else None)


def vehicles(raw: Raw) -> Sequence[Vehicle]:
    """Translate the cars of an account, or the details of one."""
    if "vin" in raw:
        return (vehicle(raw),)
    return tuple(vehicle(link, "vehicleDetails") for link in objects(raw, "vehicleLinks"))
