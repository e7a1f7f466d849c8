"""Tesla: reads from the Fleet API, commands through the operator's own signing proxy, news from fleet-telemetry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from oem_connectors.base import Ask, Call, Can, Connector, Kind, Limits, OAuth2, Pace, Quota, Vehicle
from oem_connectors.consent import Consent, Flow
from oem_connectors.errors import Unsupported
from oem_connectors.fields import Raw, epoch, flag, needed, number, objects, word
from oem_connectors.push import Stream
from oem_connectors.tesla.account import details
from oem_connectors.tesla.outcome import outcome
from oem_connectors.tesla.stream import STREAM, decode, is_record, record, topics
from oem_connectors.tesla.words import CHARGES, PLUGS, km
from streams.contracts.command import Action
from streams.contracts.telemetry import Charge, Plug

NA = "https://fleet-api.prd.na.vn.cloud.tesla.com"
HOSTS = {
    "api": NA,
    "api.na": NA,
    "api.eu": "https://fleet-api.prd.eu.vn.cloud.tesla.com",
    "api.cn": "https://fleet-api.prd.cn.vn.cloud.tesla.cn",
    "auth": "https://fleet-auth.prd.vn.cloud.tesla.com",
    "auth.cn": "https://auth.tesla.cn",
    "login": "https://auth.tesla.com",
    "login.cn": "https://auth.tesla.cn",
    "proxy": "https://127.0.0.1:4443",
}
ENDPOINTS = "charge_state;location_data;vehicle_state;drive_state"
SCOPES = "openid offline_access vehicle_device_data vehicle_location vehicle_cmds vehicle_charging_cmds"
TOKEN = "/oauth2/v3/token"  # noqa: S105 - a path, no secret
MODELS = {"S": "Model S", "3": "Model 3", "X": "Model X", "Y": "Model Y", "C": "Cybertruck"}
#: Our one schedule in a car; cars number the driver's own by the second of their making.
SCHEDULE_ID = int.from_bytes(b"D2EV", "big")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def _car(raw: Raw) -> Raw:
    """The car out of its envelope; the old answer that was a charge state alone becomes part of a car."""
    found = raw.get("response", raw)
    if not isinstance(found, Mapping):
        return {}
    return {"charge_state": found} if "charging_state" in found else found


def state(raw: Raw) -> Mapping[str, Any]:
    """Translate one `vehicle_data`: miles, kW, and times in milliseconds but that of the schedule in seconds."""
    car = _car(raw)
    pending = flag(car, "charge_state", "scheduled_charging_pending")
    return {
        "soc_pct": number(car, "charge_state", "battery_level"),
        "limit_pct": number(car, "charge_state", "charge_limit_soc"),
        "range_km": km(number(car, "charge_state", "battery_range")),
        "plug": word(car, PLUGS, Plug.UNKNOWN, "charge_state", "charging_state"),
        "charge": word(car, CHARGES, Charge.UNKNOWN, "charge_state", "charging_state"),
        "power_kw": number(car, "charge_state", "charger_power"),
        "odometer_km": km(number(car, "vehicle_state", "odometer")),
        "scheduled_start": epoch(car, "charge_state", "scheduled_charging_start_time") if pending else None,
        "car_time": epoch(car, "charge_state", "timestamp", per_second=1000),
    }


def place(raw: Raw) -> tuple[float, float] | None:
    """Where the car was, if we may know."""
    where = {"drive_state": raw.get("Location")} if is_record(raw) else _car(raw)
    latitude, longitude = number(where, "drive_state", "latitude"), number(where, "drive_state", "longitude")
    return None if latitude is None or longitude is None else (latitude, longitude)


def schedule(ask: Ask) -> Mapping[str, Any]:
    """Our schedule: once, at home, in minutes after midnight there; seconds are dropped, early rather than late."""
    local = ask.start_at.astimezone(ask.zone)
    try:
        lat, lon = (float(part) for part in ask.details["home"].split(","))
    except (KeyError, ValueError):
        raise Unsupported("a schedule needs the place of the home") from None
    when = {"start_enabled": True, "start_time": local.hour * 60 + local.minute, "end_enabled": False}
    once = {"days_of_week": DAYS[local.weekday()], "one_time": True, "enabled": True}
    return {"id": SCHEDULE_ID, "lat": lat, "lon": lon, **when, **once}


def vehicles(raw: Raw) -> Sequence[Vehicle]:
    """Translate one answer of the vehicle list. Signed commands name a car by its VIN, which tells the model too."""
    vins = (needed(one, "vin") for one in objects(raw, "response"))
    return tuple(Vehicle(vin, MODELS.get(vin[3:4], "")) for vin in vins)


def capabilities(model: str) -> Can:
    """All can all; an operator whose cars stream registers them with "+stream" behind their model."""
    usual = Can.READ | Can.LIMIT | Can.START | Can.STOP | Can.WAKE | Can.SCHEDULE
    return usual | Can.STREAM if model.endswith("+stream") else usual


def _signed(name: str, body: Any = None) -> Call:
    return Call("POST", f"/api/1/vehicles/{{vehicle}}/command/{name}", body or {}, host="proxy")


CONNECTOR = Connector(
    name="tesla",
    title="Tesla",
    hosts=HOSTS,
    auth=OAuth2(token_path=TOKEN, lost=frozenset({"login_required", "invalid_grant"})),
    capabilities=capabilities,
    read=Call("GET", f"/api/1/vehicles/{{vehicle}}/vehicle_data?endpoints={ENDPOINTS}"),
    list_vehicles=Call("GET", "/api/1/vehicles"),
    commands={
        Action.START: _signed("charge_start"),
        Action.STOP: _signed("charge_stop"),
        Action.WAKE: Call("POST", "/api/1/vehicles/{vehicle}/wake_up", {}),
        Action.SCHEDULE: _signed("add_charge_schedule", schedule),
        Action.UNSCHEDULE: _signed("remove_charge_schedule", {"id": SCHEDULE_ID}),
    },
    kinds=(Kind("state", lambda raw: "charge_state" in _car(raw), state), Kind(STREAM, is_record, record)),
    vehicles=vehicles,
    limits=Limits(
        reads=Quota(60, timedelta(minutes=1)),
        commands=Quota(30, timedelta(minutes=1)),
        wakes=Quota(3, timedelta(minutes=1)),
    ),
    # Every answer is billed, that of a sleeping car too: 500 cost a dollar.
    pace=Pace(plugged=timedelta(minutes=1), idle=timedelta(minutes=30), sleeps_after=timedelta(minutes=15)),
    outcome=outcome,
    place=place,
    consent=Consent(
        flow=Flow.CODE,
        host="login",
        path="/oauth2/v3/authorize",
        scopes=tuple(SCOPES.split()),
        query={"nonce": "{state}"},
        form={"audience": "{audience}", "client_secret": "{client_secret}"},
        token_path=TOKEN,
        details=details,
    ),
    stream=Stream(topics=topics, decode=decode),
)
