"""Enode's words against the vendor's own models; actions, deliveries, and what each car is capable of."""

from __future__ import annotations

import hashlib
import hmac
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from enode.models import ActionState, ChargeActionType, GetVehicleResponse, VehiclePowerDeliveryState
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from oem_connectors.base import Can, Grant, Reply
from oem_connectors.credential import pack
from oem_connectors.enode import CONNECTOR, ENDED, REFUSALS, outcome
from oem_connectors.enode.hook import events, genuine
from oem_connectors.enode.vehicle import CHARGES, capabilities, place, vehicles
from oem_connectors.errors import OemError, OutcomeUnknown, Rejected, Unreadable
from oem_connectors.http import OemClient
from oem_connectors.push import Delivery
from oem_connectors.subject import Subject, said
from streams.contracts.command import Action

NOW = datetime(2025, 1, 1, 12, tzinfo=UTC)
GRANT = Grant(pack("at", {"user_id": "u1"}), pack("", {"user_id": "u1"}), NOW + timedelta(hours=1))
APP = {"client_id": SecretStr("me"), "client_secret": SecretStr("s3cret")}
SAMPLES = Subject(CONNECTOR).samples
CAR: dict[str, Any] = dict(SAMPLES["charging.json"]["raw"])


def read(**charge: Any) -> dict[str, object]:
    return said(CONNECTOR.normalise("a.b", {"chargeState": charge}, NOW))


# --- the vendor's models


def test_every_state_of_power_that_the_vendor_knows_has_a_meaning() -> None:
    assert {state.value for state in VehiclePowerDeliveryState} == {*CHARGES, "UNKNOWN"}


def test_every_end_of_an_action_that_the_vendor_knows_is_classed() -> None:
    assert {reason.value for reason in ChargeActionType} == REFUSALS | {"UNNECESSARY", "NO_RESPONSE"}
    assert {state.value for state in ActionState} == ENDED | {"PENDING", "CONFIRMED"}


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_the_samples_are_what_the_vendor_calls_a_vehicle(name: str) -> None:
    raw = dict(SAMPLES[name]["raw"])
    capable = {"isCapable": True, "interventionIds": []}
    names = ("information", "chargeState", "location", "odometer", "setMaxCurrent", "startCharging", "stopCharging")
    raw["capabilities"] = dict.fromkeys((*names, "smartCharging"), capable)
    model = GetVehicleResponse.model_validate(raw)
    found = CONNECTOR.normalise("a.b", raw, NOW)
    assert found.soc_pct == model.charge_state.battery_level
    assert found.limit_pct == model.charge_state.charge_limit
    assert found.power_kw == model.charge_state.charge_rate
    assert found.range_km == model.charge_state.range
    assert found.odometer_km == model.odometer.distance
    assert found.car_time == model.charge_state.last_updated
    if model.charge_state.is_plugged_in is not None:
        assert found.plug == ("plugged" if model.charge_state.is_plugged_in else "unplugged")


# --- readings


@pytest.mark.parametrize(
    ("charge", "wanted"),
    [
        ({"powerDeliveryState": "UNPLUGGED"}, {"plug": "unplugged", "charge": "idle"}),
        ({"powerDeliveryState": "PLUGGED_IN:INITIALIZING"}, {"plug": "plugged", "charge": "starting"}),
        ({"powerDeliveryState": "PLUGGED_IN:CHARGING"}, {"plug": "plugged", "charge": "charging"}),
        ({"powerDeliveryState": "PLUGGED_IN:STOPPED"}, {"plug": "plugged", "charge": "idle"}),
        ({"powerDeliveryState": "PLUGGED_IN:COMPLETE"}, {"plug": "plugged", "charge": "complete"}),
        ({"powerDeliveryState": "PLUGGED_IN:NO_POWER"}, {"plug": "plugged", "charge": "no_power"}),
        ({"powerDeliveryState": "PLUGGED_IN:FAULT"}, {"plug": "plugged", "charge": "fault"}),
        ({"powerDeliveryState": "PLUGGED_IN:DISCHARGING"}, {"plug": "plugged", "charge": "discharging"}),
        ({"powerDeliveryState": "UNKNOWN"}, {}),
        ({"powerDeliveryState": "PLUGGED_IN:NEVER_SEEN"}, {}),
        ({"powerDeliveryState": "UNKNOWN", "isPluggedIn": False}, {"plug": "unplugged"}),
        ({"isPluggedIn": True, "isCharging": True}, {"plug": "plugged", "charge": "charging"}),
        ({"isPluggedIn": True, "isCharging": False, "isFullyCharged": True}, {"plug": "plugged"}),
        ({"chargeLimit": None, "chargeRate": None, "batteryLevel": None}, {}),
        ({"batteryLevel": 0}, {"soc_pct": 0.0}),
    ],
)  # fmt: skip
def test_a_charge_state_says_what_it_says(charge: dict[str, Any], wanted: dict[str, object]) -> None:
    assert read(**charge) == wanted


def test_a_place_may_be_unknown() -> None:
    assert place(CAR) == (10.0, 20.0)
    assert place({"location": {"latitude": None, "longitude": 20.0}}) is None
    assert place({}) is None


def listed(start: bool | None, stop: bool | None) -> dict[str, Any]:
    capable = {"startCharging": {"isCapable": start}, "stopCharging": {"isCapable": stop}}
    return {"data": [{"id": "c1", "vendor": "BMW", "information": {"model": "i3"}, "capabilities": capable}]}


@pytest.mark.parametrize(
    ("start", "stop", "able"),
    [
        (True, True, Can.START | Can.STOP),
        (None, None, Can.START | Can.STOP),
        (False, False, Can(0)),
        (True, False, Can.START),
        (False, True, Can.STOP),
    ],
)
def test_what_a_car_is_capable_of_is_learned_from_the_list(start: bool | None, stop: bool | None, able: Can) -> None:
    (car,) = vehicles(listed(start, stop))
    assert car.model.startswith("BMW i3")
    assert capabilities(car.model) == Can.READ | Can.LIMIT | able
    assert CONNECTOR.can(car.model, Action.START) is (Can.START in able)
    assert CONNECTOR.can(car.model, Action.STOP) is (Can.STOP in able)


def test_a_list_of_other_things_is_refused() -> None:
    assert vehicles({"data": [], "pagination": {"after": None, "before": None}}) == ()
    refused: list[dict[str, Any]] = [{"data": [{"vendor": "BMW"}]}, {"data": ["c1"]}, {"data": {}}]
    for raw in refused:
        with pytest.raises(Unreadable):
            vehicles(raw)


# --- actions


@pytest.mark.parametrize(
    ("status", "body", "wanted"),
    [
        (200, {"state": "PENDING", "failureReason": None}, type(None)),
        (200, {"state": "CONFIRMED", "failureReason": None}, type(None)),
        (200, {"state": "FAILED", "failureReason": {"type": "UNNECESSARY", "detail": "…"}}, str),
        (422, {"failureReason": {"type": "UNNECESSARY", "detail": "…"}}, str),
        (200, {"state": "FAILED", "failureReason": {"type": "NO_RESPONSE"}}, OutcomeUnknown),
        (200, {"state": "FAILED", "failureReason": {"type": "FAILED_PRECONDITION"}}, Rejected),
        (200, {"state": "CANCELLED", "failureReason": {"type": "CONFLICT"}}, Rejected),
        (200, {"state": "CANCELLED", "failureReason": {"type": "REQUESTED_CANCELLATION"}}, Rejected),
        (400, {"state": "FAILED", "failureReason": {"type": "NOT_FOUND"}}, Rejected),
        (200, {"state": "FAILED", "failureReason": None}, OutcomeUnknown),
        (200, {"state": "FAILED", "failureReason": {"type": "NEVER_SEEN"}}, OutcomeUnknown),
        (200, {"state": "FAILED", "failureReason": {"type": ["UNNECESSARY"]}}, OutcomeUnknown),
        (422, {"type": "https://…", "title": "…", "detail": "…"}, type(None)),
    ],
)
def test_an_action_is_accepted_unnecessary_or_over(status: int, body: dict[str, Any], wanted: type) -> None:
    assert type(outcome(Reply(status, body, Action.START))) is wanted
    assert outcome(Reply(status, body, None)) is None


async def sent(answer: httpx.Response, action: Action | None) -> tuple[httpx.Request, object]:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return answer

    async with httpx.AsyncClient(transport=httpx.MockTransport(handler)) as http:
        client = OemClient(CONNECTOR, http, None, APP)
        found: object
        try:
            if action is None:
                found = await client.refresh(GRANT.refresh_token, NOW)
            else:
                found = await client.command(GRANT, "car/1", action, "c1")
        except OemError as error:
            found = error
    return seen[0], found


@pytest.mark.parametrize(("action", "word"), [(Action.START, "START"), (Action.STOP, "STOP")])
async def test_a_command_is_one_action(action: Action, word: str) -> None:
    request, found = await sent(httpx.Response(200, json={"state": "PENDING", "failureReason": None}), action)
    assert found is None
    assert str(request.url) == "https://enode-api.production.enode.io/vehicles/car%2F1/charging"
    assert json.loads(request.content) == {"action": word}
    assert request.headers["authorization"] == "Bearer at"


@pytest.mark.parametrize("status", [200, 400, 422])
async def test_an_unnecessary_action_is_a_success_whatever_the_status(status: int) -> None:
    body = {"state": "FAILED", "failureReason": {"type": "UNNECESSARY", "detail": "…"}}
    _, found = await sent(httpx.Response(status, json=body), Action.STOP)
    assert found == "already"


async def test_smart_charging_of_their_own_refuses_the_command() -> None:
    _, found = await sent(httpx.Response(422, json={"type": "…", "title": "…", "detail": "…"}), Action.START)
    assert isinstance(found, Rejected)


async def test_the_one_token_is_asked_for_as_the_app() -> None:
    request, found = await sent(httpx.Response(200, json={"access_token": "new", "expires_in": 3600}), None)
    assert str(request.url) == "https://oauth.production.enode.io/oauth2/token"
    assert request.content == b"grant_type=client_credentials"
    assert request.headers["authorization"] == "Basic bWU6czNjcmV0"
    assert isinstance(found, Grant)
    assert found.refresh_token == GRANT.refresh_token


# --- deliveries


def event(name: str, **more: Any) -> dict[str, Any]:
    return {"event": name, "createdAt": "2025-01-01T11:59:10Z", "version": "2024-10-01", "user": {"id": "u1"}} | more


UPDATED = event("user:vehicle:updated", vehicle=CAR, updatedFields=["chargeState.isPluggedIn"])


def test_a_batch_is_told_car_by_car_and_reads_as_telemetry() -> None:
    batch = [
        event("system:heartbeat", pendingEvents=3),
        UPDATED,
        event("user:vehicle:deleted", vehicle={"id": "c9"}),
        event("user:credentials:invalidated"),
        event("user:charger:updated", charger={"id": "x"}),
        event("user:vendor-action:updated", action={"state": "FAILED"}),
        event("enode:webhook:test"),
        event("user:vehicle:discovered", vehicle=CAR),
    ]
    found = events(batch)
    assert [(one.vehicle, one.user, one.consent_lost) for one in found] == [
        ("c1", "u1", False),
        ("c9", "u1", True),
        ("", "u1", True),
        ("c1", "u1", False),
    ]
    assert found[0].at == datetime(2025, 1, 1, 11, 59, 10, tzinfo=UTC)
    assert said(CONNECTOR.normalise("a.b", found[0].raw, NOW, found[0].kind)) == SAMPLES["charging.json"]["expected"]


def test_an_event_keeps_its_id_when_delivered_again_and_shares_it_with_no_other() -> None:
    later = {**UPDATED, "createdAt": "2025-01-01T11:59:11Z"}
    turned = dict(reversed(UPDATED.items()))
    ids = [one.id for one in events([UPDATED, later, turned])]
    assert ids[0] == ids[2] != ids[1]
    assert len(events([{**UPDATED, "event": "system:heartbeat"}] * 100)) == 0


@pytest.mark.parametrize(
    "body",
    [{}, ["x"], None, [event("user:vehicle:updated")], [event("user:credentials:invalidated", user={})],
     [event("user:vehicle:updated", vehicle=[])], [event("user:vehicle:updated", vehicle=CAR, createdAt="soon")]],
)  # fmt: skip
def test_a_delivery_that_names_nobody_is_refused(body: Any) -> None:
    with pytest.raises(Unreadable):
        events(body)


@given(st.binary(min_size=1, max_size=60), st.integers(min_value=0))
def test_one_changed_bit_spoils_a_signature(body: bytes, at: int) -> None:
    secret, digest = SecretStr("ours"), hmac.new(b"ours", body, hashlib.sha1).hexdigest()
    assert genuine(Delivery({"x-enode-signature": f"sha1={digest}"}, body), secret)
    other = bytearray(body)
    other[at // 8 % len(body)] ^= 1 << at % 8
    assert not genuine(Delivery({"x-enode-signature": f"sha1={digest}"}, bytes(other)), secret)
    assert not genuine(Delivery({"x-enode-signature": digest}, body), secret)
    assert not genuine(Delivery({"x-enode-signature": f"sha256={digest}"}, body), secret)
    assert not genuine(Delivery({}, body), secret)
    empty = hmac.new(b"", body, hashlib.sha1).hexdigest()
    assert not genuine(Delivery({"x-enode-signature": f"sha1={empty}"}, body), SecretStr(""))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


def holes(value: Any) -> st.SearchStrategy[Any]:
    """The same shape with anything in any place."""
    if isinstance(value, dict):
        return JSON | st.fixed_dictionaries({name: holes(inner) for name, inner in value.items()})
    if isinstance(value, list):
        return JSON | st.lists(st.one_of([holes(inner) for inner in value]) if value else JSON, max_size=3)
    return JSON | st.just(value)


ACTION = {"state": "FAILED", "failureReason": {"type": "UNNECESSARY"}}


@given(holes(ACTION) | holes([UPDATED]) | holes(CAR) | holes(listed(True, None)), st.sampled_from([None, Action.START]))
def test_nothing_but_unreadable_is_raised(body: Any, action: Action | None) -> None:
    raw = body if isinstance(body, dict) else {}
    outcome(Reply(200, raw, action))
    for rule in (events, lambda _: vehicles(raw), lambda _: place(raw), lambda _: CONNECTOR.normalise("a.b", raw, NOW)):
        with suppress(Unreadable):
            rule(body)
