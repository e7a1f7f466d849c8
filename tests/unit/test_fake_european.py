"""The fakes of Renault, Škoda and Hyundai/Kia over HTTP: the shapes of recorded answers, and each maker's own traps."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.fakes.hyundai_kia import APP as KIA_APP
from deploy.fakes.maker import Maker, serve
from deploy.fakes.renault import APP as RENAULT_APP
from oem_connectors.credential import unpack
from oem_connectors.simulator.cloud.car import SimCar, Stay
from oem_connectors.simulator.cloud.faults import Fault, FaultKind, FaultScript
from oem_connectors.simulator.cloud.log import What
from oem_connectors.simulator.cloud.world import World

RECORDED = Path(__file__).parents[1] / "data" / "oem_api"
START = datetime(2026, 1, 5, 18, tzinfo=UTC)
HOUR = timedelta(hours=1)
CAR = SimCar(account="acc", vehicle="v1", stays=[Stay(START, START + 12 * HOUR, 40.0)])
ROAD = SimCar(account="acc", vehicle="v1", stays=[Stay(START + HOUR, START + 12 * HOUR, 40.0)])
CHARGE = {"data": {"type": "ChargingStart", "attributes": {"action": "start"}}}
STOP = {"data": {"type": "ChargingStart", "attributes": {"action": "stop"}}}
PAUSE = {"data": {"type": "ChargePauseResume", "attributes": {"action": "pause"}}}


@dataclass
class Cloud:
    """A fake on loopback, one account's first credential, and a clock that the test moves."""

    world: World
    maker: Maker
    http: httpx.AsyncClient
    clock: list[datetime]
    login: str
    details: dict[str, str]
    vehicle: str

    def later(self, **span: float) -> None:
        self.clock[0] += timedelta(**span)

    def changes(self) -> list[What]:
        self.world.settle(self.clock[0])
        return [change.what for change in self.world.log.effective()]

    async def renault(self) -> str:
        """The address of the account, logged in."""
        form = {"ApiKey": RENAULT_APP["login_key"], "login_token": self.login, "expiration": "900"}
        answer = (await self.http.post("/accounts.getJWT", data=form)).json()
        self.http.headers.update({"apikey": RENAULT_APP["api_key"], "x-gigya-id_token": answer.get("id_token", "")})
        return f"/commerce/v1/accounts/{self.details['account_id']}"

    async def skoda(self, token: str | None = None) -> httpx.Response:
        """Spend a refresh token."""
        body = {"token": token or self.login}
        answer = await self.http.post("/api/v1/authentication/refresh-token?tokenType=CONNECT", json=body)
        self.http.headers["Authorization"] = f"Bearer {answer.json().get('accessToken')}"
        return answer

    async def kia(self, **form: str) -> httpx.Response:
        """Spend a refresh token, then speak from the registered device."""
        form = {"grant_type": "refresh_token", "refresh_token": self.login, **KIA_APP, **form}
        answer = await self.http.post("/auth/api/v2/user/oauth2/token", data=form)
        bearer = f"Bearer {answer.json().get('access_token')}"
        self.http.headers.update({"Authorization": bearer, "ccsp-device-id": self.details["device_id"]})
        return answer


@asynccontextmanager
async def cloud(oem: str, *faults: Fault, car: SimCar = CAR) -> AsyncIterator[Cloud]:
    clock = [START + timedelta(minutes=1)]
    world = World([car], lambda: clock[0], faults=FaultScript(faults))
    made: Maker = import_module(f"deploy.fakes.{oem}").MAKER
    runner, url = await serve(made.desk(world))
    held = unpack(made.grant(world, "acc"))
    try:
        async with httpx.AsyncClient(base_url=url) as http:
            yield Cloud(world, made, http, clock, held.token, dict(held.details), made.vehicle(car))
    finally:
        await runner.cleanup()


def always(kind: FaultKind) -> Fault:
    return Fault(kind, START, START + 12 * HOUR)


def paths(told: Any, above: str = "") -> Iterator[str]:
    """Every member that an answer has, dotted, with those of all items of a list."""
    if isinstance(told, dict):
        for name, value in told.items():
            yield f"{above}.{name}"
            yield from paths(value, f"{above}.{name}")
    if isinstance(told, list):
        for item in told:
            yield from paths(item, above)


def recorded(pattern: str, *inside: str) -> set[str]:
    """Every member seen in the recorded answers of these names."""
    seen: set[str] = set()
    for file in sorted(RECORDED.glob(pattern)):
        told = json.loads(file.read_text(encoding="utf-8"))
        for name in inside:
            told = told.get(name) or {}
        seen |= set(paths(told))
    assert seen
    return seen


async def test_renault_speaks_as_recorded() -> None:
    async with cloud("renault") as at:
        account = await at.renault()
        adapter = f"{account}/kamereon/kca/car-adapter"
        state = await at.http.get(f"{adapter}/v2/cars/{at.vehicle}/battery-status?country=FR")
        where = await at.http.get(f"{adapter}/v1/cars/{at.vehicle}/location?country=FR")
        listed = await at.http.get(f"{account}/vehicles?country=FR")
        assert set(paths(state.json())) <= recorded("renault/vehicle_data/battery-status.*.json")
        assert set(paths(where.json())) <= recorded("renault/vehicle_data/location.*.json")
        assert set(paths(listed.json())) - {".accountId"} <= recorded("renault/vehicles/*.json") | {
            ".vehicleLinks.brand"
        }
        told = state.json()["data"]["attributes"]
        assert (told["plugStatus"], told["chargingStatus"]) == (1, 1.0)


async def test_renault_errors_are_as_recorded_and_may_come_with_200() -> None:
    known = {json.loads(file.read_text())["errors"][0]["errorCode"] for file in RECORDED.glob("renault/error/*.json")}
    async with cloud("renault", always(FaultKind.ERROR)) as at:
        account = await at.renault()
        path = f"{account}/kamereon/kca/car-adapter/v2/cars/{at.vehicle}/battery-status?country=FR"
        answers = [await at.http.get(path) for _ in range(4)]
        assert {answer.status_code for answer in answers} == {200, 500}
        assert {answer.json()["errors"][0]["errorCode"] for answer in answers} <= known
        shape = recorded("renault/error/*.json")
        assert all(set(paths(answer.json())) <= shape for answer in answers)


async def test_renault_starts_by_one_gateway_and_pauses_by_the_other() -> None:
    async with cloud("renault") as at:
        account = await at.renault()
        kca = f"{account}/kamereon/kca/car-adapter/v1/cars/{at.vehicle}/actions/charging-start?country=FR"
        kcm = f"{account}/kamereon/kcm/v1/vehicles/{at.vehicle}/charge/pause-resume?country=FR"
        assert (await at.http.post(kca, json=STOP)).json()["errors"][0]["errorCode"] == "err.tech.501"
        assert (await at.http.post(kcm, json=CHARGE)).json()["errors"][0]["errorCode"] == "err.func.400"
        assert at.changes() == []
        assert (await at.http.post(kcm, json=PAUSE)).json() == PAUSE
        at.later(minutes=2)
        assert (await at.http.post(kca, json=CHARGE)).json() == CHARGE
        at.later(minutes=2)
        assert at.changes() == [What.STOPPED, What.STARTED]


async def test_renaults_login_stays_and_its_tokens_live_a_quarter_of_an_hour() -> None:
    async with cloud("renault") as at:
        cars = f"{await at.renault()}/vehicles?country=FR"
        assert (await at.http.get(cars)).status_code == 200
        at.later(minutes=15)
        assert (await at.http.get(cars)).status_code == 401
        await at.renault()
        assert (await at.http.get(cars)).status_code == 200
        for name in ("apikey", "x-gigya-id_token"):
            assert (await at.http.get(cars, headers={name: "other"})).status_code == 401
        assert (await at.http.get("/commerce/v1/accounts/other/vehicles?country=FR")).status_code == 401
        at.world.tokens.revoke("acc")
        dead = await at.http.post(
            "/accounts.getJWT", data={"ApiKey": RENAULT_APP["login_key"], "login_token": at.login}
        )
        assert (dead.status_code, dead.json()["errorCode"]) == (200, 403005)


async def test_skoda_speaks_as_recorded() -> None:
    async with cloud("skoda") as at:
        await at.skoda()
        state = (await at.http.get(f"/api/v1/charging/{at.vehicle}")).json()
        where = (await at.http.get(f"/api/v1/maps/positions?vin={at.vehicle}")).json()
        info = (await at.http.get(f"/api/v2/garage/vehicles/{at.vehicle}")).json()
        for name, told in (("charging", state), ("positions", where), ("info", info)):
            assert set(paths(told)) <= recorded("skoda/*.json", "endpoints", name), name
        assert state["status"]["state"] == "CHARGING"
        assert state["status"]["battery"]["remainingCruisingRangeInMeters"] > 100_000


async def test_skoda_takes_commands_without_a_word_and_wakes_three_times_a_day() -> None:
    async with cloud("skoda") as at:
        await at.skoda()
        for _ in range(2):
            answer = await at.http.post(f"/api/v1/charging/{at.vehicle}/stop")
            assert (answer.status_code, answer.content) == (202, b"")
            at.later(minutes=2)
        assert at.changes() == [What.STOPPED]
        wake = f"/api/v1/vehicle-wakeup/{at.vehicle}?applyRequestLimiter=true"
        assert [(await at.http.post(wake)).status_code for _ in range(4)] == [202, 202, 202, 429]
        at.later(hours=7)
        assert (await at.http.post(wake)).status_code == 202


async def test_skoda_refresh_tokens_are_good_once() -> None:
    async with cloud("skoda") as at:
        first = await at.skoda()
        second = await at.skoda(first.json()["refreshToken"])
        assert second.status_code == 200
        again = await at.skoda()
        assert (again.status_code, again.json()) == (401, {"error": "invalid_token"})
        assert (await at.skoda(second.json()["refreshToken"])).status_code == 401, "the whole family is dead"


async def test_skoda_has_no_position_of_a_car_on_the_road() -> None:
    async with cloud("skoda", car=ROAD) as at:
        await at.skoda()
        where = (await at.http.get(f"/api/v1/maps/positions?vin={at.vehicle}")).json()
        assert where["positions"] == []
        assert (await at.http.get("/api/v1/maps/positions?vin=other")).status_code == 404


async def test_kia_speaks_as_recorded() -> None:
    async with cloud("hyundai_kia") as at:
        await at.kia()
        car = f"/api/v1/spa/vehicles/{at.vehicle}"
        state = (await at.http.get(f"{car}/status/latest")).json()
        where = (await at.http.get(f"{car}/location/park")).json()
        told = state["resMsg"]["vehicleStatusInfo"]
        assert set(paths(told)) <= recorded("hyundai_kia/eu_kia_ev6_*.json") | recorded(
            "hyundai_bluelink/europeStatus.json", "resMsg", "vehicleStatusInfo"
        )
        assert told["vehicleStatus"]["time"] == "20260105190100", "the cloud's own zone"
        assert set(where["resMsg"]) == {"coord", "time"}
        assert (state["retCode"], state["resCode"]) == ("S", "0000")


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (FaultKind.OUTAGE, "5031"),
        (FaultKind.ERROR, "9999"),
        (FaultKind.DUPLICATE, "4004"),
        (FaultKind.ASLEEP, "4081"),
    ],
)
async def test_kia_fails_with_codes_that_mostly_come_with_200(kind: FaultKind, code: str) -> None:
    later = Fault(kind, START + HOUR, START + 12 * HOUR)
    async with cloud("hyundai_kia", later) as at:
        await at.kia()
        at.later(hours=1)
        body = {"action": "stop", "deviceId": at.details["device_id"]}
        path = f"/api/v1/spa/vehicles/{at.vehicle}/control/charge"
        answers = [await at.http.post(path, json=body) for _ in range(6)]
        assert {(answer.json()["retCode"], answer.json()["resCode"]) for answer in answers} == {("F", code)}
        assert sum(answer.status_code == 200 for answer in answers) == 4
        assert len({answer.json()["msgId"] for answer in answers}) == 6


async def test_kia_takes_commands_from_the_registered_device_only() -> None:
    async with cloud("hyundai_kia") as at:
        await at.kia()
        path, device = f"/api/v1/spa/vehicles/{at.vehicle}/control/charge", at.details["device_id"]
        body = {"action": "stop", "deviceId": device}
        for wrong in (
            await at.http.post(path, json={**body, "deviceId": "other"}),
            await at.http.post(path, json=body, headers={"ccsp-device-id": "other"}),
        ):
            assert wrong.json()["resCode"] == "4002"
        assert (await at.http.post(path, json={**body, "action": "pause"})).json()["resCode"] == "4005"
        at.later(minutes=2)
        assert at.changes() == []
        assert (await at.http.post(path, json=body)).json()["retCode"] == "S"
        at.later(minutes=2)
        assert at.changes() == [What.STOPPED]


async def test_kia_gives_tokens_to_its_app_once_for_each_refresh_token() -> None:
    async with cloud("hyundai_kia") as at:
        assert (await at.kia(client_secret="other")).json() == {"error": "invalid_client"}
        assert (await at.kia()).status_code == 200
        again = await at.kia()
        assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
