"""Tesla's connector: what goes out, and what refusals mean."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
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
from oem_connectors.tesla import CONNECTOR, SCHEDULE_ID, vehicles
from oem_connectors.tesla.outcome import outcome
from oem_connectors.wire import hosts_of
from streams.contracts.command import Action

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
VIN = "X" * 17
BEHIND = "car could not execute command: "
ASLEEP = {"response": None, "error": "vehicle unavailable: vehicle is offline or asleep", "error_description": ""}


def grant(**about: str) -> Grant:
    return Grant(pack("a-token", about), pack("a-refresh", about), NOW)


class Tesla:
    """Answers every request the same, or as a function of its host, and keeps what was asked."""

    def __init__(self, *answers: httpx.Response) -> None:
        self.asked: list[httpx.Request] = []
        self._answers = answers

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self._answers[min(len(self.asked), len(self._answers)) - 1]
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    def client(self, http: httpx.AsyncClient) -> OemClient:
        return OemClient(CONNECTOR, http, hosts_of(CONNECTOR, {}), {"client_id": SecretStr("us")})

    def command(self, action: Action, **about: str) -> str | None:
        async def once() -> str | None:
            async with httpx.AsyncClient(transport=httpx.MockTransport(self)) as http:
                return await self.client(http).command(
                    grant(home="10.0,20.0", **about), VIN, action, "id", start_at=NOW
                )

        return asyncio.run(once())

    def read(self, **about: str) -> Any:
        async def once() -> Any:
            async with httpx.AsyncClient(transport=httpx.MockTransport(self)) as http:
                return await self.client(http).read(grant(**about), "a.b", VIN, NOW)

        return asyncio.run(once())


def answer(status: int = 200, body: object = None, **headers: str) -> httpx.Response:
    return httpx.Response(status, json={} if body is None else body, headers=headers)


def done(reason: str = "", *, result: bool = False) -> dict[str, Any]:
    return {"response": {"result": result, "reason": reason}}


def failed(error: str) -> dict[str, Any]:
    return {"response": None, "error": error, "error_description": ""}


@pytest.mark.parametrize(
    ("action", "url", "body"),
    [
        (Action.START, f"https://127.0.0.1:4443/api/1/vehicles/{VIN}/command/charge_start", {}),
        (Action.STOP, f"https://127.0.0.1:4443/api/1/vehicles/{VIN}/command/charge_stop", {}),
        (Action.WAKE, f"https://fleet-api.prd.na.vn.cloud.tesla.com/api/1/vehicles/{VIN}/wake_up", {}),
        (
            Action.UNSCHEDULE,
            f"https://127.0.0.1:4443/api/1/vehicles/{VIN}/command/remove_charge_schedule",
            {"id": SCHEDULE_ID},
        ),
    ],
)
def test_a_command_goes_where_it_is_signed_and_a_wake_to_the_cloud(
    action: Action, url: str, body: dict[str, Any]
) -> None:
    tesla = Tesla(answer(body=done(result=True)))
    assert tesla.command(action) is None
    (asked,) = tesla.asked
    assert (asked.method, str(asked.url), json.loads(asked.content)) == ("POST", url, body)
    assert asked.headers["Authorization"] == "Bearer a-token"
    assert asked.headers["Content-Type"] == "application/json"


def test_the_parts_of_a_reading_are_asked_for_with_semicolons() -> None:
    tesla = Tesla(answer(body={"response": {"charge_state": {"battery_level": 5}}}))
    assert tesla.read(region="eu").soc_pct == 5
    (asked,) = tesla.asked
    assert str(asked.url) == (
        f"https://fleet-api.prd.eu.vn.cloud.tesla.com/api/1/vehicles/{VIN}/vehicle_data"
        "?endpoints=charge_state;location_data;vehicle_state;drive_state"
    )


def test_of_a_place_only_at_home_or_not_is_kept() -> None:
    body = {"response": {"charge_state": {}, "drive_state": {"latitude": 10.0, "longitude": 20.0}}}
    assert Tesla(answer(body=body)).read(home="10.0,20.0").at_home is True
    assert Tesla(answer(body=body)).read(home="11.0,20.0").at_home is False
    assert Tesla(answer(body=body)).read().at_home is None
    assert Tesla(answer(body={"response": {"charge_state": {}}})).read(home="10.0,20.0").at_home is None


@pytest.mark.parametrize(
    ("action", "reason", "wanted"),
    [
        (Action.START, "is_charging", "already"),
        (Action.START, "complete", "already"),
        (Action.START, "already_set", "already"),
        (Action.START, "disconnected", Rejected),
        (Action.START, "no_power", Rejected),
        (Action.START, "not_charging", Rejected),
        (Action.STOP, "not_charging", "already"),
        (Action.STOP, "complete", "already"),
        (Action.STOP, "disconnected", "already"),
        (Action.STOP, "is_charging", Rejected),
        (Action.SCHEDULE, "already_set", "already"),
        (Action.START, "could_not_wake_buses", Asleep),
        (Action.STOP, "", Rejected),
        (Action.STOP, "something new", Rejected),
    ],
)
@pytest.mark.parametrize("before", ["", BEHIND])
def test_the_cars_own_refusal_is_understood_in_both_spellings(
    action: Action, reason: str, wanted: object, before: str
) -> None:
    found = outcome(Reply(200, done(before + reason), action))
    assert found == wanted or type(found) is wanted


@pytest.mark.parametrize(
    ("status", "body", "on_read", "on_command"),
    [
        (408, ASLEEP, Asleep, Asleep),
        (500, ASLEEP, Asleep, Asleep),
        (408, {}, Asleep, Asleep),
        (500, failed("vehicle busy or finishing wake-up"), Unavailable, Unavailable),
        (500, failed("MESSAGEFAULT_ERROR_BUSY"), Unavailable, Unavailable),
        (500, failed("vehicle not connected"), Unavailable, Unavailable),
        (
            500,
            failed("vehicle rejected request: your public key has not been paired with the vehicle"),
            Rejected,
            Rejected,
        ),
        (500, failed("MESSAGEFAULT_ERROR_RESPONSE_MTU_EXCEEDED"), Unavailable, OutcomeUnknown),
        (500, failed("something new"), Unavailable, OutcomeUnknown),
        (502, failed("response exceeds maximum length"), Unavailable, OutcomeUnknown),
        (504, failed("context deadline exceeded"), Unavailable, OutcomeUnknown),
        (540, {}, Unavailable, OutcomeUnknown),
        (503, failed("context deadline exceeded"), Unavailable, Unavailable),
        (423, {}, Unavailable, Unavailable),
        (402, {}, Throttled, Throttled),
        (401, {}, Unauthorised, Unauthorised),
        (401, failed("token expired (401)"), Unauthorised, Unauthorised),
        (401, failed("mobile_access_disabled"), Rejected, Rejected),
        (401, failed("login_required"), NeedsConsent, NeedsConsent),
        (403, failed("Unauthorized missing scopes"), NeedsConsent, NeedsConsent),
        (403, failed("client did not provide an OAuth token"), Unauthorised, Unauthorised),
        (403, failed("unsupported vehicle"), Unsupported, Unsupported),
        (403, failed("something new"), Rejected, Rejected),
        (404, failed("not_found"), Rejected, Rejected),
        (412, {}, Rejected, Rejected),
        (421, failed("user out of region, somewhere else"), Rejected, Rejected),
        (429, {}, Throttled, Throttled),
    ],
)
def test_an_error_says_what_to_do_next(
    status: int, body: dict[str, Any], on_read: type[OemError], on_command: type[OemError]
) -> None:
    with pytest.raises(OemError) as raised:
        Tesla(answer(status, body)).read()
    assert type(raised.value) is on_read
    with pytest.raises(OemError) as raised:
        Tesla(answer(status, body)).command(Action.START)
    assert type(raised.value) is on_command


def test_a_car_that_cannot_be_woken_is_not_to_be_woken_first() -> None:
    with pytest.raises(Unavailable):
        Tesla(answer(408, ASLEEP)).command(Action.WAKE)


@pytest.mark.parametrize("state", ["asleep", "offline"])
def test_a_car_that_sleeps_may_be_named_instead_of_read(state: str) -> None:
    for body in ({"state": state}, {"response": {"state": state}}):
        with pytest.raises(Asleep):
            Tesla(answer(body=body)).read()
    assert Tesla(answer(body={"state": state, "charge_state": {"battery_level": 5}})).read().soc_pct == 5


def test_a_car_that_was_asked_to_wake_may_still_sleep() -> None:
    assert Tesla(answer(body={"response": {"state": "asleep"}})).command(Action.WAKE) is None


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "7"}, timedelta(seconds=7)),
        ({"RateLimit-Reset": "41"}, timedelta(seconds=41)),
        ({"RateLimit-Reset": "41", "Retry-After": "7"}, timedelta(seconds=7)),
        ({}, None),
    ],
)
def test_too_many_calls_wait_as_long_as_tesla_says(headers: dict[str, str], wait: timedelta | None) -> None:
    with pytest.raises(Throttled) as raised:
        Tesla(answer(429, {}, **headers)).read()
    assert (raised.value.retry_after, raised.value.app) == (wait, False)


def test_a_bill_that_is_full_stops_all_accounts() -> None:
    with pytest.raises(Throttled) as raised:
        Tesla(answer(402)).read()
    assert raised.value.app


def elsewhere(base: str) -> httpx.Response:
    return answer(421, failed(f"user out of region, use base URL: {base}, see https://developer.tesla.com"))


@pytest.mark.parametrize("region", ["eu", "na"])
def test_a_car_in_another_region_is_asked_for_there_and_remembered(region: str) -> None:
    base = CONNECTOR.hosts[f"api.{region}"]
    here = "na" if region == "eu" else "eu"
    tesla = Tesla(elsewhere(base), answer(body={"response": {"charge_state": {"battery_level": 5}}}))
    assert tesla.read(region=here).soc_pct == 5
    assert [str(asked.url).partition("/api/")[0] for asked in tesla.asked] == [CONNECTOR.hosts[f"api.{here}"], base]


def test_nobody_is_sent_to_a_host_that_is_not_teslas() -> None:
    tesla = Tesla(elsewhere("https://fleet-api.prd.example.org"))
    with pytest.raises(Rejected):
        tesla.read()
    assert len(tesla.asked) == 1


KEYS = ["response", "result", "reason", "error", "error_description", "state", "charge_state", "vin", "timestamp"]
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(KEYS), inner),
)


@given(JSON, st.integers(100, 599))
def test_no_answer_breaks_the_rules(body: object, status: int) -> None:
    raw = body if isinstance(body, dict) else {"response": body}
    for action in (None, *Action):
        found = outcome(Reply(status, raw, action))
        assert found is None or found == "already" or isinstance(found, OemError)
    for rule in (vehicles, CONNECTOR.place, lambda raw: CONNECTOR.normalise("a.b", raw, NOW)):
        with suppress(Unreadable):
            rule(raw)
