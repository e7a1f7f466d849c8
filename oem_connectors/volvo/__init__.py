"""Volvo: read-only through the Energy API v2. Every member of an answer has a status and a unit of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from oem_connectors.base import BEARER, Call, Can, Connector, Kind, Limits, OAuth2, Pace, Quota, Vehicle, for_all
from oem_connectors.consent import Consent, Flow
from oem_connectors.fields import Raw, instant, needed, number, objects, word
from streams.contracts.telemetry import Charge, Plug

PLUGS = {"CONNECTED": Plug.PLUGGED, "DISCONNECTED": Plug.UNPLUGGED}
CHARGES = {
    "CHARGING": Charge.CHARGING,
    "DISCHARGING": Charge.DISCHARGING,
    "DONE": Charge.COMPLETE,
    "ERROR": Charge.FAULT,
    "IDLE": Charge.IDLE,
    "SCHEDULED": Charge.SCHEDULED,
}
#: What a number of a unit counts in ours; a number of another unit says nothing.
PERCENT = {"percentage": 1.0}
KM = {"km": 1.0, "mi": 1.609344}
KW = {"watts": 0.001}
#: The members that are sent together, whenever the car tells of its charging.
TIMED = ("batteryChargeLevel", "chargerConnectionStatus", "chargingStatus")
SCOPES = ("openid", "conve:vehicle_relation", "energy:state:read", "location:read")
TOKEN = "/as/token.oauth2"  # noqa: S105 - a path, no secret


def _valid(raw: Raw) -> Raw:
    """The members whose status is OK: any other has no value."""
    return {
        name: member for name, member in raw.items() if isinstance(member, Mapping) and member.get("status") == "OK"
    }


def _scaled(raw: Raw, units: Mapping[str, float], name: str) -> float | None:
    value, factor = number(raw, name, "value"), word(raw, units, None, name, "unit")
    return None if value is None or factor is None else round(value * factor, 3)


def state(raw: Raw) -> Mapping[str, Any]:
    """Translate one answer of the energy state; its time is that of the newest word on charging."""
    valid = _valid(raw)
    times = [at for name in TIMED if (at := instant(valid, name, "updatedAt")) is not None]
    return {
        "soc_pct": _scaled(valid, PERCENT, "batteryChargeLevel"),
        "limit_pct": _scaled(valid, PERCENT, "targetBatteryChargeLevel"),
        "range_km": _scaled(valid, KM, "electricRange"),
        "plug": word(valid, PLUGS, Plug.UNKNOWN, "chargerConnectionStatus", "value"),
        "charge": word(valid, CHARGES, Charge.UNKNOWN, "chargingStatus", "value"),
        "power_kw": _scaled(valid, KW, "chargingPower"),
        "car_time": max(times, default=None),
    }


def is_state(raw: Raw) -> bool:
    """Whether its members have a status; those of the capabilities have none."""
    member = raw.get("batteryChargeLevel")
    return isinstance(member, Mapping) and "status" in member


def place(raw: Raw) -> tuple[float, float] | None:
    """The place in an answer of the Location API, a GeoJSON feature: longitude first."""
    try:
        lon, lat, *_ = raw.get("data", raw)["geometry"]["coordinates"]
    except (KeyError, TypeError, ValueError):
        return None
    latitude, longitude = number({"latitude": lat}, "latitude"), number({"longitude": lon}, "longitude")
    return None if latitude is None or longitude is None else (latitude, longitude)


def vehicles(raw: Raw) -> Sequence[Vehicle]:
    """Translate one answer of the vehicle list, which names no models."""
    return tuple(Vehicle(needed(one, "vin"), "") for one in objects(raw, "data"))


CONNECTOR = Connector(
    name="volvo",
    title="Volvo",
    hosts={"api": "https://api.volvocars.com", "auth": "https://volvoid.eu.volvocars.com"},
    auth=OAuth2(token_path=TOKEN, form={"grant_type": "refresh_token", "refresh_token": "{refresh_token}"}, basic=True),
    capabilities=for_all(Can.READ | Can.LIMIT),
    read=Call("GET", "/energy/v2/vehicles/{vehicle}/state"),
    list_vehicles=Call("GET", "/connected-vehicle/v2/vehicles"),
    locate=Call("GET", "/location/v1/vehicles/{vehicle}/location"),
    commands={},
    kinds=(Kind("state", is_state, state),),
    vehicles=vehicles,
    limits=Limits(reads=Quota(100, timedelta(minutes=1))),
    pace=Pace(plugged=timedelta(minutes=5), idle=timedelta(minutes=15)),
    headers={**BEARER, "vcc-api-key": "{api_key}"},
    place=place,
    consent=Consent(flow=Flow.CODE, path="/as/authorization.oauth2", scopes=SCOPES, token_path=TOKEN, pkce=True),
)
