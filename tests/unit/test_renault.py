"""Renault's connector: what its numbers and errors mean, what goes out, and which car takes which command."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oem_connectors.base import Can, Obstacle, Reply
from oem_connectors.credential import unpack
from oem_connectors.errors import (
    NeedsConsent,
    OemError,
    OutcomeUnknown,
    Rejected,
    Throttled,
    Unavailable,
    Unreadable,
    Unsupported,
)
from oem_connectors.renault import CONNECTOR, outcome
from oem_connectors.renault.shapes import place, vehicles
from oem_connectors.subject import said
from streams.contracts.command import Action
from tests.asked import NOW, Cloud

DATA = Path(__file__).parents[1] / "data" / "oem_api" / "renault"
DETAILS = {"account_id": "acc", "country": "FR", "home": "48.1,2.2"}
APP = {"api_key": "a-key", "login_key": "b-key"}
ACCOUNT = "/commerce/v1/accounts/acc"
KCA, KCM = ACCOUNT + "/kamereon/kca/car-adapter", ACCOUNT + "/kamereon/kcm/v1/vehicles/car%2F1"
READ = f"GET {KCA}/v2/cars/car%2F1/battery-status?country=FR"
LOCATE = f"GET {KCA}/v1/cars/car%2F1/location?country=FR"


def battery(**attributes: object) -> dict[str, Any]:
    return {"data": {"type": "Car", "id": "x", "attributes": attributes}}


def told(**attributes: object) -> dict[str, object]:
    return said(CONNECTOR.normalise("a.b", battery(**attributes), NOW))


def errors(code: str, message: str = "m") -> dict[str, Any]:
    return {"type": "FUNCTIONAL", "errors": [{"errorCode": code, "errorMessage": message}]}


@pytest.mark.parametrize("plug", [0, 1, -1, -2147483648, None, 2])
@pytest.mark.parametrize(
    ("status", "charge"),
    [
        (0.0, "idle"),
        (0, "idle"),
        (0.1, "scheduled"),
        (0.2, "complete"),
        (0.3, "starting"),
        (1.0, "charging"),
        (-1.5, "discharging"),
        (-1.6, "charging"),
        (0.4, None),
        (-1.1, None),
        (-1.3, None),
        (-1.4, None),
        (0.5, None),
        (-2147483648, None),
        (None, None),
    ],
)
def test_states_are_numbers_and_others_are_unknown(plug: int | None, status: float | None, charge: str | None) -> None:
    wanted = {"charge": charge} if charge else {}
    if plug in {0, 1}:
        wanted["plug"] = "plugged" if plug else "unplugged"
    assert told(plugStatus=plug, chargingStatus=status) == wanted


@pytest.mark.parametrize(("plug", "charge"), [(0, "idle"), (1, None), (-1, None), (-2147483648, None), (None, None)])
def test_minus_one_is_idle_only_with_the_cable_out(plug: int | None, charge: str | None) -> None:
    assert told(plugStatus=plug, chargingStatus=-1.0).get("charge") == charge
    assert told(plugStatus=plug, chargingStatus=-1).get("charge") == charge


@given(power=st.floats(0, 100_000), status=st.sampled_from([0.0, 0.1, 1.0]))
def test_power_of_an_unknown_unit_is_never_told(power: float, status: float) -> None:
    found = told(plugStatus=1, chargingStatus=status, chargingInstantaneousPower=power, batteryLevel=50)
    assert found == told(plugStatus=1, chargingStatus=status, batteryLevel=50)
    assert "power_kw" not in found


@pytest.mark.parametrize("field", ["batteryLevel", "batteryAutonomy"])
def test_a_sentinel_is_refused_by_name(field: str) -> None:
    with pytest.raises(Unreadable, match=r"soc_pct|range_km"):
        told(**{field: -2147483648})


@pytest.mark.parametrize(
    ("file", "wanted", "of_a_command"),
    [
        ("access_denied", Rejected, Rejected),
        ("charge_mode_inprogress", Throttled, Throttled),
        ("failed_forward", Unavailable, OutcomeUnknown),
        ("forbidden", Rejected, Rejected),
        ("hvac-status.403.403011", Unsupported, Unsupported),
        ("invalid_date", Rejected, Rejected),
        ("invalid_upstream", Unavailable, OutcomeUnknown),
        ("not_supported", Unsupported, Unsupported),
        ("privacy_on", Rejected, Rejected),
        ("quota_limit", Throttled, Throttled),
        ("resource_not_found", Unsupported, Unsupported),
    ],
)
@pytest.mark.parametrize("status", [200, 400, 403, 500])
def test_recorded_errors_whatever_the_status(
    file: str, wanted: type[OemError], of_a_command: type[OemError], status: int
) -> None:
    body = json.loads((DATA / "error" / f"{file}.json").read_text("utf-8"))
    assert type(outcome(Reply(status, body))) is wanted
    assert type(outcome(Reply(status, body, Action.START))) is of_a_command


@pytest.mark.parametrize(
    ("status", "read", "command"),
    [(200, Unavailable, OutcomeUnknown), (500, Unavailable, OutcomeUnknown), (404, type(None), type(None))],
)
def test_an_error_nobody_has_seen(status: int, read: type, command: type) -> None:
    assert type(outcome(Reply(status, errors("err.func.new")))) is read
    assert type(outcome(Reply(status, errors("err.func.new"), Action.STOP))) is command


@pytest.mark.parametrize(
    "body", [{}, {"errors": []}, {"errors": None}, {"errors": "x"}, {"errors": [3]}, {"errors": [{}]}, {"errorCode": 0}]
)
def test_what_is_no_error_is_left_to_the_status(body: dict[str, Any]) -> None:
    assert outcome(Reply(200, body, Action.START)) is None


ZOE_50, ZOE_40, SPRING, MEGANE = "ZOE X102VE", "ZOE X101VE", "SPRING XBG1VE", "MEGANE E-TECH XCB1VE"
KCA_START = (f"{KCA}/v1/cars/car%2F1/actions/charging-start", "ChargingStart", "start")


@pytest.mark.parametrize(
    ("model", "action", "call"),
    [
        (ZOE_40, Action.START, KCA_START),
        (ZOE_50, Action.START, KCA_START),
        (ZOE_50, Action.STOP, (f"{KCM}/charge/pause-resume", "ChargePauseResume", "pause")),
        (SPRING, Action.START, (f"{KCM}/charge/pause-resume", "ChargePauseResume", "resume")),
        (SPRING, Action.STOP, (f"{KCM}/charge/pause-resume", "ChargePauseResume", "pause")),
        (MEGANE, Action.START, (f"{KCM}/charge/start", "ChargingStart", "start")),
    ],
)
async def test_each_model_is_commanded_in_its_own_way(model: str, action: Action, call: tuple[str, str, str]) -> None:
    path, kind, word = call
    address = f"{path}?country=FR"
    cloud = Cloud(CONNECTOR, {f"POST {address}": {"data": {"type": kind, "id": "guid"}}}, DETAILS, APP)
    assert await cloud.command(action, model) is None
    assert cloud.asked() == [f"POST {CONNECTOR.hosts['api']}{address}"]
    request = cloud.requests[0]
    assert json.loads(request.content) == {"data": {"type": kind, "attributes": {"action": word}}}
    assert {"apikey": "a-key", "x-gigya-id_token": "a-token"}.items() <= dict(request.headers).items()
    assert request.headers["content-type"] == "application/vnd.api+json"
    assert "authorization" not in request.headers


@pytest.mark.parametrize(
    ("model", "can"),
    [
        (ZOE_40, Can.START),
        (ZOE_50, Can.START | Can.STOP),
        (SPRING, Can.START | Can.STOP),
        (MEGANE, Can.START),
        ("TWINGO III X071VE", Can(0)),
        ("RENAULT 5 R5E1VE", Can(0)),
        ("CAPTUR II XJB1SU", Can(0)),
        ("ZOE", Can(0)),
        ("", Can(0)),
    ],
)
def test_a_model_can_do_what_somebody_has_seen(model: str, can: Can) -> None:
    assert CONNECTOR.capabilities(model) == Can.READ | can
    assert CONNECTOR.can(model, Action.STOP) == (Can.STOP in can)


async def test_an_error_inside_a_success_is_no_success() -> None:
    address = f"{KCM}/charge/pause-resume?country=FR"
    cloud = Cloud(CONNECTOR, {f"POST {address}": errors("err.func.wired.overloaded")}, DETAILS, APP)
    with pytest.raises(Throttled):
        await cloud.command(Action.STOP, ZOE_50)


async def test_the_login_token_buys_a_short_access_token() -> None:
    cloud = Cloud(CONNECTOR, {"POST /accounts.getJWT": {"errorCode": 0, "id_token": "jwt"}}, DETAILS, APP)
    grant = await cloud.refresh()
    assert unpack(grant.access_token) == ("jwt", DETAILS)
    assert unpack(grant.refresh_token) == ("a-refresh", DETAILS)
    assert grant.expires_at == NOW + timedelta(minutes=15)
    assert parse_qs(cloud.requests[0].content.decode()) == {
        "ApiKey": ["b-key"],
        "login_token": ["a-refresh"],
        "fields": ["data.personId,data.gigyaDataCenter"],
        "expiration": ["900"],
    }


@pytest.mark.parametrize("code", [403005, 403013, 403042])
async def test_a_login_that_has_ended_needs_the_driver(code: int) -> None:
    refused = {"errorCode": code, "errorMessage": "Unauthorized user", "statusCode": 403}
    with pytest.raises(NeedsConsent):
        await Cloud(CONNECTOR, {"POST /accounts.getJWT": refused}, DETAILS, APP).refresh()


@pytest.mark.parametrize(
    ("latitude", "longitude", "at_home"),
    [(48.1, 2.2, True), (48.2, 2.2, False), (0, 0, None), (0, 2.2, False), (None, 2.2, None)],
)
async def test_a_plugged_car_is_looked_up(latitude: float | None, longitude: float, at_home: bool | None) -> None:
    where = battery(gpsLatitude=latitude, gpsLongitude=longitude)
    cloud = Cloud(CONNECTOR, {READ: battery(plugStatus=1), LOCATE: where}, DETAILS, APP)
    assert (await cloud.read(ZOE_50)).at_home is at_home


async def test_an_unplugged_car_is_not_looked_up() -> None:
    cloud = Cloud(CONNECTOR, {READ: battery(plugStatus=0)}, DETAILS, APP)
    assert (await cloud.read(ZOE_50)).at_home is None
    assert len(cloud.requests) == 1


@pytest.mark.parametrize(
    ("file", "model", "obstacle"),
    [
        ("captur_ii.1", "CAPTUR II XJB1SU", Obstacle.COMBUSTION),
        ("captur_ii.2", "CAPTUR II XJB1SU", None),
        ("clio_v.1", "CLIO V XJA1VP", Obstacle.COMBUSTION),
        ("clio_v.2", "CLIO V XJA2VP", Obstacle.COMBUSTION),
        ("duster.1", "NEW DUSTER XJD1SU", Obstacle.COMBUSTION),
        ("megane_e-tech.1", MEGANE, None),
        ("megane_e-tech.2", MEGANE, None),
        ("twingo_ze.1", "TWINGO III X071VE", None),
        ("zoe_40.1", ZOE_40, None),
        ("zoe_40.2", ZOE_40, None),
        ("zoe_50.1", ZOE_50, None),
    ],
)
def test_the_cars_of_recorded_accounts(file: str, model: str, obstacle: Obstacle | None) -> None:
    (car,) = vehicles(json.loads((DATA / "vehicles" / f"{file}.json").read_text("utf-8")))
    assert (car.model, car.obstacle) == (model, obstacle)
    assert car.id.startswith("D2EVSYNTH")


def test_an_account_may_have_no_car_but_no_car_without_an_id() -> None:
    assert vehicles({"vehicleLinks": []}) == ()
    with pytest.raises(Unreadable, match="vin"):
        vehicles({"vehicleLinks": [{"vehicleDetails": {"model": {"code": "X102VE"}}}]})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYS = ["plugStatus", "chargingStatus", "batteryLevel", "batteryAutonomy", "timestamp", "totalMileage", "gpsLatitude"]


@given(
    attributes=JSON | st.dictionaries(st.sampled_from(KEYS), JSON),
    top=st.dictionaries(st.sampled_from(["errors", "errorCode", "socTarget", "vehicleLinks", "vin"]), JSON),
)
def test_any_answer_is_read_or_refused(attributes: Any, top: dict[str, Any]) -> None:
    raw = {"data": {"attributes": attributes}, **top}
    CONNECTOR.recognise(raw)
    outcome(Reply(200, raw, Action.START))
    for kind in CONNECTOR.kinds:
        with suppress(Unreadable):
            CONNECTOR.normalise("a.b", raw, NOW, kind.name)
    for rule in (vehicles, place):
        with suppress(Unreadable):
            rule(raw)
