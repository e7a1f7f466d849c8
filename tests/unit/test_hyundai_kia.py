"""The connector of Hyundai and Kia: an oracle beside the recorded states, inferred charging, codes inside successes."""

from __future__ import annotations

import json
from contextlib import suppress
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
    Throttled,
    Unauthorised,
    Unavailable,
    Unreadable,
    Unsupported,
)
from oem_connectors.hyundai_kia import CONNECTOR, outcome
from oem_connectors.hyundai_kia.shapes import place, vehicles
from oem_connectors.recorded import understand
from oem_connectors.subject import said
from streams.contracts.command import Action
from streams.contracts.telemetry import Charge, Plug
from tests.asked import NOW, Cloud

DATA = Path(__file__).parents[1] / "data" / "oem_api" / "hyundai_kia"
DETAILS = {"device_id": "dev", "home": "48.1,2.2"}
APP = {"client_id": "service", "client_secret": "s", "app_id": "app", "stamp": "st"}
CARS = "/api/v1/spa/vehicles"
OLD, NEW = "Niro EV v1", "EV6 CCS2"


def told(raw: dict[str, Any], kind: str | None = None) -> dict[str, object]:
    return said(CONNECTOR.normalise("a.b", raw, NOW, kind))


@pytest.mark.parametrize("file", sorted(DATA.glob("*.json")), ids=lambda file: file.stem)
def test_an_independent_reading_says_the_same(file: Path) -> None:
    raw = json.loads(file.read_text("utf-8"))
    wanted = raw["_fixture_meta"]["expected"]
    found = understand(CONNECTOR, raw, "a.b", NOW).telemetry
    assert found.soc_pct == wanted["ev_battery_percentage"]
    assert found.limit_pct == wanted["ev_charge_limits_ac"]
    assert found.plug is (Plug.PLUGGED if wanted["ev_battery_is_plugged_in"] else Plug.UNPLUGGED)
    assert found.charge is (Charge.CHARGING if wanted["ev_battery_is_charging"] else Charge.IDLE)
    if "odometer_value" in wanted:
        assert found.odometer_km == round(wanted["odometer_value"] * 1.609344, 3)


def ccs2(fastened: object, remaining: object, power: object = None) -> dict[str, Any]:
    return {
        "Green": {
            "ChargingInformation": {"ConnectorFastening": {"State": fastened}, "Charging": {"RemainTime": remaining}},
            "Electric": {"SmartGrid": {"RealTimePower": power}},
        }
    }


@pytest.mark.parametrize(
    ("fastened", "remaining", "power", "plug", "charge"),
    [
        (True, 95, None, "plugged", "charging"),
        (1, 95, 7.1, "plugged", "charging"),
        (True, 0, None, "plugged", "idle"),
        (1, 0, 0, "plugged", "idle"),
        (True, 0, 7.1, "plugged", None),  # minutes and power contradict each other
        (True, None, None, "plugged", None),
        (True, -1, None, "plugged", None),
        (False, 0, None, "unplugged", "idle"),
        (0, 95, None, "unplugged", "idle"),  # the time that a charge would take
        (None, 95, None, None, None),
        (None, 0, None, None, None),
        (2, 95, None, None, None),
    ],
)
def test_charging_is_inferred_only_with_the_cable_in(
    fastened: object, remaining: object, power: object, plug: str | None, charge: str | None
) -> None:
    found = told(ccs2(fastened, remaining, power))
    assert (found.get("plug"), found.get("charge")) == (plug, charge)


def status(**ev: object) -> dict[str, Any]:
    return {"vehicleStatus": {"evStatus": ev, "time": "20240720120000"}}


@pytest.mark.parametrize(
    ("plugin", "charging", "plug", "charge"),
    [
        (0, False, "unplugged", "idle"),
        (1, True, "plugged", "charging"),
        (2, False, "plugged", "idle"),
        (3, True, "plugged", "charging"),
        (4, None, None, None),
        (None, True, None, "charging"),
    ],
)
def test_older_cars_say_both(plugin: int | None, charging: bool | None, plug: str | None, charge: str | None) -> None:
    found = told(status(batteryPlugin=plugin, batteryCharge=charging))
    assert (found.get("plug"), found.get("charge")) == (plug, charge)


@pytest.mark.parametrize(
    ("limits", "wanted"),
    [
        ([(0, 80), (1, 100)], 100.0),
        ([(1, 90), (0, 80)], 90.0),
        ([(0, 80)], None),
        ([(2, 70)], None),
        ([], None),
    ],
)
def test_the_limit_is_that_of_ac(limits: list[tuple[int, int]], wanted: float | None) -> None:
    listed = [{"plugType": plug, "targetSOClevel": level} for plug, level in limits]
    assert told(status(reservChargeInfos={"targetSOClist": listed})).get("limit_pct") == wanted


@pytest.mark.parametrize(
    ("unit", "wanted"), [(1, 100.0), (2, 160.934), (3, 160.934), (0, None), (4, None), (None, None)]
)
def test_a_distance_counts_only_in_a_unit_that_we_know(unit: int | None, wanted: float | None) -> None:
    ranges = [{"rangeByFuel": {"evModeRange": {"value": 100, "unit": unit}}}]
    assert told(status(drvDistance=ranges)).get("range_km") == wanted


@pytest.mark.parametrize(
    ("dte", "fuel", "wanted"),
    [
        ({"Total": 290, "Unit": 1}, 0, 290.0),
        ({"Total": 600, "Unit": 1, "EV": 47}, 100, 47.0),
        ({"Total": 50, "Unit": 1, "EV": 47}, 0, 47.0),
        ({"Total": 600, "Unit": 1}, 100, None),
        ({"Total": 600, "Unit": 1}, None, None),
        ({"Total": 290}, 0, None),
    ],
)
def test_the_range_of_a_newer_car_is_that_of_its_battery(
    dte: dict[str, int], fuel: int | None, wanted: float | None
) -> None:
    drivetrain = {"FuelSystem": {"DTE": dte, "FuelLevel": fuel}}
    assert told({"Green": {}, "Drivetrain": drivetrain}).get("range_km") == wanted


@pytest.mark.parametrize("kind", ["state", "status"])
def test_times_without_a_zone_are_left_out(kind: str) -> None:
    raw = {"Green": {}, "Date": "20240915140000", "Offset": 1} if kind == "state" else {"status": {"time": "20240915"}}
    assert told(raw, kind) == {}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("20240615143000", "2024-06-15T14:30:00Z"), ("2024061514300", None), ("20241315143000", None), ("", None)],
)
def test_american_times_are_utc(text: str, wanted: str | None) -> None:
    raw = {"lastVehicleInfo": {"vehicleStatusRpt": {"vehicleStatus": {"syncDate": {"utc": text}}}}}
    assert told(raw, "kia_us").get("car_time") == wanted


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_state_is_the_same_as_answered_and_unwrapped(wrapped: bool) -> None:
    for inner, wrap in (
        (ccs2(True, 95), lambda found: {"state": {"Vehicle": found}}),
        (status(batteryStatus=54, batteryPlugin=1), lambda found: {"vehicleStatusInfo": found}),
    ):
        raw = {"retCode": "S", "resCode": "0000", "resMsg": wrap(inner)} if wrapped else inner
        assert CONNECTOR.recognise(raw) == "state"
        assert told(raw) == told(inner)
        assert told(raw)["plug"] == "plugged"


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        ({"retCode": "S", "resMsg": status(batteryPlugin=1)["vehicleStatus"]}, "state"),
        ({"responseHeader": {}, "result": {"status": status(batteryPlugin=1)["vehicleStatus"]}}, "status"),
        ({"status": status(batteryPlugin=1)["vehicleStatus"]}, "status"),
        (status(batteryPlugin=1)["vehicleStatus"], "hyundai_us"),
        ({"retCode": "S", "resMsg": {"vehicles": []}}, None),
        ({"retCode": "S", "resMsg": "text", "status": "text"}, None),
    ],
)
def test_a_state_is_known_by_what_wraps_it(raw: dict[str, Any], kind: str | None) -> None:
    assert CONNECTOR.recognise(raw) == kind
    if kind:
        assert told(raw, kind) == {"plug": "plugged"}


@pytest.mark.parametrize(
    ("code", "read", "command"),
    [
        ("4002", NeedsConsent, NeedsConsent),
        ("4004", Throttled, Throttled),
        ("4005", Unsupported, Unsupported),
        ("4081", Unavailable, OutcomeUnknown),
        ("5031", Unavailable, Unavailable),
        ("5091", Throttled, Throttled),
        ("5921", Unreadable, Unreadable),
        ("7501", Unauthorised, Unauthorised),
        ("9999", Unavailable, OutcomeUnknown),
        ("1234", Unavailable, OutcomeUnknown),
        (None, Unavailable, OutcomeUnknown),
        (["4004"], Unavailable, OutcomeUnknown),
    ],
)
@pytest.mark.parametrize("http", [200, 400, 500])
def test_failures_by_their_code(code: object, read: type[OemError], command: type[OemError], http: int) -> None:
    body = {"retCode": "F", "resCode": code, "resMsg": "marker-5528"}
    for action, wanted in ((None, read), (Action.STOP, command)):
        found = outcome(Reply(http, body, action))
        assert type(found) is wanted
        assert "marker" not in str(found)


@pytest.mark.parametrize("body", [{}, {"retCode": "S", "resCode": "0000", "msgId": "m"}, {"retCode": None}])
def test_what_is_no_failure_is_left_to_the_status(body: dict[str, Any]) -> None:
    assert outcome(Reply(200, body, Action.START)) is None


@pytest.mark.parametrize(("action", "word"), [(Action.START, "start"), (Action.STOP, "stop")])
@pytest.mark.parametrize(
    ("region", "host"),
    [({}, "prd.eu-ccapi.kia.com:8080"), ({"region": "hyundai"}, "prd.eu-ccapi.hyundai.com:8080")],
)
async def test_an_older_car_is_commanded_with_the_device_of_its_account(
    action: Action, word: str, region: dict[str, str], host: str
) -> None:
    path = f"{CARS}/car%2F1/control/charge"
    cloud = Cloud(CONNECTOR, {f"POST {path}": {"retCode": "S", "resCode": "0000", "msgId": "m"}}, DETAILS | region, APP)
    assert await cloud.command(action, OLD) is None
    assert cloud.asked() == [f"POST https://{host}{path}"]
    assert json.loads(cloud.requests[0].content) == {"action": word, "deviceId": "dev"}
    wanted = {
        "authorization": "Bearer a-token",
        "ccsp-device-id": "dev",
        "ccsp-service-id": "service",
        "ccsp-application-id": "app",
        "stamp": "st",
        "ccuccs2protocolsupport": "0",
    }
    assert wanted.items() <= dict(cloud.requests[0].headers).items()


async def test_a_failure_inside_a_success_is_no_success() -> None:
    body = {"retCode": "F", "resCode": "4004", "resMsg": "Duplicate request"}
    with pytest.raises(Throttled):
        await Cloud(CONNECTOR, {f"POST {CARS}/car%2F1/control/charge": body}, DETAILS, APP).command(Action.START, OLD)


@pytest.mark.parametrize(
    ("model", "path", "generation", "message"),
    [
        (OLD, "status/latest", "0", {"vehicleStatusInfo": status(batteryStatus=54, batteryPlugin=1)}),
        (NEW, "ccs2/carstatus/latest", "1", {"state": {"Vehicle": ccs2(True, 0)}}),
    ],
)
@pytest.mark.parametrize(("latitude", "at_home"), [(48.1, True), (48.2, False)])
async def test_each_generation_is_read_in_its_own_way_and_looked_up(
    model: str, path: str, generation: str, message: dict[str, Any], latitude: float, at_home: bool
) -> None:
    parked = {"retCode": "S", "resMsg": {"coord": {"lat": latitude, "lon": 2.2}, "time": "20240720120000"}}
    answers = {
        f"GET {CARS}/car%2F1/{path}": {"retCode": "S", "resMsg": message},
        f"GET {CARS}/car%2F1/location/park": parked,
    }
    cloud = Cloud(CONNECTOR, answers, DETAILS, APP)
    found = await cloud.read(model)
    assert (found.plug, found.at_home) == (Plug.PLUGGED, at_home)
    assert cloud.requests[0].headers["ccuCCS2ProtocolSupport"] == generation


def test_the_place_inside_a_state_is_an_older_one() -> None:
    state = status(batteryPlugin=1) | {"vehicleLocation": {"coord": {"lat": 48.1, "lon": 2.2}}}
    assert place({"resMsg": {"vehicleStatusInfo": state}}) is None
    assert place({"resMsg": {"coord": {"lat": 0, "lon": 0}}}) is None


async def test_the_login_is_that_of_the_brand() -> None:
    path = "/auth/api/v2/user/oauth2/token"
    cloud = Cloud(CONNECTOR, {f"POST {path}": {"access_token": "a2", "expires_in": 60}}, {"region": "hyundai"}, APP)
    grant = await cloud.refresh()
    assert unpack(grant.refresh_token).token == "a-refresh"
    assert cloud.asked() == [f"POST https://idpconnect-eu.hyundai.com{path}"]
    assert parse_qs(cloud.requests[0].content.decode()) == {
        "grant_type": ["refresh_token"],
        "refresh_token": ["a-refresh"],
        "client_id": ["service"],
        "client_secret": ["s"],
    }


@pytest.mark.parametrize(
    ("support", "kind", "model", "obstacle", "can"),
    [
        (0, "EV", "Niro EV v1", None, Can.READ | Can.START | Can.STOP | Can.LIMIT),
        (1, "EV", "Niro EV CCS2", None, Can.READ | Can.LIMIT),
        (2, "PHEV", "Niro EV CCS2", None, Can.READ | Can.LIMIT),
        (None, "PE", "Niro EV", None, Can.READ),
        (0, "GN", "Niro EV v1", Obstacle.COMBUSTION, Can.READ | Can.START | Can.STOP | Can.LIMIT),
        (0, "HV", "Niro EV v1", Obstacle.COMBUSTION, Can.READ | Can.START | Can.STOP | Can.LIMIT),
    ],
)
def test_the_list_tells_how_a_car_speaks(
    support: int | None, kind: str, model: str, obstacle: Obstacle | None, can: Can
) -> None:
    one = {"vehicleId": "i", "vehicleName": "Niro EV", "type": kind, "ccuCCS2ProtocolSupport": support}
    (car,) = vehicles({"retCode": "S", "resMsg": {"vehicles": [one]}})
    assert (car.id, car.model, car.obstacle) == ("i", model, obstacle)
    assert CONNECTOR.capabilities(car.model) == can


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYS = """
    resMsg vehicleStatusInfo vehicleStatus state Vehicle Green status evStatus batteryPlugin
    batteryCharge drvDistance reservChargeInfos targetSOClist ChargingInformation ConnectorFastening
    State lastVehicleInfo coord vehicles rangeByFuel odometer value unit retCode resCode dateTime
"""
NESTED = st.recursive(
    JSON, lambda inner: st.dictionaries(st.sampled_from(KEYS.split()), inner, max_size=4), max_leaves=8
)


@given(raw=st.dictionaries(st.sampled_from(KEYS.split()), NESTED, max_size=5))
def test_any_answer_is_read_or_refused(raw: dict[str, Any]) -> None:
    CONNECTOR.recognise(raw)
    outcome(Reply(200, raw, Action.START))
    for kind in CONNECTOR.kinds:
        with suppress(Unreadable):
            CONNECTOR.normalise("a.b", raw, NOW, kind.name)
    for rule in (vehicles, place):
        with suppress(Unreadable):
            rule(raw)
