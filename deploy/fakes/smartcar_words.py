"""Smartcar's words, v3: signals as JSON:API resources, errors by type and code, one answer of which may mix both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from deploy.fakes.maker import numbered
from deploy.fakes.moods import car_time, range_km, shown
from oem_connectors.simulator.cloud.car import SimCar
from oem_connectors.simulator.cloud.chance import chance, digest
from oem_connectors.simulator.cloud.states import Mode, Reply, Sample
from streams.contracts.command import Action

KM_PER_MILE = 1.609344
_GROUPS = {
    "tractionbattery": "TractionBattery",
    "charge": "Charge",
    "odometer": "Odometer",
    "location": "Location",
    "connectivitystatus": "ConnectivityStatus",
}
#: Client tests show two bodies of a success; which one the cloud sends is not documented.
SUCCESSES: tuple[Mapping[str, Any], ...] = (
    {"data": {"status": "SUCCESS"}},
    {"status": "success", "message": "Successfully sent request to vehicle"},
)


def vehicle_of(car: SimCar) -> str:
    """Smartcar's id of a car."""
    return numbered(car, "", 36).lower()


class Trouble(NamedTuple):
    """An error by its HTTP status, type and code, with what the vendor advises."""

    status: int
    type: str
    code: str | None
    resolution: str | None = None


ASLEEP = Trouble(409, "VEHICLE_STATE", "ASLEEP", "RETRY_LATER")
UNREACHABLE = Trouble(409, "VEHICLE_STATE", "UNREACHABLE", "RETRY_LATER")
NOT_CAPABLE = Trouble(501, "COMPATIBILITY", "VEHICLE_NOT_CAPABLE")
NO_USER = Trouble(400, "VALIDATION", "PARAMETER")
UNAUTHORIZED = Trouble(401, "AUTHENTICATION", "UNAUTHORIZED")
DENIED = Trouble(403, "AUTHENTICATION", "ACCESS_DENIED", "REAUTHENTICATE")
NO_PATH = Trouble(404, "RESOURCE_NOT_FOUND", "PATH")
THROTTLED = Trouble(429, "RATE_LIMIT", "VEHICLE", "RETRY_LATER")
INTERNAL = Trouble(500, "SERVER", "INTERNAL", "RETRY_LATER")
UPSTREAM = Trouble(502, "UPSTREAM", "NO_RESPONSE", "RETRY_LATER")


def error(trouble: Trouble) -> Mapping[str, Any]:
    """An error object of v3."""
    return {
        "type": trouble.type,
        "code": trouble.code,
        "title": f"{trouble.type}: {trouble.code}",
        "detail": "See the documentation of this error.",
        "status": trouble.status,
        "resolution": {"type": trouble.resolution},
        "suggestedUserMessage": None,
        "links": {},
        "meta": {},
    }


def refusal(reply: Reply, action: Action, mode: Mode) -> Trouble | None:
    """How the car's refusal is told; None where it took the command."""
    if reply is Reply.ALREADY:
        if action is Action.STOP:
            return Trouble(409, "VEHICLE_STATE", "NOT_CHARGING")
        return Trouble(409, "VEHICLE_STATE", "FULLY_CHARGED" if mode is Mode.FULL else "CHARGING_IN_PROGRESS")
    return {
        Reply.ASLEEP: ASLEEP,
        Reply.BUSY: UNREACHABLE,
        Reply.NOT_PLUGGED: Trouble(409, "VEHICLE_STATE", "CHARGING_PLUG_NOT_CONNECTED"),
        Reply.UNSUPPORTED: NOT_CAPABLE,
    }.get(reply)


def answer(car: SimCar, sample: Sample, *, place: tuple[float, float], asleep: bool, now: datetime, number: int) -> Any:
    """The `number`th answer about all signals of a car, good ones and failed ones in one HTTP 200."""
    meta = {"retrievedAt": _millis(now), "oemUpdatedAt": _millis(car_time(car, sample))}
    self = f"/vehicles/{vehicle_of(car)}"
    data = []
    for code, body in _bodies(car, sample, place, number, asleep=asleep):
        attributes: dict[str, Any] = {"code": code, "name": code, "group": _GROUPS[code.partition("-")[0]]}
        failed = {"value": "ERROR", "error": {"type": NOT_CAPABLE.type, "code": NOT_CAPABLE.code}}
        attributes |= {"status": failed} if body is None else {"status": {"value": "SUCCESS"}, "body": body}
        links = {"self": f"{self}/signals/{code}"}
        data.append({"id": code, "type": "signal", "attributes": attributes, "meta": meta, "links": links})
    vehicle = {
        "id": vehicle_of(car),
        "type": "vehicle",
        "attributes": {"make": "TESLA", "model": car.model, "year": "2024"},
    }
    counts = {"totalCount": len(data), "pageSize": len(data), "page": 1}
    return {"data": data, "meta": counts, "links": {"self": f"{self}/signals"}, "included": {"vehicle": vehicle}}


def _bodies(
    car: SimCar, sample: Sample, place: tuple[float, float], number: int, *, asleep: bool
) -> Iterator[tuple[str, Mapping[str, Any] | None]]:
    """Signals by code; None where the car cannot tell."""
    imperial, mode = chance(car.key, "units") < 0.5, shown(car, sample, number)
    limit = {"type": "GLOBAL" if imperial else "global", "limit": sample.limit_pct, "condition": None}
    yield "tractionbattery-stateofcharge", {"value": int(sample.soc_pct), "unit": "percent"}
    yield "tractionbattery-range", _distance(range_km(car, sample), "miles" if imperial else "km")
    yield "charge-ischarging", {"value": sample.mode is Mode.CHARGING}
    yield "charge-ischargingcableconnected", None if mode is None else {"value": mode is not Mode.AWAY}
    yield "charge-chargelimits", {"values": [limit], "activeLimit": sample.limit_pct, "unit": "percent"}
    yield "charge-chargetimers", None
    yield "odometer-traveleddistance", _distance(sample.odometer_km, "miles" if imperial else "kilometers")
    yield "location-preciselocation", {"latitude": place[0], "longitude": place[1]}
    yield "connectivitystatus-isasleep", {"value": asleep}


def connections(cars: Sequence[tuple[str, str]], number: int, size: int, now: datetime) -> Mapping[str, Any]:
    """A page of (user id, vehicle id)."""
    page = cars[(number - 1) * size : number * size]
    data = [
        {
            "id": digest("connection", vehicle),
            "type": "connection",
            "attributes": {"userId": user, "vehicleId": vehicle, "mode": "live", "connectedAt": now.isoformat()},
            "relationships": {
                "user": {"data": {"type": "user", "id": user}},
                "vehicle": {"data": {"type": "vehicle", "id": vehicle}},
            },
        }
        for user, vehicle in page
    ]
    meta = {"pageNumber": number, "pageSize": size, "totalCount": len(cars)}
    following = f"/connections?page[number]={number + 1}" if number * size < len(cars) else None
    return {"data": data, "meta": meta, "links": {"self": "/connections", "next": following}}


def _distance(km: float, unit: str) -> Mapping[str, Any]:
    return {"value": round(km / KM_PER_MILE if unit == "miles" else km, 3), "unit": unit}


def _millis(at: datetime) -> int:
    return int(at.timestamp() * 1000)
