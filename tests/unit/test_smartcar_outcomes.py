"""What Smartcar's answers mean: errors of three generations, and commands whose outcome comes in the body of a 202."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from oem_connectors.base import Grant, Reply
from oem_connectors.credential import pack
from oem_connectors.errors import (
    Asleep,
    NeedsConsent,
    OemError,
    OutcomeUnknown,
    Rejected,
    Throttled,
    Unauthorised,
    Unavailable,
    Unreadable,
    Unsupported,
)
from oem_connectors.http import OemClient
from oem_connectors.smartcar import CONNECTOR
from oem_connectors.smartcar.connections import vehicles
from oem_connectors.smartcar.outcomes import TYPES, outcome
from streams.contracts.command import Action

NOW = datetime(2025, 1, 1, 12, tzinfo=UTC)
GRANT = Grant(pack("at", {"user_id": "u/1"}), pack("", {}), NOW + timedelta(hours=1))
START, STOP = Action.START, Action.STOP
Wanted = type[OemError] | str | None


def v2(kind: str, code: str | None, status: int) -> dict[str, Any]:
    return {"type": kind, "code": code, "statusCode": status, "description": "…", "resolution": "RETRY_LATER"}


def v3(kind: str, code: str | None, status: int) -> dict[str, Any]:
    found = {"type": kind, "code": code, "status": str(status), "title": "…", "resolution": {"type": None}}
    return {"errors": [found]}


#: (action, type, code, status, what it means)
ERRORS: list[tuple[Action | None, str, str | None, int, Wanted]] = [
    (None, "VALIDATION", None, 400, Rejected),
    (START, "VALIDATION", "PARAMETER", 400, Rejected),
    (None, "CONNECTED_SERVICES_ACCOUNT", "SUBSCRIPTION", 400, NeedsConsent),
    (START, "CONNECTED_SERVICES_ACCOUNT", "VIRTUAL_KEY_REQUIRED", 400, NeedsConsent),
    (None, "AUTHENTICATION", None, 401, Unauthorised),
    (None, "AUTHENTICATION", "ACCESS_DENIED", 403, NeedsConsent),
    (STOP, "PERMISSION", None, 403, NeedsConsent),
    (None, "RESOURCE_NOT_FOUND", "PATH", 404, Rejected),
    (START, "VEHICLE_STATE", "ASLEEP", 409, Asleep),
    (START, "VEHICLE_STATE", "UNREACHABLE", 409, Unavailable),
    (STOP, "VEHICLE_STATE", "VEHICLE_OFFLINE_FOR_SERVICE", 409, Unavailable),
    (START, "VEHICLE_STATE", "CHARGING_IN_PROGRESS", 409, "already"),
    (STOP, "VEHICLE_STATE", "CHARGING_IN_PROGRESS", 409, Rejected),
    (START, "VEHICLE_STATE", "FULLY_CHARGED", 409, "already"),
    (STOP, "VEHICLE_STATE", "FULLY_CHARGED", 409, Rejected),
    (STOP, "VEHICLE_STATE", "NOT_CHARGING", 409, "already"),
    (START, "VEHICLE_STATE", "NOT_CHARGING", 409, Rejected),
    (START, "VEHICLE_STATE", "CHARGING_PLUG_NOT_CONNECTED", 409, Rejected),
    (START, "VEHICLE_STATE", "A_NEW_CODE", 409, Rejected),
    (None, "RATE_LIMIT", "VEHICLE", 429, Throttled),
    (START, "RATE_LIMIT", "SMARTCAR_API", 429, Throttled),
    (None, "BILLING", "VEHICLE_REQUEST_LIMIT", 430, Throttled),
    (None, "BILLING", "ACCOUNT_SUSPENDED", 430, Throttled),
    (START, "COMPATIBILITY", "VEHICLE_NOT_CAPABLE", 501, Unsupported),
    (START, "COMPATIBILITY", "PLATFORM_NOT_CAPABLE", 501, Unsupported),
    (None, "SERVER", "INTERNAL", 500, Unavailable),
    (START, "SERVER", "INTERNAL", 500, OutcomeUnknown),
    (None, "UPSTREAM", "NO_RESPONSE", 502, Unavailable),
    (START, "UPSTREAM", "RATE_LIMIT", 502, OutcomeUnknown),
]


@pytest.mark.parametrize("said", [v2, v3])
@pytest.mark.parametrize(("action", "kind", "code", "status", "wanted"), ERRORS)
@pytest.mark.parametrize("http_status", [None, 200, 202])
def test_an_error_object_means_the_same_in_its_own_status_and_in_a_success(
    action: Action | None, kind: str, code: str | None, status: int, wanted: Wanted, said: Any, http_status: int | None
) -> None:
    found = outcome(Reply(http_status or status, said(kind, code, status), action))
    assert (found if isinstance(found, str) else type(found)) == wanted


def test_every_type_is_in_the_table_above() -> None:
    assert {kind for _, kind, *_ in ERRORS} == set(TYPES)


@pytest.mark.parametrize(
    ("code", "app"), [("VEHICLE", False), ("SMARTCAR_API", True), (None, False)], ids=["car", "app", "neither"]
)
def test_what_is_throttled_is_the_car_or_the_whole_app(code: str | None, app: bool) -> None:
    found = outcome(Reply(429, v2("RATE_LIMIT", code, 429)))
    assert isinstance(found, Throttled)
    assert found.app is app


@pytest.mark.parametrize(
    ("status", "body", "action", "wanted"),
    [
        (200, {"status": "success", "message": "…"}, START, type(None)),
        (202, {"data": {"status": "SUCCESS"}}, STOP, type(None)),
        (200, {"data": [{"type": "signal"}]}, None, type(None)),
        (204, {}, START, type(None)),
        (418, {"type": "NEVER_SEEN", "code": "X", "statusCode": 418}, START, type(None)),
        (202, {"type": "NEVER_SEEN", "code": "X", "status": 409}, START, Rejected),
        (202, {"type": "NEVER_SEEN", "code": "X", "status": 504}, START, OutcomeUnknown),
        (202, {"errors": [{"type": "NEVER_SEEN"}]}, START, OutcomeUnknown),
        (202, {"error": {"type": "NEVER_SEEN"}}, STOP, OutcomeUnknown),
        (200, {"errors": [{"type": "NEVER_SEEN"}]}, None, Unavailable),
        (200, {"errors": []}, START, type(None)),
        (409, {"error": "vehicle_state_error", "message": "…", "code": "VS_000"}, START, Rejected),
        (403, {"error": "permission_error"}, None, NeedsConsent),
        (401, {"error": "invalid_client"}, None, type(None)),
    ],
)
def test_other_bodies(status: int, body: Mapping[str, Any], action: Action | None, wanted: type) -> None:
    assert type(outcome(Reply(status, body, action))) is wanted


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)
FIELDS = st.sampled_from(["type", "code", "status", "statusCode", "error", "errors", "data", "resolution"])
WORDS = st.sampled_from(sorted(TYPES)) | st.sampled_from(["ASLEEP", "FULLY_CHARGED", "409", 409, 200, True])


@given(
    st.dictionaries(FIELDS, WORDS | JSON, max_size=5),
    st.sampled_from([None, START, STOP]),
    st.sampled_from([200, 202, 409, 500]),
)
def test_no_body_makes_a_rule_fail(body: dict[str, Any], action: Action | None, status: int) -> None:
    found = outcome(Reply(status, body, action))
    assert found is None or isinstance(found, OemError) or (found == "already" and action is not None)


async def commanded(action: Action, answer: httpx.Response) -> tuple[httpx.Request, str | OemError | None]:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return answer

    async with httpx.AsyncClient(transport=httpx.MockTransport(handler)) as http:
        client = OemClient(CONNECTOR, http, None, {"client_id": SecretStr("me"), "client_secret": SecretStr("x")})
        found: str | OemError | None
        try:
            found = await client.command(GRANT, "car/1", action, "c1")
        except OemError as error:
            found = error
    return seen[0], found


async def test_a_command_is_held_open_longer_than_the_maker_holds_it() -> None:
    request, detail = await commanded(START, httpx.Response(202, json={"status": "success"}))
    assert detail is None
    assert str(request.url) == "https://vehicle.api.smartcar.com/v3/vehicles/car%2F1/commands/charge/start"
    assert request.headers["sc-user-id"] == "u/1"
    assert request.headers["authorization"] == "Bearer at"
    assert request.content == b""
    assert request.extensions["timeout"]["read"] > 175


async def test_a_failure_after_a_202_is_no_success() -> None:
    _, error = await commanded(STOP, httpx.Response(202, json=v3("VEHICLE_STATE", "CHARGE_FAULT", 409)))
    assert isinstance(error, Rejected)
    _, error = await commanded(STOP, httpx.Response(202, json=v3("UPSTREAM", "NO_RESPONSE", 502)))
    assert isinstance(error, OutcomeUnknown)


@pytest.mark.parametrize(("action", "code"), [(START, "CHARGING_IN_PROGRESS"), (STOP, "NOT_CHARGING")])
@pytest.mark.parametrize("status", [202, 409])
async def test_what_is_so_already_is_a_success_whatever_the_status(action: Action, code: str, status: int) -> None:
    _, detail = await commanded(action, httpx.Response(status, json=v2("VEHICLE_STATE", code, 409)))
    assert detail == "already"


async def test_the_wait_of_the_header_is_kept() -> None:
    answer = httpx.Response(429, json=v2("RATE_LIMIT", "VEHICLE", 429), headers={"retry-after": "1200"})
    _, error = await commanded(START, answer)
    assert isinstance(error, Throttled)
    assert error.retry_after == timedelta(minutes=20)


def connection(**attributes: Any) -> dict[str, Any]:
    return {
        "id": "c1",
        "type": "connection",
        "attributes": attributes,
        "relationships": {"vehicle": {"data": {"id": "v1", "type": "vehicle"}}},
    }


@pytest.mark.parametrize(
    ("attributes", "model", "obstacle"),
    [
        ({"vehicle": {"make": "RIVIAN", "model": "R1S", "powertrainType": "BEV"}}, "RIVIAN R1S", None),
        ({"vehicle": {"make": "FORD", "model": "FIESTA", "powertrainType": "ICE"}}, "FORD FIESTA", "combustion"),
        ({"vehicle": {"model": "KUGA", "powertrainType": "PHEV"}, "permissions": ["control_charge"]}, "KUGA", None),
        ({"permissions": ["read_battery"]}, "", "consent"),
        ({}, "", None),
    ],
)
def test_a_connection_tells_its_car_and_what_is_in_the_way(
    attributes: dict[str, Any], model: str, obstacle: str | None
) -> None:
    (car,) = vehicles({"data": [connection(**attributes)]})
    assert (car.id, car.model, car.obstacle) == ("v1", model, obstacle)


def test_a_connection_without_a_car_is_refused() -> None:
    with pytest.raises(Unreadable, match="id must be a text"):
        vehicles({"data": [{"id": "c1", "type": "connection"}]})
    assert vehicles({}) == ()
