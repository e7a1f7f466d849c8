"""A fake of Renault's clouds: a login whose token stays, and Kamereon, whose errors may come with HTTP 200."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web
from pydantic import SecretStr

from deploy.fakes.maker import Maker, home_text, numbered, place
from deploy.fakes.moods import car_time, range_km, shown
from oem_connectors.credential import pack
from oem_connectors.simulator.cloud.car import SimCar
from oem_connectors.simulator.cloud.chance import digest
from oem_connectors.simulator.cloud.desk import DROPPED, NOBODY, Desk, Said, Trouble, Visit
from oem_connectors.simulator.cloud.faults import FaultKind
from oem_connectors.simulator.cloud.states import Mode, Reply, Sample
from oem_connectors.simulator.cloud.truth import Truth
from oem_connectors.simulator.cloud.world import World
from streams.contracts.command import Action

APP = {"api_key": "fake-kamereon-key", "login_key": "fake-gigya-key"}
#: Label and code of a Zoe of the second phase: started by one gateway, paused by the other.
LABEL, CODE = "ZOE", "X102VE"
_ACCOUNT = "/commerce/v1/accounts/{account_id}"
_KCA = _ACCOUNT + "/kamereon/kca/car-adapter"
_KCM = _ACCOUNT + "/kamereon/kcm/v1/vehicles/{vehicle}"
#: What stands for a value that the car does not know.
_NO_VALUE = -2147483648
_CHARGING_STATUS = {
    Mode.AWAY: -1.0,
    Mode.IDLE: 0.0,
    Mode.WAITING: 0.1,
    Mode.FULL: 0.2,
    Mode.STARTING: 0.3,
    Mode.CHARGING: 1.0,
}
#: Code, text and HTTP status of what is refused or breaks.
_TROUBLES = {
    Trouble.THROTTLED: ("err.func.wired.overloaded", "You have reached your quota limit", 429),
    Trouble.NO_CAR: ("err.func.wired.notFound", "Resource not found", 404),
    Trouble.ERROR: ("err.tech.500", "Invalid response from the upstream server ; 502 Bad Gateway", 500),
}
_REPLIES = {
    Reply.ASLEEP: ("err.tech.wired.kamereon-proxy", "Failed to forward request to remote service.", 500),
    Reply.BUSY: ("409001", "A remote CHARGE_MODE is already in progress", 409),
    Reply.UNSUPPORTED: ("err.tech.501", "This feature is not technically supported by this gateway", 501),
}


class Renault(Desk):
    """It wakes cars by itself, and takes a command for any car, whether it can follow it or not."""

    delivers_later = True

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._cars = {(truth.car.account, vin(truth.car)): truth for truth in world.cars.values()}
        self._jwts: dict[str, tuple[str, datetime]] = {}

    def routes(self) -> list[web.RouteDef]:
        """The login, the cars of an account, battery, place, and one way to start and one to pause and resume."""
        return [
            web.post("/accounts.getJWT", self._login),
            self.at("GET", f"{_ACCOUNT}/vehicles", "vehicles", self._vehicles),
            self.at("GET", f"{_KCA}/v2/cars/{{vehicle}}/battery-status", "state", lambda at: self.read(at, _battery)),
            self.at("GET", f"{_KCA}/v1/cars/{{vehicle}}/location", "place", lambda at: self.read(at, _location)),
            self.at("POST", f"{_KCA}/v1/cars/{{vehicle}}/actions/charging-start", "start", self._start),
            self.at("POST", f"{_KCM}/charge/pause-resume", "pause", self._pause_resume),
        ]

    def account_of(self, request: web.Request) -> str | None:
        """By the JWT, in the account that the path names, for an app that is known."""
        account, ends_at = self._jwts.get(request.headers.get("x-gigya-id_token", ""), (NOBODY, self.world.clock()))
        known = request.headers.get("apikey") == APP["api_key"]
        here = request.match_info.get("account_id") == account_id(account) and "country" in request.query
        return account if known and here and self.world.clock() < ends_at else None

    def truth_of(self, account: str, vehicle: str) -> Truth | None:
        """By its identification number."""
        return self._cars.get((account, vehicle))

    def trouble(self, trouble: Trouble, visit: Visit) -> Said:
        """In the words of Gigya, of Kamereon, or of the proxy before it, which speaks HTML."""
        if trouble is Trouble.OUTAGE:
            return Said(502, b"<html><h1>502 Bad Gateway</h1></html>", {"Content-Type": "text/html"})
        if trouble is Trouble.NOBODY:
            return Said(401)
        if trouble is Trouble.DEAD_TOKEN:
            return Said(200, {"errorCode": 403005, "statusCode": 403, "errorMessage": "Unauthorized user"})
        return _refused(*_TROUBLES[trouble], visit)

    def reply(self, reply: Reply, action: Action, visit: Visit) -> Said:
        """A command is echoed as soon as it is on its way: that the car did so already is nothing it knows."""
        del action
        return _refused(*_REPLIES[reply], visit) if reply in _REPLIES else Said(200, visit.json)

    async def _login(self, request: web.Request) -> web.StreamResponse:
        """Gives a JWT; the login token that asks for it stays good. Errors come with HTTP 200."""
        form = await request.post()
        login, known = str(form.get("login_token", "")), form.get("ApiKey") == APP["login_key"]
        account = self.world.tokens.owner_of(login) or NOBODY
        number, faults = await self._faults(f"{account} token")
        visit = Visit(request, self.world.clock(), account, b"", number, faults, None)
        if FaultKind.OUTAGE in faults:
            return await self.answer(visit, "token", self.trouble(Trouble.OUTAGE, visit))
        if not known or not self.world.tokens.good(login):
            return await self.answer(visit, "token", self.trouble(Trouble.DEAD_TOKEN, visit))
        token, lifetime = digest("jwt", login, number), timedelta(seconds=int(str(form.get("expiration", 300))))
        self._jwts[token] = account, visit.now + lifetime
        said = Said(200, {"errorCode": 0, "statusCode": 200, "id_token": token})
        return await self.answer(visit, "token", DROPPED if FaultKind.TOKEN_LOST in faults else said)

    def _vehicles(self, visit: Visit) -> Said:
        links = [{"brand": "RENAULT", "vehicleDetails": _details(truth.car)} for truth in self.world.of(visit.account)]
        return Said(200, {"accountId": account_id(visit.account), "country": "FR", "vehicleLinks": links})

    def _start(self, visit: Visit) -> Said:
        """This gateway starts cars of this model and cannot stop them."""
        asked = _asked(visit, "ChargingStart")
        if asked != "start":
            return _refused(*_REPLIES[Reply.UNSUPPORTED], visit)
        return self.command(Action.START, visit)

    def _pause_resume(self, visit: Visit) -> Said:
        action = {"pause": Action.STOP, "resume": Action.START}.get(_asked(visit, "ChargePauseResume"))
        if action is None:
            return _refused("err.func.400", "invalid action", 400, visit)
        return self.command(action, visit)


def vin(car: SimCar) -> str:
    """A car's identification number."""
    return numbered(car, "VF1", 17)


def account_id(account: str) -> str:
    """Renault's id of an account."""
    return digest("renault account", account)


def _refused(code: str, message: str, status: int, visit: Visit) -> Said:
    """An error; every other one comes with HTTP 200."""
    kind = "TECHNICAL" if code.startswith("err.tech") else "FUNCTIONAL"
    error = {"errorCode": code, "errorMessage": message}
    said = {"type": kind, "messages": [{"code": code, "message": message}], "errors": [error], "error_reference": kind}
    return Said(200 if visit.number % 2 else status, said)


def _asked(visit: Visit, kind: str) -> str:
    """The action of a body of this type, empty where it is none."""
    try:
        data = visit.json["data"]
        return str(data["attributes"]["action"]) if data["type"] == kind else ""
    except (TypeError, KeyError):
        return ""


def _battery(visit: Visit) -> Said:
    car, sample = visit.car.car, visit.car.sample(visit.now)
    return _told(visit, _attributes(car, sample, visit.number))


def _attributes(car: SimCar, sample: Sample, number: int) -> Mapping[str, Any]:
    mode = shown(car, sample, number)
    told = {
        "timestamp": car_time(car, sample).isoformat().replace("+00:00", "Z"),
        "batteryLevel": int(sample.soc_pct),
        "batteryAutonomy": range_km(car, sample),
        "batteryCapacity": 0,
        "batteryAvailableEnergy": round(sample.soc_pct / 100 * car.battery.usable_kwh),
        "plugStatus": _NO_VALUE if mode is None else int(mode is not Mode.AWAY),
        "chargingStatus": -1.0 if mode is None else _CHARGING_STATUS[mode],
    }
    charging = {"chargingInstantaneousPower": round(sample.power_kw * 1000), "chargingRemainingTime": 145}
    return told | charging if mode is Mode.CHARGING else told


def _location(visit: Visit) -> Said:
    sample = visit.car.sample(visit.now)
    latitude, longitude = place(at_home=sample.at_home)
    at = sample.at.isoformat().replace("+00:00", "Z")
    return _told(visit, {"gpsLatitude": latitude, "gpsLongitude": longitude, "lastUpdateTime": at})


def _told(visit: Visit, attributes: Mapping[str, Any]) -> Said:
    body = {"data": {"type": "Car", "id": vin(visit.car.car), "attributes": attributes}}
    return Said(200, json.dumps(body).encode(), {"Content-Type": "application/vnd.api+json"})


def _details(car: SimCar) -> Mapping[str, Any]:
    return {"vin": vin(car), "model": {"group": "971", "code": CODE, "label": LABEL}, "engineEnergyType": "ELEC"}


def _grant(world: World, account: str) -> SecretStr:
    details = {"account_id": account_id(account), "country": "FR", "home": home_text()}
    return pack(world.tokens.consent(account), details)


MAKER = Maker(oem="renault", desk=Renault, model=f"{LABEL} {CODE}", vehicle=vin, grant=_grant, app=APP)
