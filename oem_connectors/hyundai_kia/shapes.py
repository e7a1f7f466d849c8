"""The shapes in which Hyundai and Kia tell of a car, by region and by the generation of its control unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from oem_connectors.base import Vehicle
from oem_connectors.errors import Unreadable
from oem_connectors.fields import Raw, flag, instant, needed, number, objects, text
from oem_connectors.hyundai_kia.words import AC, FASTENED, KILOMETRES, MILES, NEW, OBSTACLES, OLD, PLUGS, SWITCHED
from streams.contracts.telemetry import Charge, Plug

#: What the European cloud wraps a state in, outermost first.
WRAPPERS = ("resMsg", "vehicleStatusInfo", "state", "Vehicle")
_CHARGING = ("Green", "ChargingInformation")


def inside(raw: Raw, *names: str) -> Raw:
    """The object below these names, skipping those that are not there."""
    for name in names:
        found = raw.get(name)
        raw = found if isinstance(found, Mapping) else raw
    return raw


def europe(raw: Raw) -> Mapping[str, Any]:
    """Translate one European state, of either generation, as answered or unwrapped."""
    found = inside(raw, *WRAPPERS)
    return ccs2(found) if "Green" in found else v1(found)


def v1(raw: Raw) -> Mapping[str, Any]:
    """Translate the state of an older car. Its `time` names no zone and is left out."""
    status = inside(raw, "vehicleStatus")
    return ev(status, "reservChargeInfos", "targetSOClist") | {"odometer_km": distance(raw, "odometer")}


def ccs2(raw: Raw) -> Mapping[str, Any]:
    """Translate the state of a newer car.

    `Date` is left out: some say that it is UTC, but in answers it agrees with the local time of the place.
    """
    plug = FASTENED.get(switch(raw, *_CHARGING, "ConnectorFastening", "State"), Plug.UNKNOWN)
    remaining = number(raw, *_CHARGING, "Charging", "RemainTime")
    power = number(raw, "Green", "Electric", "SmartGrid", "RealTimePower")
    return {
        "soc_pct": number(raw, "Green", "BatteryManagement", "BatteryRemain", "Ratio"),
        "limit_pct": number(raw, *_CHARGING, "TargetSoC", "Standard"),
        "plug": plug,
        "charge": inferred(plug, remaining, power),
        "power_kw": power,
        "range_km": electric_range(raw),
        "odometer_km": number(raw, "Drivetrain", "Odometer"),
    }


def electric_range(raw: Raw) -> float | None:
    """How far the battery goes; the total counts only where no fuel adds to it."""
    fuel = ("Drivetrain", "FuelSystem")
    electric = distance(raw, *fuel, "DTE", value="EV", unit="Unit")
    total = distance(raw, *fuel, "DTE", value="Total", unit="Unit")
    return electric if electric is not None or number(raw, *fuel, "FuelLevel") != 0 else total


def inferred(plug: Plug, remaining: float | None, power: float | None) -> Charge:
    """Whether it charges: no word says so, only the minutes that remain, and they count only with the cable in."""
    if plug is Plug.UNPLUGGED:
        return Charge.IDLE
    if plug is Plug.UNKNOWN or remaining is None:
        return Charge.UNKNOWN
    if remaining > 0:
        return Charge.CHARGING
    return Charge.IDLE if remaining == 0 and not power else Charge.UNKNOWN


def australia_canada(raw: Raw) -> Mapping[str, Any]:
    """Translate one state under `status`. Its times name no zone and are left out."""
    status = inside(raw, "result", "status")
    return ev(status, "reservChargeInfos", "targetSOClist") | {"odometer_km": distance(status, "odometer")}


def kia_us(raw: Raw) -> Mapping[str, Any]:
    """Translate one state of Kia in the United States: miles, and times in UTC."""
    status = inside(raw, "lastVehicleInfo", "vehicleStatusRpt", "vehicleStatus")
    miles = decimal(text(raw, "vehicleConfig", "vehicleDetail", "vehicle", "mileage"))
    return ev(status, "targetSOC") | {
        "odometer_km": None if miles is None else round(miles * KILOMETRES[MILES], 3),
        "power_kw": number(status, "evStatus", "realTimePower"),
        "car_time": compact(text(status, "syncDate", "utc")),
    }


def hyundai_us(raw: Raw) -> Mapping[str, Any]:
    """Translate one state of Hyundai in the United States."""
    return ev(raw, "reservChargeInfos", "targetSOClist") | {"car_time": instant(raw, "dateTime")}


def ev(status: Raw, *limits: str) -> dict[str, Any]:
    """What all older shapes have in common; `limits` is where those of charging are.

    The power that some hold is of AC alone, so it is left out.
    """
    charging = flag(status, "evStatus", "batteryCharge")
    ranges = objects(status, "evStatus", "drvDistance")
    return {
        "soc_pct": number(status, "evStatus", "batteryStatus"),
        "limit_pct": ac_limit(objects(status, "evStatus", *limits)),
        "plug": PLUGS.get(number(status, "evStatus", "batteryPlugin"), Plug.UNKNOWN),
        "charge": Charge.UNKNOWN if charging is None else Charge.CHARGING if charging else Charge.IDLE,
        "range_km": distance(ranges[0], "rangeByFuel", "evModeRange") if ranges else None,
    }


def ac_limit(listed: Sequence[Raw]) -> float | None:
    """The limit of charging at home."""
    return next((number(one, "targetSOClevel") for one in listed if number(one, "plugType") == AC), None)


def distance(raw: Raw, *path: str, value: str = "value", unit: str = "unit") -> float | None:
    """In kilometres, to the metre; None where its unit is not known."""
    found, factor = number(raw, *path, value), KILOMETRES.get(number(raw, *path, unit))
    return None if found is None or factor is None else round(found * factor, 3)


def switch(raw: Raw, *path: str) -> bool | None:
    """True or false, which some cars write as 1 or 0."""
    try:
        return flag(raw, *path)
    except Unreadable:
        return SWITCHED.get(number(raw, *path))


def compact(found: str | None) -> datetime | None:
    """A UTC time like 20240915140000; None where it is no time."""
    if found is None or len(found) != 14 or not found.isdecimal():
        return None
    try:
        return datetime.strptime(found, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def decimal(found: str | None) -> float | None:
    """A whole number written as a text."""
    return float(found) if found is not None and found.isdecimal() and found.isascii() and len(found) < 10 else None


def place(raw: Raw) -> tuple[float, float] | None:
    """Where the car is parked, of an answer that asks for it. States repeat an older place, so they count for none."""
    found = inside(raw, "resMsg")
    latitude, longitude = number(found, "coord", "lat"), number(found, "coord", "lon")
    return (latitude, longitude) if latitude is not None and longitude is not None and (latitude or longitude) else None


def vehicles(raw: Raw) -> Sequence[Vehicle]:
    """Translate the list of cars; the model ends with the generation of the car's control unit."""
    return tuple(vehicle(one) for one in objects(raw, "resMsg", "vehicles"))


def vehicle(listed: Raw) -> Vehicle:
    """One car of the list."""
    generation = number(listed, "ccuCCS2ProtocolSupport")
    ending = "" if generation is None else NEW if generation else OLD
    name = text(listed, "vehicleName") or ""
    return Vehicle(needed(listed, "vehicleId"), name + ending, OBSTACLES.get(text(listed, "type")))
