"""The shapes in which Škoda tells of a car. Ranges come in metres or kilometres, levels in percent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from oem_connectors.base import Obstacle, Vehicle
from oem_connectors.errors import Unreadable
from oem_connectors.fields import Raw, instant, needed, number, objects, text, word
from oem_connectors.skoda.words import CONNECTIONS, UNPAID, state_of
from streams.contracts.telemetry import Plug

#: What tells nothing of the car's state, by its mark.
OTHERS: Mapping[str, str] = {
    "timers": "timers, whose times have no zone",
    "chargingProfiles": "charging profiles, whose times have no zone",
    "periods": "a history of charges",
    "unreachable": "whether the car answers",
    "positions": "where the car is",
    "producer": "news without figures",
    "operation": "what became of a command",
}


def charging(raw: Raw, *inside: str) -> Mapping[str, Any]:
    """Translate one charging answer.

    A range of zero is what hybrids send when they have none to tell. `isVehicleInSavedLocation` may be any place that
    the driver has saved, so it does not say that the car is at home.
    """
    state = state_of(text(raw, *inside, "status", "state"))
    metres = number(raw, *inside, "status", "battery", "remainingCruisingRangeInMeters")
    return {
        "soc_pct": number(raw, *inside, "status", "battery", "stateOfChargeInPercent"),
        "limit_pct": number(raw, *inside, "settings", "targetStateOfChargeInPercent"),
        "range_km": metres / 1000 if metres else None,
        "power_kw": number(raw, *inside, "status", "chargePowerInKw"),
        "plug": state.plug,
        "charge": state.charge,
        "car_time": instant(raw, *inside, "carCapturedTimestamp"),
    }


def driving_range(raw: Raw) -> Mapping[str, Any]:
    """Translate one driving range; the level of a combustion engine is that of its tank."""
    for engine in ("primaryEngineRange", "secondaryEngineRange"):
        if text(raw, engine, "engineType") == "electric":
            return {
                "soc_pct": number(raw, engine, "currentSoCInPercent"),
                "range_km": number(raw, engine, "remainingRangeInKm") or None,
                "car_time": instant(raw, "carCapturedTimestamp"),
            }
    return {}


def climate(raw: Raw) -> Mapping[str, Any]:
    """Translate one answer about air conditioning, which tells of the cable too."""
    return {
        "plug": word(raw, CONNECTIONS, Plug.UNKNOWN, "chargerConnectionState"),
        "car_time": instant(raw, "carCapturedTimestamp"),
    }


def event(raw: Raw) -> Mapping[str, Any]:
    """Translate one push event, whose numbers are texts."""
    state = state_of(text(raw, "data", "state"))
    return {
        "soc_pct": digits(raw, "data", "soc"),
        "range_km": digits(raw, "data", "chargedRange"),
        "plug": state.plug,
        "charge": state.charge,
        "oem_time": instant(raw, "timestamp"),
    }


def recorded(raw: Raw) -> Mapping[str, Any]:
    """Translate the charging answer of a recording of several endpoints. Raises `Unreadable` where it cannot charge."""
    endpoints = raw.get("endpoints")
    info = endpoints.get("info") if isinstance(endpoints, Mapping) else None
    found = obstacle(info) if isinstance(info, Mapping) else None
    if found is not None:
        raise Unreadable(f"a car that cannot be charged: {found.value}")
    return charging(raw, "endpoints", "charging")


def other(raw: Raw) -> Mapping[str, Any]:
    """Refuse what tells nothing of battery and plug."""
    what = next((what for mark, what in OTHERS.items() if mark in raw), "something else")
    raise Unreadable(f"{what}: nothing of battery and plug")


def digits(raw: Raw, *path: str) -> float | None:
    """A number written as a text; None for "null" and whatever is no number."""
    found = text(raw, *path)
    return float(found) if found is not None and found.isdecimal() and found.isascii() and len(found) < 10 else None


def place(raw: Raw) -> tuple[float, float] | None:
    """Where the car is, of an answer of positions. Zero for both is no position."""
    for one in objects(raw, "positions"):
        if text(one, "type") == "VEHICLE":
            latitude, longitude = (number(one, "gpsCoordinates", name) for name in ("latitude", "longitude"))
            if latitude is not None and longitude is not None and (latitude or longitude):
                return latitude, longitude
    return None


def vehicles(raw: Raw) -> Sequence[Vehicle]:
    """Translate the garage, or the information of one car. Hybrids and combustion cars look alike in a garage."""
    return tuple(vehicle(one) for one in objects(raw, "vehicles") or [raw] * ("vin" in raw))


def vehicle(info: Raw) -> Vehicle:
    """One car, its model by title and code."""
    inside = ("specification",) if "specification" in info else ()
    names = (text(info, *inside, name) or "" for name in ("title", "systemModelId"))
    return Vehicle(needed(info, "vin"), " ".join(names).strip(), obstacle(info))


def obstacle(info: Raw) -> Obstacle | None:
    """Why it cannot be charged: it burns and no ability speaks of charging, or the service is not paid or not begun."""
    abilities = {text(one, "id"): one.get("statuses") for one in objects(info, "capabilities", "capabilities")}
    burns = number(info, "specification", "engine", "capacityInLiters") is not None
    if burns and abilities and not any((name or "").startswith("CHARGING") for name in abilities):
        return Obstacle.COMBUSTION
    statuses = abilities.get("CHARGING")
    unpaid = isinstance(statuses, list) and any(one in UNPAID for one in statuses if isinstance(one, str))
    return Obstacle.SUBSCRIPTION if unpaid or text(info, "state") == "NOT_ACTIVATED" else None
