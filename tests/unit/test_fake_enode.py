"""The fake Enode speaks as its documents say; and our connector gets a car charged through it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from enode.models import ChargeAction, GetVehicleResponse, PaginatedVehicleList
from pydantic import SecretStr

from deploy.fakes.app import LIFETIME
from deploy.fakes.enode import MAKER, PATIENCE, Enode, user_of
from deploy.fakes.enode_words import vehicle_of
from deploy.fakes.maker import APP, serve
from oem_connectors.enode import CONNECTOR
from oem_connectors.errors import OutcomeUnknown, Rejected
from oem_connectors.http import OemClient
from oem_connectors.simulator.cloud.car import Personality, SimCar, Stay
from oem_connectors.simulator.cloud.faults import Fault, FaultKind, FaultScript
from oem_connectors.simulator.cloud.world import World
from oem_connectors.wire import hosts_of
from streams.contracts.command import Action
from streams.contracts.telemetry import Charge, Plug

START = datetime(2026, 1, 5, 18, tzinfo=UTC)
FOREVER = (START - timedelta(days=1), START + timedelta(days=9))
STAY = Stay(START, START + timedelta(hours=13), 40.0)
CAR = SimCar(account="acc", vehicle="v1", stays=[STAY])
USER, VEHICLE = user_of("acc"), vehicle_of(CAR)
FORM = {"grant_type": "client_credentials"}
PAIR = (APP["client_id"], APP["client_secret"])


@dataclass
class Cloud:
    """The fake on loopback, and a clock that stands still."""

    world: World
    desk: Enode
    url: str
    http: httpx.AsyncClient
    clock: list[datetime]
    headers: dict[str, str] = field(default_factory=dict)

    def later(self, **span: float) -> None:
        self.clock[0] += timedelta(**span)

    async def log_in(self) -> httpx.Response:
        answer = await self.http.post(f"{self.url}/oauth2/token", data=FORM, auth=PAIR)
        self.headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        return answer

    async def get(self, path: str) -> httpx.Response:
        return await self.http.get(self.url + path, headers=self.headers)

    async def told(self, action: str) -> httpx.Response:
        url = f"{self.url}/vehicles/{VEHICLE}/charging"
        return await self.http.post(url, headers=self.headers, json={"action": action})

    async def action(self, action: str) -> dict[str, Any]:
        answer = await self.told(action)
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        ChargeAction.model_validate(found)
        return found

    async def followed(self, action: dict[str, Any]) -> tuple[str, str | None]:
        found = (await self.get(f"/vehicles/actions/{action['id']}")).json()
        ChargeAction.model_validate(found)
        return found["state"], (found["failureReason"] or {}).get("type")

    def connector(self) -> OemClient:
        app = {name: SecretStr(value) for name, value in MAKER.app.items()}
        return OemClient(CONNECTOR, self.http, hosts_of(CONNECTOR, {"enode": self.url}), app)


@asynccontextmanager
async def cloud(*faults: Fault, car: SimCar = CAR) -> AsyncIterator[Cloud]:
    clock = [START + timedelta(minutes=1)]
    world = World([car], lambda: clock[0], faults=FaultScript(faults))
    desk = Enode(world)
    runner, url = await serve(desk)
    try:
        async with httpx.AsyncClient() as http:
            yield Cloud(world, desk, url, http, clock)
    finally:
        await runner.cleanup()


async def test_the_token_is_the_apps_and_lives_an_hour() -> None:
    async with cloud() as fake:
        assert (await fake.log_in()).json()["expires_in"] == 3600
        assert (await fake.get(f"/vehicles/{VEHICLE}")).status_code == 200
        fake.clock[0] += LIFETIME
        assert (await fake.get(f"/vehicles/{VEHICLE}")).status_code == 401
        assert (await fake.http.post(f"{fake.url}/oauth2/token", data=FORM, auth=("a", "b"))).status_code == 401
        assert (await fake.http.post(f"{fake.url}/oauth2/token", data={}, auth=PAIR)).status_code == 400


@pytest.mark.parametrize("personality", [Personality.NORMAL, Personality.AMBIGUOUS_PLUG])
async def test_a_vehicle_is_one_of_the_vendors_own_models(personality: Personality) -> None:
    async with cloud(car=SimCar(account="acc", vehicle="v1", stays=[STAY], personality=personality)) as fake:
        await fake.log_in()
        for hours in (0, 8, 14):
            fake.clock[0] = START + timedelta(hours=hours, minutes=1)
            await fake.log_in()
            one = (await fake.get(f"/vehicles/{VEHICLE}")).json()
            GetVehicleResponse.model_validate(one)
            listed = (await fake.get(f"/users/{USER}/vehicles")).json()
            PaginatedVehicleList.model_validate(listed)
            assert [car["id"] for car in listed["data"]] == [VEHICLE]
            silent = personality is Personality.AMBIGUOUS_PLUG and hours > 0
            assert (one["chargeState"]["isPluggedIn"] is None) is silent


async def test_what_nobody_has_cannot_be_found() -> None:
    async with cloud() as fake:
        await fake.log_in()
        for path in ("/vehicles/other", "/users/other/vehicles", "/vehicles/actions/other"):
            answer = await fake.get(path)
            assert (answer.status_code, set(answer.json())) == (404, {"type", "title", "detail"})


async def test_an_action_is_pending_until_its_effect_is_seen() -> None:
    async with cloud() as fake:
        await fake.log_in()
        stop = await fake.action("STOP")
        assert (stop["state"], stop["completedAt"]) == ("PENDING", None)
        assert (await fake.action("STOP"))["id"] == stop["id"]
        fake.later(minutes=2)
        assert await fake.followed(stop) == ("CONFIRMED", None)
        again = await fake.action("STOP")
        assert (again["state"], again["failureReason"]["type"]) == ("FAILED", "UNNECESSARY")
        await fake.action("START")
        fake.clock[0] += PATIENCE
        assert await fake.followed(stop) == ("CONFIRMED", None)  # what is over stays as it is


async def test_the_opposite_cancels_what_is_pending() -> None:
    async with cloud() as fake:
        await fake.log_in()
        stop = await fake.action("STOP")
        start = await fake.action("START")
        assert start["state"] == "PENDING"
        assert await fake.followed(stop) == ("CANCELLED", "REQUESTED_CANCELLATION")


async def test_a_car_that_does_not_follow_ends_in_no_response() -> None:
    stubborn = SimCar(account="acc", vehicle="v1", stays=[STAY], personality=Personality.IGNORES_STOP)
    async with cloud(car=stubborn) as fake:
        await fake.log_in()
        stop = await fake.action("STOP")
        fake.clock[0] += PATIENCE
        assert await fake.followed(stop) == ("FAILED", "NO_RESPONSE")


async def test_without_a_cable_a_start_fails_its_precondition() -> None:
    async with cloud() as fake:
        fake.later(hours=14)
        await fake.log_in()
        assert (await fake.action("START"))["failureReason"]["type"] == "FAILED_PRECONDITION"


async def test_a_car_under_smart_charging_takes_no_command() -> None:
    async with cloud() as fake:
        await fake.log_in()
        fake.desk.optimised.add(VEHICLE)
        assert (await fake.told("STOP")).status_code == 422
        assert (await fake.told("DANCE")).status_code == 400


async def test_a_sleeping_car_is_out_of_reach_until_enode_has_woken_it() -> None:
    async with cloud() as fake:
        await fake.log_in()
        await fake.action("STOP")
        fake.later(minutes=40)
        assert (await fake.get(f"/vehicles/{VEHICLE}")).json()["isReachable"] is False
        start = await fake.action("START")
        assert start["state"] == "PENDING"
        fake.later(minutes=2)
        assert (await fake.get(f"/vehicles/{VEHICLE}")).json()["isReachable"] is True
        fake.later(minutes=2)
        assert await fake.followed(start) == ("CONFIRMED", None)


async def test_our_connector_reads_stops_and_starts_through_it() -> None:
    async with cloud() as fake:
        client = fake.connector()
        grant = await client.refresh(MAKER.grant(fake.world, "acc"), fake.clock[0])
        (listed,) = await client.list_vehicles(grant)
        assert listed.id == VEHICLE

        async def read() -> tuple[Plug, Charge, bool | None]:
            said = await client.read(grant, CAR.key, VEHICLE, fake.clock[0], listed.model)
            return said.plug, said.charge, said.at_home

        assert await read() == (Plug.PLUGGED, Charge.CHARGING, True)
        assert await client.command(grant, VEHICLE, Action.START, "c1") == "already"
        assert await client.command(grant, VEHICLE, Action.STOP, "c2", "p") is None
        fake.later(minutes=2)
        assert await read() == (Plug.PLUGGED, Charge.IDLE, True)
        fake.later(minutes=40)
        assert await client.command(grant, VEHICLE, Action.START, "c3", "p") is None
        fake.later(minutes=2)
        await read()
        fake.later(minutes=2)
        assert (await read())[1] is Charge.CHARGING
        assert [change.cause.command_id for change in fake.world.log.effective()] == ["c2", "c3"]
        fake.later(hours=13)
        grant = await client.refresh(grant.refresh_token, fake.clock[0])
        assert await read() == (Plug.UNPLUGGED, Charge.IDLE, False)
        with pytest.raises(Rejected):
            await client.command(grant, VEHICLE, Action.START, "c4")


@pytest.mark.parametrize("kind", [FaultKind.ERROR, FaultKind.DROPPED, FaultKind.OUTAGE])
async def test_a_command_that_breaks_leaves_our_connector_unsure(kind: FaultKind) -> None:
    async with cloud(Fault(kind, START + timedelta(minutes=2), FOREVER[1])) as fake:
        client = fake.connector()
        grant = await client.refresh(MAKER.grant(fake.world, "acc"), fake.clock[0])
        fake.later(minutes=2)
        with pytest.raises(OutcomeUnknown):
            await client.command(grant, VEHICLE, Action.STOP, "c1")
