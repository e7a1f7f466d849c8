"""Volvo's connector: members with a status of their own, units, and what goes out."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from oem_connectors.base import Can, Grant
from oem_connectors.errors import Throttled, Unreadable, Unsupported
from oem_connectors.http import OemClient
from oem_connectors.linking import ConsentClient
from oem_connectors.subject import said
from oem_connectors.volvo import CHARGES, CONNECTOR, PLUGS, place, vehicles
from oem_connectors.wire import hosts_of
from streams.contracts.command import Action

NOW = datetime(2026, 1, 6, tzinfo=UTC)
THEN, LATER = "2026-01-05T23:10:00Z", "2026-01-05T23:20:00Z"
GRANT = Grant(SecretStr("a-token"), SecretStr("a-refresh"), NOW)
APP = {name: SecretStr(name) for name in ("client_id", "client_secret", "api_key")}


def member(value: object, unit: str | None = None, at: str = THEN, status: str = "OK") -> dict[str, Any]:
    return {"status": status, "value": value, "unit": unit, "updatedAt": at}


def told(**members: object) -> dict[str, object]:
    found = said(CONNECTOR.normalise("a.b", members, NOW))
    found.pop("car_time", None)
    return found


@pytest.mark.parametrize(
    ("name", "value", "unit", "wanted"),
    [
        ("batteryChargeLevel", 53, "percentage", {"soc_pct": 53.0}),
        ("batteryChargeLevel", 0, "percentage", {"soc_pct": 0.0}),
        ("batteryChargeLevel", 53, "kWh", {}),
        ("batteryChargeLevel", 53, None, {}),
        ("targetBatteryChargeLevel", 90, "percentage", {"limit_pct": 90.0}),
        ("electricRange", 150, "mi", {"range_km": 241.402}),
        ("electricRange", 150, "km", {"range_km": 150.0}),
        ("electricRange", 150, "miles", {}),
        ("chargingPower", 1386, "watts", {"power_kw": 1.386}),
        ("chargingPower", 1386, "kilowatts", {}),
        ("chargerConnectionStatus", "FAULT", None, {}),
    ],
)
def test_a_number_counts_only_in_a_unit_that_we_know(
    name: str, value: object, unit: str | None, wanted: dict[str, object]
) -> None:
    assert told(**{name: member(value, unit)}) == wanted


@pytest.mark.parametrize("status", ["ERROR", "STALE", None])
def test_a_member_that_is_not_ok_says_nothing_whatever_it_holds(status: Any) -> None:
    whole = {
        "batteryChargeLevel": member(53, "percentage", status=status),
        "chargerConnectionStatus": member("CONNECTED", status=status),
        "chargingStatus": member("CHARGING", status=status),
    }
    assert said(CONNECTOR.normalise("a.b", whole, NOW)) == {}


@pytest.mark.parametrize("name", sorted(PLUGS))
def test_plugs(name: str) -> None:
    assert told(chargerConnectionStatus=member(name)) == {"plug": PLUGS[name].value}


@pytest.mark.parametrize("name", sorted(CHARGES))
def test_charges(name: str) -> None:
    assert told(chargingStatus=member(name)) == {"charge": CHARGES[name].value}


def test_the_newest_word_on_charging_is_the_cars_time_and_a_setting_is_none() -> None:
    raw = {
        "batteryChargeLevel": member(53, "percentage"),
        "chargerConnectionStatus": member("CONNECTED", at=LATER),
        "targetBatteryChargeLevel": member(90, "percentage", at="2026-01-05T23:59:00Z"),
    }
    assert CONNECTOR.normalise("a.b", raw, NOW).car_time == datetime.fromisoformat(LATER)


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ({"type": "Feature", "geometry": {"type": "Point", "coordinates": [20.0, 10.0, 5]}}, (10.0, 20.0)),
        ({"data": {"geometry": {"coordinates": [20.0, 10.0]}}}, (10.0, 20.0)),
        ({"geometry": {"coordinates": [20.0]}}, None),
        ({"geometry": None}, None),
        ({"data": []}, None),
        ({}, None),
    ],
)
def test_a_place_is_longitude_first(raw: dict[str, Any], wanted: tuple[float, float] | None) -> None:
    assert place(raw) == wanted


def test_the_list_of_cars() -> None:
    assert [one.id for one in vehicles({"data": [{"vin": "one"}, {"vin": "two"}]})] == ["one", "two"]
    for raw, why in (({"data": {}}, "data"), ({"data": [{"command": "LOCK"}]}, "vin"), ({"data": ["one"]}, "data")):
        with pytest.raises(Unreadable, match=why):
            vehicles(raw)


@pytest.mark.parametrize("action", list(Action))
async def test_a_car_is_never_commanded(action: Action) -> None:
    assert not CONNECTOR.can("", action)
    async with httpx.AsyncClient() as http:
        with pytest.raises(Unsupported):
            await OemClient(CONNECTOR, http).command(GRANT, "car", action, "id", start_at=NOW)


def test_it_is_read_only() -> None:
    assert CONNECTOR.capabilities("any") == Can.READ | Can.LIMIT


async def test_every_call_carries_the_key_of_the_app() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if request.url.path == "/as/token.oauth2":
            return httpx.Response(200, json={"access_token": "new", "refresh_token": "next", "expires_in": 60})
        return httpx.Response(200, json={"batteryChargeLevel": member(53, "percentage")})

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        client = OemClient(CONNECTOR, http, hosts_of(CONNECTOR, {}), APP)
        assert (await client.read(GRANT, "a.b", "car", NOW)).soc_pct == 53
        assert (await client.refresh(GRANT.refresh_token, NOW)).refresh_token.get_secret_value() == "next"
    read, token = asked
    assert str(read.url) == "https://api.volvocars.com/energy/v2/vehicles/car/state"
    assert (read.headers["vcc-api-key"], read.headers["Authorization"]) == ("api_key", "Bearer a-token")
    assert str(token.url) == "https://volvoid.eu.volvocars.com/as/token.oauth2"
    assert token.headers["Authorization"] == "Basic Y2xpZW50X2lkOmNsaWVudF9zZWNyZXQ="
    assert token.content == b"grant_type=refresh_token&refresh_token=a-refresh"


async def test_a_driver_is_asked_with_a_challenge() -> None:
    async with httpx.AsyncClient() as http:
        names = {"redirect_uri": "https://us.example/volvo", "state": "a-state", "challenge": "a-challenge"}
        address = httpx.URL(ConsentClient(CONNECTOR, http, None, APP).address(names))
    assert (address.host, address.path) == ("volvoid.eu.volvocars.com", "/as/authorization.oauth2")
    assert address.params["code_challenge"] == "a-challenge"
    assert "energy:state:read" in address.params["scope"].split()


async def test_too_many_calls_wait() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(429, headers={"Retry-After": "9"}))
    async with httpx.AsyncClient(transport=transport) as http:
        with pytest.raises(Throttled) as raised:
            await OemClient(CONNECTOR, http, None, APP).read(GRANT, "a.b", "car", NOW)
    assert raised.value.retry_after is not None
    assert raised.value.retry_after.total_seconds() == 9


MEMBERS: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.sampled_from(["batteryChargeLevel", "chargerConnectionStatus", "chargingPower", "electricRange", "data"]),
    st.none()
    | st.text()
    | st.dictionaries(
        st.sampled_from(["status", "value", "unit", "updatedAt", "geometry"]),
        st.sampled_from(["OK", "ERROR", "CONNECTED", "percentage", "mi", THEN, None, 5, -1, 1e9, True, []]),
    ),
)


@given(MEMBERS)
def test_no_answer_breaks_the_rules(raw: dict[str, Any]) -> None:
    assert CONNECTOR.recognise(raw) in {None, "state"}
    for rule in (place, vehicles, lambda raw: CONNECTOR.normalise("a.b", raw, NOW)):
        with suppress(Unreadable):
            rule(raw)
