"""The fake of Tesla, held to what is written and recorded of the real one; then our connector, held to the fake."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from deploy.fakes.maker import AWAY, HOME, serve
from deploy.fakes.tesla import MAKER, Tesla
from deploy.fakes.tesla_words import KM_PER_MILE, UNAVAILABLE, next_start, vin
from oem_connectors.base import Connector, Grant
from oem_connectors.errors import Asleep, NeedsConsent, OutcomeUnknown, Rejected, Throttled, Unavailable
from oem_connectors.http import OemClient, make_http
from oem_connectors.simulator.cloud.budgets import Budgets
from oem_connectors.simulator.cloud.car import Personality, SimCar, Stay
from oem_connectors.simulator.cloud.faults import Fault, FaultKind, FaultScript
from oem_connectors.simulator.cloud.log import What, Who
from oem_connectors.simulator.cloud.world import World
from oem_connectors.tesla import CONNECTOR
from oem_connectors.wire import hosts_of
from streams.contracts.command import Action
from streams.contracts.telemetry import Charge, Plug

START = datetime(2025, 1, 1, 18, tzinfo=UTC)
END = START + timedelta(hours=12)
RECORDED = json.loads(Path("tests/data/oem_api/tesla/fleet_vehicle_data_model3_2024.json").read_text("utf-8"))
ALL = "charge_state;location_data;vehicle_state;drive_state"
NEAR = {"lat": HOME[0], "lon": HOME[1]}
NIGHT = {"start_time": 30, "start_enabled": True, "enabled": True, "one_time": True, "id": 7} | NEAR


def car(**more: Any) -> SimCar:
    told: dict[str, Any] = {"account": "a", "vehicle": "one", "model": "Model 3", "stays": (Stay(START, END, 40.0),)}
    return SimCar(**(told | more))


@dataclass
class Street:
    """A fake with one car and a clock that the test moves."""

    world: World
    http: httpx.AsyncClient
    url: str
    now: datetime
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def tag(self) -> str:
        return f"/api/1/vehicles/{vin(next(iter(self.world.cars.values())).car)}"

    async def link(self) -> None:
        spent = self.world.tokens.consent("a")
        self.tokens = (await self.token(spent)).json()

    async def token(self, spent: str) -> httpx.Response:
        form = {"grant_type": "refresh_token", "client_id": "me", "refresh_token": spent}
        return await self.http.post(f"{self.url}/oauth2/v3/token", data=form)

    async def get(self, path: str = "") -> httpx.Response:
        return await self.http.get(f"{self.url}{path or self.tag}", headers=self.bearer)

    async def data(self, endpoints: str = ALL) -> Any:
        return (await self.get(f"{self.tag}/vehicle_data?endpoints={endpoints}")).json()["response"]

    async def post(self, name: str, body: Mapping[str, Any] | None = None) -> httpx.Response:
        return await self.http.post(f"{self.url}{self.tag}/{name}", json=body or {}, headers=self.bearer)

    async def told(self, name: str, body: Mapping[str, Any] | None = None) -> tuple[int, Any]:
        answer = await self.post(f"command/{name}", body)
        return answer.status_code, answer.json()

    @property
    def bearer(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.tokens.get('access_token', '')}"}


@asynccontextmanager
async def street(
    one: SimCar | None = None, *faults: Fault, budgets: Budgets | None = None, at: datetime | None = None, **kind: Any
) -> AsyncIterator[Street]:
    """The car has been plugged in for a minute and charges, unless told otherwise."""
    here: list[Street] = []
    began = START - timedelta(hours=1)
    world = World([one or car()], lambda: here[0].now if here else began, faults=FaultScript(faults), budgets=budgets)
    runner, url = await serve(Tesla(world, **kind))
    try:
        async with make_http() as http:
            here.append(Street(world, http, url, at or START + timedelta(minutes=1)))
            await here[0].link()
            yield here[0]
    finally:
        await runner.cleanup()


def fault(kind: FaultKind, **more: float) -> Fault:
    return Fault(kind, START - timedelta(days=1), END, **more)


# --- the fake, as it is written and recorded of Tesla


async def test_a_car_is_told_in_the_fields_and_types_of_a_recorded_one() -> None:
    recorded = RECORDED.get("response", RECORDED)
    async with street() as here:
        told = await here.data()
    for part in ("charge_state", "drive_state", "vehicle_state"):
        for name, value in told[part].items():
            assert name in recorded[part]
            known = recorded[part][name]
            numbers = isinstance(value, int | float) and isinstance(known, int | float)
            assert value is None or known is None or numbers or type(value) is type(known), name
    assert set(told) - {"charge_state", "drive_state", "vehicle_state"} - set(recorded) <= {"display_name"}


async def test_distances_are_miles_times_milliseconds_and_percents_whole() -> None:
    async with street() as here:
        told, truth = await here.data(), here.world.cars["a.one"]
        sample = truth.sample(here.now)
    charge = told["charge_state"]
    assert told["vehicle_state"]["odometer"] * KM_PER_MILE == pytest.approx(sample.odometer_km)
    assert charge["timestamp"] == here.now.timestamp() * 1000
    assert (charge["battery_level"], charge["charging_state"], charge["charger_power"]) == (40, "Charging", 7)
    assert (charge["charge_limit_soc"], charge["conn_charge_cable"]) == (90, "IEC")
    assert told["state"] == "online"


async def test_a_cars_moods_show_in_teslas_words() -> None:
    full = car(personality=Personality.AMBIGUOUS_PLUG, stays=(Stay(START, END, 95.0),))
    async with street(full) as here:
        charge = (await here.data())["charge_state"]
        assert (charge["charging_state"], charge["conn_charge_cable"]) == (None, "<invalid>")
    async with street(car(personality=Personality.CLOCK_SKEW)) as here:
        stamp = (await here.data())["charge_state"]["timestamp"]
        assert stamp == (here.now + timedelta(minutes=7)).timestamp() * 1000
    async with street(car(personality=Personality.FLICKERING_PLUG)) as here:
        words = [(await here.data())["charge_state"]["charging_state"] for _ in range(50)]
        assert set(words) == {"Charging", "Disconnected"}


async def test_a_place_is_told_to_those_who_ask_for_it() -> None:
    async with street() as here:
        assert (await here.data("location_data"))["drive_state"]["latitude"] == HOME[0]
        assert "latitude" not in (await here.data("drive_state"))["drive_state"]
        assert set(await here.data("charge_state")) & {"drive_state", "vehicle_state"} == set()
        assert "charge_state" not in await here.data("charge_state,drive_state")
        here.now = START - timedelta(minutes=30)
    async with street(at=START - timedelta(minutes=30)) as here:
        found = await here.data()
        assert (found["drive_state"]["latitude"], found["charge_state"]["charging_state"]) == (AWAY[0], "Disconnected")
        assert found["charge_state"]["conn_charge_cable"] == "<invalid>"


async def test_a_refresh_token_is_spent_once_and_its_reuse_ends_the_consent() -> None:
    async with street() as here:
        spent = here.tokens["refresh_token"]
        fresh = (await here.token(spent)).json()
        assert fresh["refresh_token"] != spent
        assert fresh["token_type"] == "Bearer"
        again = await here.token(spent)
        assert (again.status_code, again.json()["error"]) == (401, "login_required")
        assert (await here.token(fresh["refresh_token"])).status_code == 401
        assert (await here.get()).status_code == 401


@pytest.mark.parametrize("form", [{}, {"grant_type": "refresh_token"}, {"grant_type": "password", "client_id": "me"}])
async def test_a_token_is_not_given_for_half_a_form(form: dict[str, str]) -> None:
    async with street() as here:
        assert (await here.http.post(f"{here.url}/oauth2/v3/token", data=form)).status_code == 400


@pytest.mark.parametrize(("by_proxy", "status"), [(True, 500), (False, 408)])
async def test_a_sleeping_car_is_408_and_500_through_the_proxy(by_proxy: bool, status: int) -> None:
    stopped = car(limit_pct=50.0, stays=(Stay(START, END, 60.0),))
    async with street(stopped, by_proxy=by_proxy, at=START + timedelta(hours=3)) as here:
        await here.link()
        read = await here.get(f"{here.tag}/vehicle_data?endpoints={ALL}")
        assert (read.status_code, read.json()["error"]) == (408, UNAVAILABLE)
        assert (await here.told("charge_start")) == (status, read.json())
        assert (await here.get()).json()["response"]["state"] in {"asleep", "offline"}
        assert (await here.post("wake_up")).status_code == 200
        assert (await here.get(f"{here.tag}/vehicle_data?endpoints={ALL}")).status_code == 408
        here.now += timedelta(minutes=2)
        assert (await here.get()).json()["response"]["state"] == "online"
        assert (await here.data())["charge_state"]["charging_state"] == "Complete"


@pytest.mark.parametrize("by_proxy", [True, False])
async def test_the_cars_own_refusals_come_with_200_in_both_spellings(by_proxy: bool) -> None:
    before = "car could not execute command: " if by_proxy else ""

    def reason(answer: tuple[int, Any]) -> str:
        assert answer[0] == 200
        assert answer[1]["response"]["result"] is False
        return str(answer[1]["response"]["reason"])

    async with street(by_proxy=by_proxy) as here:
        assert reason(await here.told("charge_start")) == f"{before}is_charging"
        assert (await here.told("charge_stop"))[1]["response"] == {"result": True, "reason": ""}
        here.now += timedelta(minutes=2)
        assert reason(await here.told("charge_stop")) == f"{before}not_charging"
    async with street(car(stays=(Stay(START, END, 95.0),)), by_proxy=by_proxy) as here:
        assert reason(await here.told("charge_start")) == f"{before}complete"
    async with street(by_proxy=by_proxy, at=START - timedelta(minutes=5)) as here:
        assert reason(await here.told("charge_start")) == f"{before}disconnected"


async def test_a_region_a_missing_key_a_missing_car_and_a_missing_type_are_told_apart() -> None:
    async with street(elsewhere={"a": "https://eu.example"}) as here:
        for answer in (await here.get(f"{here.tag}/vehicle_data"), await here.post("command/charge_stop")):
            assert answer.status_code == 421
            assert "use base URL: https://eu.example" in answer.json()["error"]
    async with street(unpaired={"a.one"}) as here:
        status, body = await here.told("charge_stop")
        assert (status, "public key has not been paired" in body["error"]) == (500, True)
        assert (await here.get("/api/1/vehicles/5YJ3E1EA000000000/vehicle_data")).status_code == 404
    async with street() as here:
        path = f"{here.url}{here.tag}/command/charge_stop"
        assert (await here.http.post(path, headers=here.bearer)).status_code == 406
        assert (await here.get("/api/1/vehicles")).json()["response"][0]["vin"] == here.tag.rsplit("/", 1)[1]
        here.tokens = {}
        assert (await here.get("/api/1/vehicles")).json()["error"] == "token expired (401)"


async def test_budgets_are_told_in_one_of_two_headers() -> None:
    async with street(budgets=Budgets(reads_per_minute=1)) as here:
        answers = [await here.get() for _ in range(6)]
    refused = [answer for answer in answers if answer.status_code == 429]
    waits = [answer.headers.get("ratelimit-reset") or answer.headers["retry-after"] for answer in refused]
    assert len(refused) == 5
    assert set(waits) == {"60"}
    assert {"ratelimit-reset" in answer.headers for answer in refused} == {True, False}


async def test_a_busy_car_is_a_lock_at_the_proxy_or_its_own_word() -> None:
    async with street(None, fault(FaultKind.DUPLICATE)) as here:
        answers = [await here.told("charge_stop") for _ in range(4)]
    assert {status for status, _ in answers} == {500, 503}
    assert {body["error"].split()[0] for _, body in answers} == {"vehicle", "timed"}
    assert not [change for change in here.world.log.changes if change.cause.who is Who.COMMAND]


async def test_a_schedule_runs_once_at_home_and_nowhere_else() -> None:
    far = NIGHT | {"lat": AWAY[0]}
    for body, started in ((NIGHT, 1), (far, 0)):
        async with street() as here:
            await here.told("charge_stop")
            here.now += timedelta(minutes=2)
            assert (await here.told("add_charge_schedule", body))[0] == 200
            charge = (await here.data())["charge_state"]
            wanted = datetime(2025, 1, 2, 0, 30, tzinfo=UTC).timestamp() if started else None
            assert charge["scheduled_charging_start_time"] == wanted
            assert charge["scheduled_charging_pending"] is bool(started)
            here.world.settle(END - timedelta(minutes=1))
        by_schedule = [change for change in here.world.log.changes if change.cause.who is Who.SCHEDULE]
        assert [change.what for change in by_schedule] == [What.STARTED] * started


async def test_a_schedule_is_removed_by_its_id_and_only_by_that() -> None:
    async with street() as here:
        await here.told("charge_stop")
        here.now += timedelta(minutes=2)
        await here.told("add_charge_schedule", NIGHT)
        assert (await here.told("remove_charge_schedule", {"id": 8}))[0] == 200
        assert (await here.data())["charge_state"]["scheduled_charging_pending"] is True
        for _ in range(2):
            assert (await here.told("remove_charge_schedule", {"id": 7}))[1]["response"]["result"] is True
        assert (await here.data())["charge_state"]["scheduled_charging_pending"] is False
        assert (await here.told("add_charge_schedule", {**NIGHT, "start_time": 1440}))[0] == 400


@given(
    st.integers(0, 1439),
    st.integers(0, 3 * 365 * 24),
    st.sampled_from(["Europe/London", "America/New_York", "Australia/Lord_Howe", "UTC"]),
    st.sampled_from(["All", "Weekdays", "Monday", "Sat,Sun"]),
)
def test_a_schedule_starts_next_at_its_minute_of_the_homes_day(minutes: int, hours: int, zone: str, days: str) -> None:
    at = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=hours)
    found = next_start({**NIGHT, "start_time": minutes, "days_of_week": days}, zone, at)
    assert found is not None
    local = found.astimezone(ZoneInfo(zone))
    assert at < found <= at + timedelta(days=8)
    allowed = {"All": range(7), "Weekdays": range(5), "Monday": (0,), "Sat,Sun": (5, 6)}[days]
    assert local.weekday() in allowed
    # A minute that the clocks skip in spring comes later on that day.
    assert (local.hour * 60 + local.minute - minutes) % 1440 <= 60


@pytest.mark.parametrize(
    "spoiled", [{"start_time": -1}, {"start_time": "30"}, {"start_enabled": False}, {"enabled": False}, {"lat": None}]
)
def test_half_a_schedule_is_none(spoiled: dict[str, Any]) -> None:
    assert next_start({**NIGHT, **spoiled}, "UTC", START) is None


# --- our connector at the fake


async def at_work(here: Street, connector: Connector = CONNECTOR) -> tuple[OemClient, Grant, str]:
    client = OemClient(connector, here.http, hosts_of(connector, {"tesla": here.url}), {"client_id": SecretStr("me")})
    grant = await client.refresh(MAKER.grant(here.world, "a"), here.now)
    return client, grant, vin(here.world.cars["a.one"].car)


async def test_our_connector_reads_the_truth() -> None:
    async with street(car(zone="Europe/London")) as here:
        client, grant, tag = await at_work(here)
        assert [one.id for one in await client.list_vehicles(grant)] == [tag]
        found = await client.read(grant, "a.one", tag, here.now)
        sample = here.world.cars["a.one"].sample(here.now)
    assert (found.plug, found.charge, found.at_home, found.car_time) == (Plug.PLUGGED, Charge.CHARGING, True, here.now)
    assert (found.soc_pct, found.limit_pct) == (40.0, 90.0)
    assert found.odometer_km == pytest.approx(sample.odometer_km, abs=0.01)


async def test_our_connector_wakes_starts_stops_and_schedules() -> None:
    stopped = car(limit_pct=50.0, stays=(Stay(START, END, 60.0),), zone="Europe/London")
    async with street(stopped, at=START + timedelta(hours=3)) as here:
        client, grant, tag = await at_work(here)

        async def told(action: Action, number: int, **more: Any) -> str | None:
            return await client.command(grant, tag, action, f"c{number}", **more)

        with pytest.raises(Asleep):
            await client.read(grant, "a.one", tag, here.now)
        with pytest.raises(Asleep):
            await told(Action.START, 1)
        assert await told(Action.WAKE, 2) is None
        here.now += timedelta(minutes=2)
        here.world.cars["a.one"].set_limit(90.0, here.now, here.world.log.changes[0].cause)
        here.now += timedelta(minutes=1)
        assert await told(Action.START, 3) == "already"
        assert await told(Action.STOP, 4) is None
        here.now += timedelta(minutes=1)
        assert await told(Action.STOP, 5) == "already"
        start_at = START + timedelta(hours=7)
        await told(Action.SCHEDULE, 6, start_at=start_at, zone=ZoneInfo("Europe/London"))
        found = await client.read(grant, "a.one", tag, here.now)
        assert found.scheduled_start == start_at
        assert await told(Action.UNSCHEDULE, 7) is None
        assert (await client.read(grant, "a.one", tag, here.now)).scheduled_start is None
        assert [change.cause.command_id for change in here.world.log.effective()] == ["c4"]


async def test_our_connector_finds_a_car_in_its_region_and_looks_there_from_then_on() -> None:
    async with street(elsewhere={"a": CONNECTOR.hosts["api.eu"]}) as here:
        europe, url = await serve(Tesla(here.world))
        hosts = {**hosts_of(CONNECTOR, {"tesla": here.url}), "api.eu": url}
        try:
            client = OemClient(CONNECTOR, here.http, hosts, {"client_id": SecretStr("me")})
            grant, tag = await client.refresh(MAKER.grant(here.world, "a"), here.now), here.tag.rsplit("/", 1)[1]
            for _ in range(2):
                assert (await client.read(grant, "a.one", tag, here.now)).soc_pct == 40.0
        finally:
            await europe.cleanup()
        assert [call.status for call in here.world.log.calls if call.endpoint == "state"] == [421, 200, 200]


@pytest.mark.parametrize(
    ("kind", "on_read", "on_stop"),
    [
        (FaultKind.ERROR, Unavailable, OutcomeUnknown),
        (FaultKind.DROPPED, Unavailable, OutcomeUnknown),
        (FaultKind.ASLEEP, None, Asleep),
        (FaultKind.DUPLICATE, None, Unavailable),
        (FaultKind.NO_EFFECT, None, None),
    ],
)
async def test_what_goes_wrong_reaches_the_caller_as_what_to_do_next(
    kind: FaultKind, on_read: type[Exception] | None, on_stop: type[Exception] | None
) -> None:
    async with street(None, fault(kind)) as here:
        client, grant, tag = await at_work(here)
        for number in range(3):
            reading = client.read(grant, "a.one", tag, here.now)
            stopping = client.command(grant, tag, Action.STOP, f"c{number}")
            for call, wanted in ((reading, on_read), (stopping, on_stop)):
                if wanted is None:
                    await call
                else:
                    with pytest.raises(wanted):
                        await call


async def test_a_late_answer_is_an_unknown_outcome_though_the_car_has_stopped() -> None:
    hasty = replace(CONNECTOR.commands[Action.STOP], seconds=0.05)
    connector = replace(CONNECTOR, commands={Action.STOP: hasty})
    async with street(None, fault(FaultKind.LATENCY, delay_seconds=0.2)) as here:
        client, grant, tag = await at_work(here, connector)
        with pytest.raises(OutcomeUnknown):
            await client.command(grant, tag, Action.STOP, "c1")
        await asyncio.sleep(0.3)
        here.now += timedelta(minutes=2)
        assert (await client.read(grant, "a.one", tag, here.now)).charge is Charge.IDLE


async def test_other_refusals_reach_the_caller_by_class() -> None:
    async with street(car(model="readonly")) as here:
        client, grant, tag = await at_work(here)
        with pytest.raises(Rejected):
            await client.command(grant, tag, Action.STOP, "c1")
    async with street(budgets=Budgets(reads_per_minute=0)) as here:
        client, grant, tag = await at_work(here)
        with pytest.raises(Throttled) as caught:
            await client.read(grant, "a.one", tag, here.now)
        assert caught.value.retry_after == timedelta(minutes=1)
    async with street() as here:
        client, grant, tag = await at_work(here)
        spent = grant.refresh_token
        await client.refresh(spent, here.now)
        with pytest.raises(NeedsConsent):
            await client.refresh(spent, here.now)
