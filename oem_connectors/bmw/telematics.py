"""CarData's descriptors: each has a value, a unit and a time of its own. Over REST every value is a text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from math import isfinite
from typing import Any

from oem_connectors.errors import Unreadable
from oem_connectors.fields import Raw, instant, text
from streams.contracts.telemetry import Charge, Plug

HV_STATUS = "vehicle.drivetrain.electricEngine.charging.hvStatus"
STATUS = "vehicle.drivetrain.electricEngine.charging.status"
PORTS = ("vehicle.body.chargingPort.status", "vehicle.body.chargingPort.combinedStatus")
LEVELS = (
    "vehicle.powertrain.electric.battery.stateOfCharge.displayed",
    "vehicle.drivetrain.batteryManagement.header",
)
TARGET = "vehicle.powertrain.electric.battery.stateOfCharge.target"
RANGE = "vehicle.drivetrain.electricEngine.kombiRemainingElectricRange"
TRAVELLED = "vehicle.vehicle.travelledDistance"
PLACE = tuple(f"vehicle.cabin.infotainment.navigation.currentLocation.{name}" for name in ("latitude", "longitude"))
PLUGS = {"CONNECTED": Plug.PLUGGED, "DISCONNECTED": Plug.UNPLUGGED}
CHARGES = {
    "CHARGING": Charge.CHARGING,
    "WAITING_FOR_CHARGING": Charge.SCHEDULED,
    "FINISHED_FULLY_CHARGED": Charge.COMPLETE,
    "FINISHED_NOT_FULL": Charge.IDLE,
    "NOT_CHARGING": Charge.IDLE,
    "ERROR": Charge.FAULT,
}
STATUSES = {
    "INITIALIZATION": Charge.STARTING,
    "CHARGINGACTIVE": Charge.CHARGING,
    "CHARGINGPAUSED": Charge.IDLE,
    "CHARGINGENDED": Charge.IDLE,
    "CHARGINGERROR": Charge.FAULT,
    "NOCHARGING": Charge.IDLE,
}
KM = {"km": 1.0, "mi": 1.609344, "miles": 1.609344}


def state(raw: Raw) -> Mapping[str, Any]:
    """GET telematicData: the last value of every descriptor of the container."""
    return _read(_cells(raw, "telematicData"))


def stream(raw: Raw) -> Mapping[str, Any]:
    """A message of the MQTT stream: only the descriptors that have changed."""
    return {**_read(_cells(raw, "data")), "oem_time": instant(raw, "timestamp")}


def place(raw: Raw) -> tuple[float, float] | None:
    """Where the car is; the older app's answers have a place of their own."""
    cells = _cells(raw, "telematicData" if "telematicData" in raw else "data")
    latitude, longitude = (_number(cells, name) for name in PLACE)
    return None if latitude is None or longitude is None else (latitude, longitude)


def _cells(raw: Raw, name: str) -> Raw:
    found = raw.get(name)
    if found is not None and not isinstance(found, Mapping):
        raise Unreadable(f"{name} must be an object")
    return found or {}


def _read(cells: Raw) -> Mapping[str, Any]:
    level = max(LEVELS, key=lambda name: _at(cells, name))
    port = next((name for name in PORTS if _text(cells, name) is not None), PORTS[0])
    return {
        "soc_pct": _number(cells, level),
        "limit_pct": _number(cells, TARGET),
        "plug": PLUGS.get(_text(cells, port) or "", Plug.UNKNOWN),
        "charge": _charge(cells),
        "range_km": _distance(cells, RANGE),
        "odometer_km": _distance(cells, TRAVELLED),
        "car_time": _time(cells),
    }


def _charge(cells: Raw) -> Charge:
    """The high-voltage system's word; the other one where it has none, which it calls INVALID."""
    said = _text(cells, HV_STATUS)
    if said in {None, "", "INVALID"}:
        return STATUSES.get(_text(cells, STATUS) or "", Charge.UNKNOWN)
    return CHARGES.get(said or "", Charge.UNKNOWN)


def _time(cells: Raw) -> datetime | None:
    """When charging or the port was told last, else the level, else anything.

    What confirms a command is the word on charging: no other descriptor may make an old word look young.
    """
    for names in ((HV_STATUS, STATUS, *PORTS), LEVELS, tuple(cells)):
        newest = max((at for name in names if (at := instant(cells, name, "timestamp")) is not None), default=None)
        if newest is not None:
            return newest
    return None


def _at(cells: Raw, name: str) -> float:
    """How new a number is, for comparing; a missing one is older than all."""
    at = instant(cells, name, "timestamp")
    return -1.0 if _number(cells, name) is None else 0.0 if at is None else at.timestamp()


def _text(cells: Raw, name: str) -> str | None:
    return text(cells, name, "value")


def _number(cells: Raw, name: str) -> float | None:
    """A number, or a text of one; any other text is no value."""
    cell = cells.get(name)
    found = cell.get("value") if isinstance(cell, Mapping) else None
    if isinstance(found, str):
        try:
            parsed = float(found)
        except ValueError:
            return None
        return parsed if isfinite(parsed) else None
    if isinstance(found, bool) or not isinstance(found, int | float | None):
        raise Unreadable(f"{name}.value must be a number")
    return None if found is None else float(found)


def _distance(cells: Raw, name: str) -> float | None:
    value, factor = _number(cells, name), KM.get((text(cells, name, "unit") or "").lower())
    return None if value is None or factor is None else value * factor
