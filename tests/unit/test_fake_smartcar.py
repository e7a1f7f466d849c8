"""The fake Smartcar speaks as the vendor documents it; and our connector gets a car charged through it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from deploy.fakes.app import LIFETIME
from deploy.fakes.maker import APP, serve
from deploy.fakes.smartcar import MAKER, Smartcar, user_of
from deploy.fakes.smartcar_words import vehicle_of
from oem_connectors.errors import OutcomeUnknown
from oem_connectors.http import OemClient
from oem_connectors.simulator.cloud.car import SimCar, Stay
from oem_connectors.simulator.cloud.faults import Fault, FaultKind, FaultScript
from oem_connectors.simulator.cloud.log import What
from oem_connectors.simulator.cloud.world import World
from oem_connectors.smartcar import CONNECTOR
from oem_connectors.wire import hosts_of
from streams.contracts.command import Action
from streams.contracts.telemetry import Charge, Plug

START = datetime(2026, 1, 5, 18, tzinfo=UTC)
FOREVER = (START - timedelta(days=1), START + timedelta(days=9))
CAR = SimCar(account="acc", vehicle="v1", stays=[Stay(START, START + timedelta(hours=13), 40.0)])
USER, VEHICLE = user_of("acc"), vehicle_of(CAR)
TOKEN = {"grant_type": "client_credentials", **APP}


@dataclass
class Cloud:
    """The fake on loopback, and a clock that stands still."""

    world: World
    desk: Smartcar
    url: str
    http: httpx.AsyncClient
    clock: list[datetime]
    headers: dict[str, str] = field(default_factory=dict)

    def later(self, **span: float) -> None:
        self.clock[0] += timedelta(**span)

    async def log_in(self) -> httpx.Response:
        answer = await self.http.post(f"{self.url}/oauth2/token", data=TOKEN)
        self.headers = {"Authorization": f"Bearer {answer.json()['access_token']}", "sc-user-id": USER}
        return answer

    async def ask(self, method: str, path: str, **headers: str) -> httpx.Response:
        return await self.http.request(method, f"{self.url}/v3{path}", headers=self.headers | headers)

    async def told(self, action: str) -> httpx.Response:
        return await self.ask("POST", f"/vehicles/{VEHICLE}/commands/charge/{action}")

    async def signals(self) -> dict[str, Any]:
        answer = await self.ask("GET", f"/vehicles/{VEHICLE}/signals")
        assert answer.status_code == 200
        return {one["attributes"]["code"]: one["attributes"] for one in answer.json()["data"]}

    def connector(self) -> OemClient:
        app = {name: SecretStr(value) for name, value in MAKER.app.items()}
        return OemClient(CONNECTOR, self.http, hosts_of(CONNECTOR, {"smartcar": self.url}), app)


@asynccontextmanager
async def cloud(*faults: Fault, car: SimCar = CAR) -> AsyncIterator[Cloud]:
    clock = [START + timedelta(minutes=1)]
    world = World([car], lambda: clock[0], faults=FaultScript(faults))
    desk = Smartcar(world)
    runner, url = await serve(desk)
    try:
        async with httpx.AsyncClient() as http:
            yield Cloud(world, desk, url, http, clock)
    finally:
        await runner.cleanup()


async def test_the_token_is_the_apps_and_lives_an_hour() -> None:
    async with cloud() as smartcar:
        answer = await smartcar.log_in()
        assert set(answer.json()) == {"access_token", "token_type", "expires_in"}
        assert answer.json()["expires_in"] == 3600
        assert (await smartcar.ask("GET", f"/vehicles/{VEHICLE}/signals")).status_code == 200
        smartcar.clock[0] += LIFETIME
        dead = await smartcar.ask("GET", f"/vehicles/{VEHICLE}/signals")
        assert (dead.status_code, dead.json()["type"]) == (401, "AUTHENTICATION")


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({**TOKEN, "client_secret": "wrong"}, 401, "invalid_client"),
        ({**TOKEN, "grant_type": "refresh_token"}, 400, "invalid_request"),
        ({}, 400, "invalid_request"),
    ],
)
async def test_a_wrong_app_gets_no_token(form: dict[str, str], status: int, error: str) -> None:
    async with cloud() as smartcar:
        for answer in (
            await smartcar.http.post(f"{smartcar.url}/oauth2/token", data=form),
            await smartcar.http.post(f"{smartcar.url}/oauth2/token", json=form),
        ):
            assert (answer.status_code, answer.json()) == (status, {"error": error})


async def test_a_call_names_its_driver() -> None:
    async with cloud() as smartcar:
        await smartcar.log_in()
        for user, status, code in (("", 400, "PARAMETER"), ("someone", 403, "ACCESS_DENIED")):
            answer = await smartcar.ask("GET", f"/vehicles/{VEHICLE}/signals", **{"sc-user-id": user})
            assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert (await smartcar.ask("GET", "/vehicles/other/signals")).json()["type"] == "RESOURCE_NOT_FOUND"
        smartcar.desk.withdrawn.add("acc")
        assert (await smartcar.ask("GET", f"/vehicles/{VEHICLE}/signals")).status_code == 403


async def test_one_answer_mixes_good_signals_and_failed_ones() -> None:
    async with cloud() as smartcar:
        await smartcar.log_in()
        found = await smartcar.signals()
        assert found["tractionbattery-stateofcharge"]["body"] == {"value": 40, "unit": "percent"}
        assert found["charge-ischarging"]["body"] == {"value": True}
        failed = found["charge-chargetimers"]
        assert "body" not in failed
        assert failed["status"] == {
            "value": "ERROR",
            "error": {"type": "COMPATIBILITY", "code": "VEHICLE_NOT_CAPABLE"},
        }


async def test_connections_come_in_pages_of_ten() -> None:
    async with cloud() as smartcar:
        await smartcar.log_in()
        first = (await smartcar.ask("GET", "/connections")).json()
        assert (first["meta"], len(first["data"])) == ({"pageNumber": 1, "pageSize": 10, "totalCount": 1}, 1)
        assert first["data"][0]["relationships"]["vehicle"]["data"]["id"] == VEHICLE
        second = (await smartcar.ask("GET", "/connections?page[number]=2&page[size]=1")).json()
        assert (second["data"], second["links"]["next"]) == ([], None)


async def test_what_already_is_so_is_a_conflict() -> None:
    async with cloud() as smartcar:
        await smartcar.log_in()
        for action, code in (("start", "CHARGING_IN_PROGRESS"), ("stop", None), ("stop", "NOT_CHARGING")):
            answer = await smartcar.told(action)
            assert answer.status_code == (200 if code is None else 409)
            assert answer.json().get("code") == code
            smartcar.later(minutes=1)
        smartcar.later(hours=14)
        await smartcar.log_in()
        assert (await smartcar.told("start")).json()["code"] == "CHARGING_PLUG_NOT_CONNECTED"


async def test_a_full_car_says_so() -> None:
    full = SimCar(account="acc", vehicle="v1", stays=[Stay(START, START + timedelta(hours=9), 90.0)], limit_pct=90)
    async with cloud(car=full) as smartcar:
        await smartcar.log_in()
        assert (await smartcar.told("start")).json()["code"] == "FULLY_CHARGED"


async def test_a_sleeping_car_is_woken_and_told_while_the_answer_is_held_open() -> None:
    async with cloud() as smartcar:
        await smartcar.log_in()
        await smartcar.told("stop")
        smartcar.later(minutes=40)
        assert (await smartcar.signals())["connectivitystatus-isasleep"]["body"] == {"value": True}
        answer = await smartcar.told("start")
        assert answer.status_code == 202
        assert "content-length" not in answer.headers
        assert answer.json().get("type") is None  # a success
        smartcar.later(minutes=2)
        await smartcar.signals()
        smartcar.later(minutes=2)
        assert (await smartcar.signals())["charge-ischarging"]["body"] == {"value": True}


async def test_a_slow_command_may_end_in_an_error_after_202() -> None:
    slow = Fault(FaultKind.LATENCY, *FOREVER, delay_seconds=0.0)
    async with cloud(slow) as smartcar:
        await smartcar.log_in()
        answer = await smartcar.told("start")
        assert (answer.status_code, answer.json()["status"]) == (202, 409)
        assert answer.json()["code"] == "CHARGING_IN_PROGRESS"


async def test_a_held_answer_may_break_off_after_the_deed() -> None:
    async with cloud(Fault(FaultKind.DROPPED, *FOREVER)) as smartcar:
        await smartcar.log_in()
        with pytest.raises(httpx.RemoteProtocolError):
            await smartcar.told("stop")
        smartcar.world.settle(START + timedelta(minutes=3))
        assert [change.what for change in smartcar.world.log.changes][-1] is What.STOPPED


async def test_too_many_calls_wait_in_seconds() -> None:
    async with cloud() as smartcar:
        await smartcar.log_in()
        smartcar.world.budgets.reads_per_minute = 1
        await smartcar.signals()
        answer = await smartcar.ask("GET", f"/vehicles/{VEHICLE}/signals")
        assert (answer.status_code, answer.json()["type"], answer.headers["retry-after"]) == (429, "RATE_LIMIT", "60")


async def test_our_connector_reads_stops_and_starts_through_it() -> None:
    async with cloud() as smartcar:
        client = smartcar.connector()
        grant = await client.refresh(MAKER.grant(smartcar.world, "acc"), smartcar.clock[0])
        (listed,) = await client.list_vehicles(grant)
        assert listed.id == VEHICLE

        async def read() -> tuple[Plug, Charge, bool | None]:
            said = await client.read(grant, CAR.key, VEHICLE, smartcar.clock[0], CAR.model)
            return said.plug, said.charge, said.at_home

        assert await read() == (Plug.PLUGGED, Charge.CHARGING, True)
        assert await client.command(grant, VEHICLE, Action.START, "c1") == "already"
        assert await client.command(grant, VEHICLE, Action.STOP, "c2", "p") is None
        smartcar.later(minutes=2)
        assert await read() == (Plug.PLUGGED, Charge.IDLE, True)
        smartcar.later(minutes=40)
        assert await client.command(grant, VEHICLE, Action.START, "c3", "p") is None
        smartcar.later(minutes=2)
        await read()
        smartcar.later(minutes=2)
        assert (await read())[1] is Charge.CHARGING
        assert [change.cause.command_id for change in smartcar.world.log.effective()] == ["c2", "c3"]
        smartcar.later(hours=13)
        grant = await client.refresh(grant.refresh_token, smartcar.clock[0])
        assert await read() == (Plug.UNPLUGGED, Charge.IDLE, False)


async def test_an_answer_that_breaks_off_leaves_our_connector_unsure() -> None:
    async with cloud(Fault(FaultKind.DROPPED, START + timedelta(minutes=2), FOREVER[1])) as smartcar:
        client = smartcar.connector()
        grant = await client.refresh(MAKER.grant(smartcar.world, "acc"), smartcar.clock[0])
        smartcar.later(minutes=2)
        with pytest.raises(OutcomeUnknown):
            await client.command(grant, VEHICLE, Action.STOP, "c1")
