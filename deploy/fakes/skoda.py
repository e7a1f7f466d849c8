"""A fake of Škoda's cloud: it takes commands at once, and only the next readings tell what became of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date
from typing import Any

from aiohttp import web
from pydantic import SecretStr

from deploy.fakes.maker import Maker, home_text, numbered, place
from deploy.fakes.moods import car_time, range_km, shown
from oem_connectors.credential import pack
from oem_connectors.simulator.cloud.car import SimCar
from oem_connectors.simulator.cloud.desk import Desk, Said, Trouble, Visit
from oem_connectors.simulator.cloud.states import Mode, Reply, Sample
from oem_connectors.simulator.cloud.tokens import Issued
from oem_connectors.simulator.cloud.truth import Truth
from oem_connectors.simulator.cloud.world import World
from streams.contracts.command import Action

TITLE, MODEL_ID = "Škoda Enyaq", "5AZJJ2"
WAKES_A_DAY = 3
_CHARGING = "/api/v1/charging/{vehicle}"
_STATES = {
    Mode.AWAY: "CONNECT_CABLE",
    Mode.IDLE: "READY_FOR_CHARGING",
    Mode.WAITING: "READY_FOR_CHARGING",
    Mode.STARTING: "READY_FOR_CHARGING",
    Mode.CHARGING: "CHARGING",
    Mode.FULL: "CONSERVING",
}
_STATUSES = {
    Trouble.OUTAGE: 503,
    Trouble.NOBODY: 401,
    Trouble.THROTTLED: 429,
    Trouble.NO_CAR: 404,
    Trouble.ERROR: 500,
    Trouble.DEAD_TOKEN: 401,
}


class Skoda(Desk):
    """It wakes cars by itself to deliver a command."""

    delivers_later = True

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._cars = {(truth.car.account, vin(truth.car)): truth for truth in world.cars.values()}
        self._wakes: Counter[tuple[str, date]] = Counter()

    def routes(self) -> list[web.RouteDef]:
        """Tokens, garage, charging, place, start, stop and wake."""
        return [
            web.post("/api/v1/authentication/refresh-token", self._token),
            self.at("GET", "/api/v2/garage", "vehicles", self._garage),
            self.at("GET", "/api/v2/garage/vehicles/{vehicle}", "vehicle", lambda at: Said(200, _info(at.car.car))),
            self.at("GET", _CHARGING, "state", lambda visit: self.read(visit, _charging)),
            self.at("GET", "/api/v1/maps/positions", "place", self._positions),
            self.at("POST", f"{_CHARGING}/start", "start", lambda visit: self.command(Action.START, visit)),
            self.at("POST", f"{_CHARGING}/stop", "stop", lambda visit: self.command(Action.STOP, visit)),
            self.at("POST", "/api/v1/vehicle-wakeup/{vehicle}", "wake", self._wake),
        ]

    def truth_of(self, account: str, vehicle: str) -> Truth | None:
        """By its identification number."""
        return self._cars.get((account, vehicle))

    def trouble(self, trouble: Trouble, visit: Visit) -> Said:
        """By status; only a dead refresh token is called so."""
        headers = {"Retry-After": str(visit.wait_seconds)} if trouble is Trouble.THROTTLED else {}
        body = {"error": "invalid_token"} if trouble is Trouble.DEAD_TOKEN else {}
        return Said(_STATUSES[trouble], body, headers)

    def reply(self, reply: Reply, action: Action, visit: Visit) -> Said:
        """What the car makes of it is told elsewhere, and later: here it is on its way or not possible at all."""
        del action, visit
        return Said(403) if reply is Reply.UNSUPPORTED else Said(202)

    async def _token(self, request: web.Request) -> web.StreamResponse:
        try:
            spent = str((await request.json())["token"])
        except (ValueError, TypeError, KeyError):
            return web.json_response({"error": "invalid_request"}, status=400)
        return await self.exchange(request, spent, _issued)

    def _garage(self, visit: Visit) -> Said:
        cars = self.world.of(visit.account)
        return Said(200, {"vehicles": [_listed(truth.car) for truth in cars], "errors": []})

    def _positions(self, visit: Visit) -> Said:
        """The car is named by the query."""
        truth = self.truth_of(visit.account, visit.request.query.get("vin", ""))
        if truth is None:
            return self.trouble(Trouble.NO_CAR, visit)
        sample = truth.sample(visit.now)
        if sample.mode is Mode.AWAY:
            return Said(200, {"positions": [], "errors": [{"type": "VEHICLE_IN_MOTION", "description": "driving"}]})
        latitude, longitude = place(at_home=sample.at_home)
        spot = {"type": "VEHICLE", "gpsCoordinates": {"latitude": latitude, "longitude": longitude}}
        return Said(200, {"positions": [spot], "errors": []})

    def _wake(self, visit: Visit) -> Said:
        """Three times a day and car."""
        today = visit.car.car.key, visit.now.date()
        if self._wakes[today] >= WAKES_A_DAY:
            return Said(429)
        self._wakes[today] += 1
        return self.command(Action.WAKE, visit)


def vin(car: SimCar) -> str:
    """A car's identification number."""
    return numbered(car, "TMB", 17)


def _issued(issued: Issued) -> Said:
    return Said(200, {"accessToken": issued.access_token, "refreshToken": issued.refresh_token, "idToken": ""})


def _charging(visit: Visit) -> Said:
    car, sample = visit.car.car, visit.car.sample(visit.now)
    at = car_time(car, sample).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Said(
        200,
        {
            "isVehicleInSavedLocation": sample.at_home,
            "status": _status(car, sample, visit.number),
            "settings": {
                "targetStateOfChargeInPercent": int(sample.limit_pct),
                "preferredChargeMode": "MANUAL",
                "availableChargeModes": ["MANUAL"],
                "chargingCareMode": "ACTIVATED",
                "autoUnlockPlugWhenCharged": "OFF",
                "maxChargeCurrentAc": "MAXIMUM",
                "batterySupport": "ENABLED",
            },
            "carCapturedTimestamp": at,
            "errors": [],
        },
    )


def _status(car: SimCar, sample: Sample, number: int) -> Mapping[str, Any]:
    """A state that the car does not tell is left out."""
    mode = shown(car, sample, number)
    battery = {
        "remainingCruisingRangeInMeters": range_km(car, sample) * 1000,
        "stateOfChargeInPercent": int(sample.soc_pct),
    }
    told = {"chargePowerInKw": round(sample.power_kw, 1), "remainingTimeToFullyChargedInMinutes": 0, "battery": battery}
    charging = {"chargeType": "AC"} if mode is Mode.CHARGING else {}
    return told | charging if mode is None else told | charging | {"state": _STATES[mode]}


def _listed(car: SimCar) -> Mapping[str, Any]:
    return {"vin": vin(car), "state": "ACTIVATED", "title": TITLE, "systemModelId": MODEL_ID, "devicePlatform": "WCAR"}


def _info(car: SimCar) -> Mapping[str, Any]:
    specification = {"title": TITLE, "systemModelId": MODEL_ID, "engine": {"type": "iV", "powerInKW": 150}}
    abilities: list[Mapping[str, Any]] = [
        {"id": name, "statuses": []} for name in ("CHARGING", "CHARGING_MEB", "VEHICLE_WAKE_UP_TRIGGER")
    ]
    told = {"vin": vin(car), "state": "ACTIVATED", "specification": specification}
    return told | {"capabilities": {"capabilities": abilities}}


def _grant(world: World, account: str) -> SecretStr:
    return pack(world.tokens.consent(account), {"home": home_text()})


MAKER = Maker(oem="skoda", desk=Skoda, model=f"{TITLE} {MODEL_ID}", vehicle=vin, grant=_grant)
