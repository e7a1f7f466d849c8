"""Calls are data: names in braces, hosts by region, calls by model, tokens that serve all accounts, places reduced."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from oem_connectors.base import BEARER, CLIENT_CREDENTIALS, Ask, Call, Connector, Grant, OAuth2, Reply, Vehicle
from oem_connectors.credential import pack, unpack
from oem_connectors.errors import (
    NeedsConsent,
    OemError,
    OutcomeUnknown,
    Rejected,
    Throttled,
    Unauthorised,
    Unavailable,
    Unsupported,
    WrongRegion,
)
from oem_connectors.filling import filled, filled_path, names_of
from oem_connectors.home import distance_m, is_home, parse_place
from oem_connectors.http import OemClient
from oem_connectors.simulator import CONNECTOR as SIMULATOR
from oem_connectors.wire import hosts_of
from streams.contracts.command import Action

NOW = datetime(2025, 1, 1, 12, tzinfo=UTC)
APP = {"client_id": SecretStr("me"), "client_secret": SecretStr("s3cret"), "api_key": SecretStr("k")}
CONNECTOR = replace(
    SIMULATOR,
    hosts={"api": "https://api.test", "api.eu": "https://eu.api.test", "auth": "https://auth.test"},
    headers={**BEARER, "x-api-key": "{api_key}", "x-user": "{user_id}"},
    read=Call("GET", "/v1/users/{user_id}/vehicles/{vehicle}"),
    auth=OAuth2(token_path="/token"),
)
Handler = Callable[[httpx.Request], httpx.Response]
Use = Callable[[OemClient], Awaitable[Any]]


def grant(**details: str) -> Grant:
    return Grant(pack("at", details), pack("rt", details), NOW + timedelta(hours=1))


async def asked(use: Use, connector: Connector, *replies: httpx.Response | Handler) -> list[httpx.Request]:
    """The requests that a use makes, while the maker answers so."""
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        reply = replies[min(len(seen), len(replies)) - 1]
        return reply if isinstance(reply, httpx.Response) else reply(request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(handler)) as http:
        await use(OemClient(connector, http, hosts_of(connector, {}), APP))
    return seen


def ok(body: object) -> Handler:
    return lambda _request: httpx.Response(200, json=body)


STATE = ok({"battery": {"percent": 41}, "charger": {}})


def read(**details: str) -> Use:
    return lambda client: client.read(grant(**details), "a.b", "car/1", NOW)


async def test_names_are_filled_from_account_and_app_and_stay_inside_their_part_of_the_path() -> None:
    (request,) = await asked(read(user_id="u/../7"), CONNECTOR, STATE)
    assert str(request.url) == "https://api.test/v1/users/u%2F..%2F7/vehicles/car%2F1"
    assert request.headers["authorization"] == "Bearer at"
    assert (request.headers["x-api-key"], request.headers["x-user"]) == ("k", "u/../7")


async def test_a_name_that_nobody_has_told_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(Rejected, match=r"^user_id is missing: neither D2EV_OEM_APPS nor the account"):
        await asked(read(), CONNECTOR, STATE)


async def test_the_texts_of_a_body_are_filled_and_only_those() -> None:
    body = {"device": "{device_id}", "list": ["{vehicle}", 7, {"on": True}], "none": None}
    told = replace(CONNECTOR, headers=BEARER, commands={Action.START: Call("POST", "/{vehicle}", body)})
    use = lambda client: client.command(grant(device_id="d"), "c", Action.START, "id")  # noqa: E731
    (request,) = await asked(use, told, ok({}))
    assert json.loads(request.content) == {"device": "d", "list": ["c", 7, {"on": True}], "none": None}


async def test_a_body_that_is_made_gets_the_instant_the_zone_and_the_details() -> None:
    got: list[Ask] = []

    def body(ask: Ask) -> Mapping[str, Any]:
        got.append(ask)
        return {}

    told = replace(CONNECTOR, headers=BEARER, commands={Action.SCHEDULE: Call("POST", "/{vehicle}", body)})
    zone = ZoneInfo("Europe/London")
    await asked(
        lambda client: client.command(
            grant(home="1,2"), "c", Action.SCHEDULE, "id", start_at=NOW, zone=zone, model="x"
        ),
        told,
        ok({}),
    )
    assert got == [Ask(NOW, zone, {"home": "1,2"})]
    with pytest.raises(Unsupported):
        await asked(lambda client: client.command(grant(), "c", Action.SCHEDULE, "id"), told, ok({}))


async def test_a_model_may_need_a_call_of_its_own() -> None:
    other = Call("POST", "/other/{vehicle}")
    told = replace(CONNECTOR, headers=BEARER, by_model=lambda m: {Action.START: other} if m == "odd" else {})
    for model, path in (("odd", "/other/c"), ("even", "/v1/vehicles/c/start")):
        use = lambda client, m=model: client.command(grant(), "c", Action.START, "id", model=m)  # noqa: E731
        (request,) = await asked(use, told, ok({}))
        assert request.url.path == path


async def test_what_the_maker_calls_done_already_is_a_success_whatever_the_status() -> None:
    def outcome(reply: Reply) -> str | OemError | None:
        return "already" if reply.body.get("code") == "CHARGING_IN_PROGRESS" and reply.action is Action.START else None

    said: list[str | None] = []

    async def use(client: OemClient) -> None:
        said.append(await client.command(grant(), "c", Action.START, "id"))
        with pytest.raises(Rejected):
            await client.command(grant(), "c", Action.STOP, "id")

    told = replace(CONNECTOR, headers=BEARER, outcome=outcome)
    await asked(use, told, httpx.Response(409, json={"code": "CHARGING_IN_PROGRESS"}))
    assert said == ["already"]


async def test_the_region_of_the_account_has_its_own_host() -> None:
    (request,) = await asked(read(user_id="u", region="eu"), CONNECTOR, STATE)
    assert request.url.host == "eu.api.test"
    (request,) = await asked(read(user_id="u", region="mars"), CONNECTOR, STATE)
    assert request.url.host == "api.test"


def elsewhere(region: str) -> Connector:
    def outcome(reply: Reply) -> OemError | None:
        return WrongRegion("elsewhere", region) if reply.status == 421 else None

    return replace(CONNECTOR, outcome=outcome)


async def test_a_call_to_the_wrong_region_is_made_once_more_and_the_place_remembered() -> None:
    async def twice(client: OemClient) -> None:
        for _ in range(2):
            await read(user_id="u")(client)

    requests = await asked(twice, elsewhere("eu"), httpx.Response(421), STATE, STATE)
    assert [request.url.host for request in requests] == ["api.test", "eu.api.test", "eu.api.test"]


async def test_the_region_of_one_accounts_list_is_not_that_of_another() -> None:
    async def twice(client: OemClient) -> None:
        for _ in range(2):
            await client.list_vehicles(grant(user_id="u"))

    cars = ok({"vehicles": []})
    requests = await asked(twice, elsewhere("eu"), httpx.Response(421), cars, cars)
    assert [request.url.host for request in requests] == ["api.test", "eu.api.test", "api.test"]


@pytest.mark.parametrize("region", ["evil.example", "https://evil.example", ""])
async def test_a_region_that_is_not_ours_is_never_gone_to(region: str) -> None:
    with pytest.raises(WrongRegion):
        await asked(read(user_id="u"), elsewhere(region), httpx.Response(421), STATE)


# Tokens


async def test_a_new_grant_keeps_the_details_of_the_account() -> None:
    async def use(client: OemClient) -> None:
        new = await client.refresh(grant(user_id="u").refresh_token, NOW)
        assert unpack(new.access_token) == ("new", {"user_id": "u"})
        assert unpack(new.refresh_token) == ("next", {"user_id": "u"})
        assert "new" not in repr(new)

    (request,) = await asked(use, CONNECTOR, ok({"access_token": "new", "refresh_token": "next", "expires_in": 60}))
    form = {"grant_type": ["refresh_token"], "refresh_token": ["rt"], "client_id": ["me"]}
    assert parse_qs(request.content.decode()) == form
    assert str(request.url) == "https://auth.test/token"


SHARED = replace(CONNECTOR, auth=OAuth2(token_path="/token", form=CLIENT_CREDENTIALS, basic=True, shared=True))


async def test_one_token_serves_all_accounts_until_half_of_its_life_is_over() -> None:
    async def use(client: OemClient) -> None:
        for user, minutes in (("u", 0), ("v", 10), ("w", 29)):
            new = await client.refresh(pack("", {"user_id": user}), NOW + timedelta(minutes=minutes))
            assert unpack(new.access_token) == ("t1", {"user_id": user})
            assert new.expires_at == NOW + timedelta(hours=1)
            assert unpack(new.refresh_token).details == {"user_id": user}
        late = await client.refresh(pack("", {"user_id": "u"}), NOW + timedelta(minutes=31))
        assert unpack(late.access_token).token == "t2"

    answers = [ok({"access_token": name, "expires_in": 3600}) for name in ("t1", "t2")]
    first, second = await asked(use, SHARED, *answers)
    assert first.headers["authorization"] == "Basic " + b64encode(b"me:s3cret").decode()
    assert parse_qs(second.content.decode()) == {"grant_type": ["client_credentials"]}


async def test_a_shared_token_that_is_refused_is_not_given_out_again() -> None:
    async def use(client: OemClient) -> None:
        new = await client.refresh(pack("", {"user_id": "u"}), NOW)
        with pytest.raises(Unauthorised):
            await client.read(new, "a.b", "c", NOW)
        assert unpack((await client.refresh(pack("", {}), NOW)).access_token).token == "t2"

    def token(name: str) -> Handler:
        return ok({"access_token": name, "expires_in": 3600})

    assert len(await asked(use, SHARED, token("t1"), httpx.Response(401), token("t2"))) == 3


@pytest.mark.parametrize(
    ("auth", "status", "body", "error"),
    [
        pytest.param(OAuth2(token_path="/t"), 400, {"error": "invalid_grant"}, NeedsConsent, id="the usual word"),
        pytest.param(
            OAuth2(token_path="/t", lost=frozenset({"403005"}), access="id_token"),
            200,
            {"errorCode": 403005},
            NeedsConsent,
            id="a number in a 200",
        ),
        pytest.param(
            OAuth2(token_path="/t"), 400, {"error": "bad", "code": "invalid_grant"}, NeedsConsent, id="in another field"
        ),
        pytest.param(OAuth2(token_path="/t"), 503, {"error": "invalid_grant"}, OutcomeUnknown, id="said in an outage"),
        pytest.param(OAuth2(token_path="/t"), 429, {"error": "invalid_grant"}, Throttled, id="said in a rush"),
        pytest.param(OAuth2(token_path="/t"), 200, {"access_token": 7}, OutcomeUnknown, id="no token"),
        pytest.param(OAuth2(token_path="/t"), 200, {"access_token": "a", "refresh_token": 7}, OutcomeUnknown, id="odd"),
        pytest.param(OAuth2(token_path="/t"), 503, {}, OutcomeUnknown, id="may be spent"),
        pytest.param(OAuth2(token_path="/t", shared=True), 503, {}, Unavailable, id="nothing to spend"),
        pytest.param(OAuth2(token_path="/t", shared=True), 200, {}, Unavailable, id="shared, no token"),
    ],
)
async def test_why_no_grant_came(auth: OAuth2, status: int, body: object, error: type[OemError]) -> None:
    told = replace(CONNECTOR, auth=auth)
    with pytest.raises(error):
        await asked(lambda client: client.refresh(pack("rt", {}), NOW), told, httpx.Response(status, json=body))


async def test_a_token_may_lie_deep_in_the_answer() -> None:
    async def use(client: OemClient) -> None:
        new = await client.refresh(pack("rt", {}), NOW)
        assert unpack(new.access_token).token == "x"

    deep = replace(CONNECTOR, auth=OAuth2(token_path="/t", access="data.id_token"))
    await asked(use, deep, ok({"data": {"id_token": "x"}}))


# Places


@pytest.mark.parametrize(
    ("place", "home", "expected"),
    [
        ((51.5, -0.1), "51.5,-0.1", True),
        ((51.5009, -0.1), "51.5,-0.1", True),
        ((51.502, -0.1), "51.5,-0.1", False),
        ((0.0, 179.9999), "0,-179.9999", True),
        (None, "51.5,-0.1", None),
        ((51.5, -0.1), "somewhere", None),
        ((51.5, -0.1), "91,0", None),
        ((51.5, -0.1), "nan,0", None),
    ],
)
def test_a_place_is_reduced_to_at_home_or_not(
    place: tuple[float, float] | None, home: str, expected: bool | None
) -> None:
    assert is_home(place, home) is expected


@given(st.floats(-90, 90), st.floats(-180, 180), st.floats(-90, 90), st.floats(-180, 180))
def test_distance_is_symmetric_and_never_longer_than_half_the_globe(a: float, b: float, c: float, d: float) -> None:
    there = distance_m((a, b), (c, d))
    assert 0 <= there <= 20_015_100
    assert there == pytest.approx(distance_m((c, d), (a, b)), abs=0.01)


async def test_a_reading_says_at_home_by_its_place_and_never_the_place() -> None:
    placed = replace(CONNECTOR, place=lambda raw: (raw["lat"], raw["lon"]) if "lat" in raw else None)
    said: list[Any] = []

    async def use(client: OemClient) -> None:
        said.append(await client.read(grant(user_id="u", home="10,20"), "a.b", "c", NOW))

    for body, expected in (({"lat": 10.0, "lon": 20.0}, True), ({"lat": 11.0, "lon": 20.0}, False), ({}, None)):
        await asked(use, placed, ok(body))
        assert said[-1].at_home is expected
        assert "20.0" not in repr(said[-1])


async def test_a_plugged_car_is_looked_for_once_and_again_after_it_was_unplugged() -> None:
    def told(raw: Mapping[str, Any]) -> tuple[float, float] | None:
        return (raw["lat"], raw["lon"]) if "lat" in raw else None

    placed = replace(CONNECTOR, place=told, locate=Call("GET", "/where/{vehicle}"))
    cable, soc, where, said = ["LOCKED"], [50], [{"lat": 10.0, "lon": 20.0}], []

    def cloud(request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/where"):
            return httpx.Response(200 if where[0] else 503, json=where[0])
        return httpx.Response(200, json={"cable": cable[0], "battery": {"percent": soc[0]}})

    async def use(client: OemClient) -> None:
        async def at_home() -> bool | None:
            return (await client.read(grant(user_id="u", home="10,20"), "a.b", "c", NOW)).at_home

        said.extend([await at_home(), await at_home()])
        cable[0], where[0] = "OUT", {"lat": 11.0, "lon": 20.0}
        said.append(await at_home())
        cable[0], where[0] = "LOCKED", {}
        said.append(await at_home())
        where[0] = {"lat": 11.0, "lon": 20.0}
        said.append(await at_home())
        soc[0], where[0] = 60, {"lat": 10.0, "lon": 20.0}
        said.append(await at_home())  # it has charged: it is where it was
        soc[0] = 57
        said.append(await at_home())  # it has driven, and nobody saw the cable out

    requests = await asked(use, placed, cloud)
    assert said == [True, True, None, None, False, False, True]
    assert sum(request.url.path.startswith("/where") for request in requests) == 4


async def test_tokens_may_be_asked_for_in_json_and_named_otherwise() -> None:
    auth = OAuth2(
        token_path="/t", form={"token": "{refresh_token}"}, json=True, access="accessToken", rotated="refreshToken",
        lasts=timedelta(minutes=15),
    )  # fmt: skip

    async def use(client: OemClient) -> None:
        new = await client.refresh(pack("rt", {}), NOW)
        assert (unpack(new.access_token).token, unpack(new.refresh_token).token) == ("a", "r")
        assert new.expires_at == NOW + timedelta(minutes=15)

    answer = ok({"accessToken": "a", "refreshToken": "r"})
    (request,) = await asked(use, replace(CONNECTOR, auth=auth), answer)
    assert json.loads(request.content) == {"token": "rt"}
    assert request.headers["content-type"] == "application/json"


async def test_a_list_that_says_too_little_is_asked_about_car_by_car() -> None:
    def cloud(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/vehicles":
            return httpx.Response(200, json={"vehicles": [{"id": "a"}, {"id": "b"}]})
        car = request.url.path.removeprefix("/about/")
        return httpx.Response(200, json={"vehicles": [{"id": car, "model": f"model {car}"}] if car == "a" else []})

    said: list[Any] = []

    async def use(client: OemClient) -> None:
        said.extend(await client.list_vehicles(grant(user_id="u")))

    told = replace(CONNECTOR, describe=Call("GET", "/about/{vehicle}"))
    assert len(await asked(use, told, cloud)) == 3
    assert said == [Vehicle("a", "model a"), Vehicle("b", "")]


async def test_the_same_car_in_two_homes_is_looked_for_twice() -> None:
    placed = replace(CONNECTOR, place=lambda raw: (10.0, 20.0) if "lat" in raw else None, locate=Call("GET", "/where"))
    said = []

    def cloud(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"lat": 1} if request.url.path == "/where" else {"cable": "LOCKED"})

    async def use(client: OemClient) -> None:
        said.extend([await at_home(client, home) for home in ("10,20", "11,20", "10,20")])

    async def at_home(client: OemClient, home: str) -> bool | None:
        return (await client.read(grant(user_id="u", home=home), "a.b", "c", NOW)).at_home

    await asked(use, placed, cloud)
    assert said == [True, False, True]


# Parts


@given(st.dictionaries(st.sampled_from(["user_id", "home", "region"]), st.text()), st.text())
def test_a_packed_credential_opens_to_what_it_was(details: dict[str, str], token: str) -> None:
    if not details and token.startswith('{"token":'):
        return  # no maker's token begins so
    assert unpack(pack(token, details)) == (token, details)


@given(st.text())
def test_nothing_leaves_its_part_of_a_path(value: str) -> None:
    value = value.encode("utf-8", "ignore").decode()
    assert filled_path("/a/{x}/b", {"x": value}).count("/") == 3


def test_what_is_filled_in_is_not_filled_again() -> None:
    assert filled("{a}", {"a": "{b}", "b": "c"}) == "{b}"


def test_the_names_that_an_operator_must_register_are_known() -> None:
    assert names_of(CONNECTOR) == ["api_key", "client_id", "user_id"]
    assert names_of(SHARED) == ["api_key", "client_id", "client_secret", "user_id"]


def test_one_address_may_stand_in_for_all_hosts_or_for_one() -> None:
    urls = {"simulator": "http://127.0.0.1:1/", "simulator.auth": "http://127.0.0.1:2"}
    hosts = {"api": "http://127.0.0.1:1", "api.eu": "http://127.0.0.1:1", "auth": "http://127.0.0.1:2"}
    assert hosts_of(CONNECTOR, urls) == hosts


def test_a_home_is_two_numbers_on_earth() -> None:
    assert parse_place("51.5,-0.1") == (51.5, -0.1)
    assert [parse_place(text) for text in ("", "1", "1,2,3", "a,b", "inf,0", "0,181")] == [None] * 6
