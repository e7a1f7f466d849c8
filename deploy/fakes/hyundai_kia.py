"""A fake of Hyundai's and Kia's European cloud, older cars: success and failure are codes, mostly with HTTP 200."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web
from pydantic import SecretStr

from deploy.fakes.maker import Maker, home_text, numbered, place
from deploy.fakes.moods import car_time, range_km, shown
from oem_connectors.credential import pack
from oem_connectors.simulator.cloud.car import SimCar
from oem_connectors.simulator.cloud.chance import digest
from oem_connectors.simulator.cloud.desk import Desk, Said, Trouble, Visit
from oem_connectors.simulator.cloud.states import Mode, Reply, Sample
from oem_connectors.simulator.cloud.tokens import Issued
from oem_connectors.simulator.cloud.truth import Truth
from oem_connectors.simulator.cloud.world import World
from streams.contracts.command import Action

APP = {"client_id": "fake-service", "client_secret": "fake-secret", "app_id": "fake-app", "stamp": "fake-stamp"}
NAME = "Niro EV"
_CARS = "/api/v1/spa/vehicles"
_KM, _FAST_PLUG, _SLOW_PLUG, _WALL_BOX = 1, 0, 1, 3
#: `resCode` of what is refused or breaks. Undefined: it may have been done.
DUPLICATE, TIMEOUT, UNSUPPORTED, BAD_DEVICE = "4004", "4081", "4005", "4002"
UNAVAILABLE, TOO_MANY, UNDEFINED = "5031", "5091", "9999"
_CODES = {Trouble.OUTAGE: UNAVAILABLE, Trouble.THROTTLED: TOO_MANY, Trouble.ERROR: UNDEFINED}
_REFUSALS = {Reply.BUSY: DUPLICATE, Reply.ASLEEP: TIMEOUT, Reply.UNSUPPORTED: UNSUPPORTED}


class HyundaiKia(Desk):
    """It wakes cars by itself, and takes a command for any car, whether it can follow it or not."""

    delivers_later = True

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._cars = {(truth.car.account, vehicle_id(truth.car)): truth for truth in world.cars.values()}

    def routes(self) -> list[web.RouteDef]:
        """Tokens, list, the cloud's last state of a car, its place, start and stop."""
        return [
            web.post("/auth/api/v2/user/oauth2/token", self._token),
            self.at("GET", _CARS, "vehicles", self._vehicles),
            self.at("GET", f"{_CARS}/{{vehicle}}/status/latest", "state", lambda visit: self.read(visit, _state)),
            self.at("GET", f"{_CARS}/{{vehicle}}/location/park", "place", lambda visit: self.read(visit, _parked)),
            self.at("POST", f"{_CARS}/{{vehicle}}/control/charge", "charge", self._charge),
        ]

    def truth_of(self, account: str, vehicle: str) -> Truth | None:
        """By the cloud's own id."""
        return self._cars.get((account, vehicle))

    def trouble(self, trouble: Trouble, visit: Visit) -> Said:
        """By code, but for those who have no token and cars that there are not."""
        if trouble is Trouble.DEAD_TOKEN:
            return Said(400, {"error": "invalid_grant", "error_description": "refresh token is not valid"})
        if trouble in _CODES:
            return _failed(_CODES[trouble], visit)
        return Said(401 if trouble is Trouble.NOBODY else 404)

    def reply(self, reply: Reply, action: Action, visit: Visit) -> Said:
        """A command is taken; what the car makes of it is told under the message's id, and by later states."""
        del action
        return _failed(_REFUSALS[reply], visit) if reply in _REFUSALS else _succeeded({}, visit)

    async def _token(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        if any(form.get(name) != APP[name] for name in ("client_id", "client_secret")):
            return web.json_response({"error": "invalid_client"}, status=401)
        return await self.exchange(request, str(form.get("refresh_token", "")), _issued)

    def _vehicles(self, visit: Visit) -> Said:
        cars = [
            {"vehicleId": vehicle_id(truth.car), "vehicleName": NAME, "type": "EV", "ccuCCS2ProtocolSupport": 0}
            for truth in self.world.of(visit.account)
        ]
        return _succeeded({"vehicles": cars}, visit)

    def _charge(self, visit: Visit) -> Said:
        """From a device that has been registered for the account."""
        asked = visit.json if isinstance(visit.json, dict) else {}
        action = {"start": Action.START, "stop": Action.STOP}.get(str(asked.get("action")))
        device = device_id(visit.account)
        if asked.get("deviceId") != device or visit.request.headers.get("ccsp-device-id") != device:
            return _failed(BAD_DEVICE, visit)
        return _failed(UNSUPPORTED, visit) if action is None else self.command(action, visit)


def vehicle_id(car: SimCar) -> str:
    """The cloud's own id of a car."""
    return numbered(car, "", 36).lower()


def device_id(account: str) -> str:
    """The device that an account was linked with."""
    return digest("hyundai device", account)


def _issued(issued: Issued) -> Said:
    return Said(200, {"token_type": "Bearer"} | issued.as_json())


def _succeeded(told: Mapping[str, Any], visit: Visit) -> Said:
    return Said(200, {"retCode": "S", "resCode": "0000", "resMsg": told, "msgId": _message(visit)})


def _failed(code: str, visit: Visit) -> Said:
    """A failure; every third comes with a status that says so too."""
    status = 200 if visit.number % 3 else 503 if code.startswith("50") else 400
    return Said(status, {"retCode": "F", "resCode": code, "resMsg": "See the code.", "msgId": _message(visit)})


def _message(visit: Visit) -> str:
    return digest("message", visit.account, visit.number)


def _state(visit: Visit) -> Said:
    """The state has its time in the cloud's zone, without naming it."""
    car, sample = visit.car.car, visit.car.sample(visit.now)
    at = _local(car_time(car, sample))
    told = {
        "vehicleLocation": {"coord": _spot(sample), "time": at},
        "vehicleStatus": {"evStatus": _ev(car, sample, visit.number), "battery": {"batSoc": 85}, "time": at},
        "odometer": {"value": round(sample.odometer_km, 1), "unit": _KM},
    }
    return _succeeded({"vehicleStatusInfo": told}, visit)


def _ev(car: SimCar, sample: Sample, number: int) -> Mapping[str, Any]:
    """A plug that the car does not tell is left out."""
    mode = shown(car, sample, number)
    reach = {"value": range_km(car, sample), "unit": _KM}
    limits = {_FAST_PLUG: 100, _SLOW_PLUG: int(sample.limit_pct)}
    told = {
        "batteryStatus": int(sample.soc_pct),
        "batteryCharge": sample.mode is Mode.CHARGING,
        "drvDistance": [{"rangeByFuel": {"evModeRange": reach, "totalAvailableRange": reach}, "type": 2}],
        "reservChargeInfos": {
            "targetSOClist": [{"plugType": plug, "targetSOClevel": limit} for plug, limit in limits.items()]
        },
    }
    return told if mode is None else told | {"batteryPlugin": 0 if mode is Mode.AWAY else _WALL_BOX}


def _parked(visit: Visit) -> Said:
    sample = visit.car.sample(visit.now)
    return _succeeded({"coord": _spot(sample), "time": _local(sample.at)}, visit)


def _spot(sample: Sample) -> Mapping[str, float]:
    latitude, longitude = place(at_home=sample.at_home)
    return {"lat": latitude, "lon": longitude}


def _local(at: datetime) -> str:
    return f"{at.astimezone(ZoneInfo('Europe/Berlin')):%Y%m%d%H%M%S}"


def _grant(world: World, account: str) -> SecretStr:
    return pack(world.tokens.consent(account), {"device_id": device_id(account), "home": home_text()})


MAKER = Maker(oem="hyundai_kia", desk=HyundaiKia, model=f"{NAME} v1", vehicle=vehicle_id, grant=_grant, app=APP)
