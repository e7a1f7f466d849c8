"""Škoda's connector: words in two spellings, whose range and level it is, and what goes out."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oem_connectors.base import Can, Obstacle
from oem_connectors.credential import unpack
from oem_connectors.errors import NeedsConsent, Rejected, Throttled, Unreadable
from oem_connectors.skoda import CONNECTOR
from oem_connectors.skoda.shapes import place, vehicles
from oem_connectors.subject import said
from streams.contracts.command import Action
from tests.asked import NOW, Cloud

DATA = Path(__file__).parents[1] / "data" / "oem_api" / "skoda"
HOME = {"home": "48.1,2.2"}
READ, LOCATE = "GET /api/v1/charging/car%2F1", "GET /api/v1/maps/positions?vin=car%2F1"
RENEW = "POST /api/v1/authentication/refresh-token?tokenType=CONNECT"
ENYAQ, HYBRID, NEW_HYBRID, PETROL = (
    "Škoda Enyaq 5AZJJ2",
    "Škoda Octavia NX34VC",
    "Škoda Kodiaq PS7DYC",
    "Škoda Octavia NX34ED",
)


def charging(state: str | None, **more: object) -> dict[str, Any]:
    return {"isVehicleInSavedLocation": True, "status": {"state": state, **more}, "errors": []}


def told(raw: dict[str, Any], kind: str | None = None) -> dict[str, object]:
    return said(CONNECTOR.normalise("a.b", raw, NOW, kind))


def recorded(name: str) -> dict[str, Any]:
    (file,) = DATA.glob(f"{name}*.json")
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))["endpoints"]
    return found


WORDS: list[tuple[str, str, str | None, str | None]] = [
    ("CONNECT_CABLE", "connectCable", "unplugged", "idle"),
    ("READY_FOR_CHARGING", "readyForCharging", "plugged", "idle"),
    ("CHARGING", "charging", "plugged", "charging"),
    ("CONSERVING", "conserving", "plugged", "complete"),
    ("CHARGING_INTERRUPTED", "chargingInterrupted", "plugged", "idle"),
    ("ERROR", "error", None, "fault"),
    ("NOT_READY_FOR_CHARGING", "notReadyForCharging", None, "idle"),
    ("DISCHARGING", "discharging", None, None),
    ("", "", None, None),
]


@pytest.mark.parametrize(("answer", "event", "plug", "charge"), WORDS)
def test_a_word_means_the_same_in_answers_and_events(
    answer: str, event: str, plug: str | None, charge: str | None
) -> None:
    wanted = {name: value for name, value in (("plug", plug), ("charge", charge)) if value}
    assert told(charging(answer)) == wanted
    assert told({"producer": "p", "name": "change-soc", "data": {"state": event, "soc": "50"}}, "event") == {
        "soc_pct": 50.0,
        **wanted,
    }


@pytest.mark.parametrize(
    ("metres", "wanted"), [(261000, 261.0), (500, 0.5), (0, None), (None, None), (1_999_999, 1999.999)]
)
def test_ranges_come_in_metres_and_zero_is_none(metres: int | None, wanted: float | None) -> None:
    assert told(charging("CHARGING", battery={"remainingCruisingRangeInMeters": metres})).get("range_km") == wanted


@pytest.mark.parametrize(
    ("text", "wanted"), [("50", 50.0), ("0", 0.0), ("null", None), ("", None), ("5e1", None), ("٥", None), ("-1", None)]
)
def test_numbers_of_events_are_texts(text: str, wanted: float | None) -> None:
    assert told({"producer": "p", "data": {"soc": text}}, "event").get("soc_pct") == wanted


def test_an_event_whose_number_is_out_of_range_is_refused() -> None:
    with pytest.raises(Unreadable, match="soc_pct"):
        told({"producer": "p", "data": {"soc": "101"}}, "event")


@pytest.mark.parametrize(
    ("name", "soc", "range_km"),
    [
        ("citigoe_iv_2020_ne132e2", 65.0, 114.0),
        ("octavia_iv_2021", 76.0, 31.0),
        ("octavia_iv_2022", 40.0, None),
        ("kamiq", None, None),
        ("superb_iv_2021", None, None),  # it has a battery, but tells of its tank alone
    ],
)
def test_a_driving_range_is_that_of_the_battery(name: str, soc: float | None, range_km: float | None) -> None:
    found = told(recorded(name)["driving_range"], "range")
    assert (found.get("soc_pct"), found.get("range_km")) == (soc, range_km)


def test_a_saved_place_is_not_home() -> None:
    assert "at_home" not in told(charging("CHARGING"))


@pytest.mark.parametrize(
    ("plug", "where", "at_home"),
    [
        ("CHARGING", {"type": "VEHICLE", "gpsCoordinates": {"latitude": 48.1, "longitude": 2.2}}, True),
        ("CHARGING", {"type": "VEHICLE", "gpsCoordinates": {"latitude": 48.2, "longitude": 2.2}}, False),
        ("CHARGING", {"type": "VEHICLE", "gpsCoordinates": {"latitude": 0, "longitude": 0}}, None),
        ("CHARGING", {"type": "SOMETHING", "gpsCoordinates": {"latitude": 48.1, "longitude": 2.2}}, None),
        ("CHARGING", {"type": "VEHICLE"}, None),
        ("CONNECT_CABLE", {"type": "VEHICLE", "gpsCoordinates": {"latitude": 48.1, "longitude": 2.2}}, None),
    ],
)
async def test_a_plugged_car_is_looked_up(plug: str, where: dict[str, Any], at_home: bool | None) -> None:
    cloud = Cloud(CONNECTOR, {READ: charging(plug), LOCATE: {"positions": [where], "errors": []}}, HOME, {})
    assert (await cloud.read(ENYAQ)).at_home is at_home


@pytest.mark.parametrize(
    ("action", "address"),
    [
        (Action.START, "POST /api/v1/charging/car%2F1/start"),
        (Action.STOP, "POST /api/v1/charging/car%2F1/stop"),
        (Action.WAKE, "POST /api/v1/vehicle-wakeup/car%2F1?applyRequestLimiter=true"),
    ],
)
async def test_commands_go_out_without_a_body(action: Action, address: str) -> None:
    cloud = Cloud(CONNECTOR, {address: (202, {})}, {}, {})
    assert await cloud.command(action, ENYAQ) is None
    method, path = address.split(" ")
    assert cloud.asked() == [f"{method} {CONNECTOR.hosts['api']}{path}"]
    assert cloud.requests[0].content == b""
    assert cloud.requests[0].headers["authorization"] == "Bearer a-token"


@pytest.mark.parametrize(("status", "wanted"), [(429, Throttled), (403, Rejected)])
async def test_a_fourth_wake_of_the_day_is_refused(status: int, wanted: type[Exception]) -> None:
    cloud = Cloud(CONNECTOR, {"POST /api/v1/vehicle-wakeup/car%2F1?applyRequestLimiter=true": (status, {})}, {}, {})
    with pytest.raises(wanted):
        await cloud.command(Action.WAKE, ENYAQ)
    wakes = CONNECTOR.limits.wakes
    assert wakes is not None
    assert (wakes.calls, wakes.per.days) == (3, 1)


async def test_refresh_tokens_rotate() -> None:
    cloud = Cloud(CONNECTOR, {RENEW: {"accessToken": "a2", "refreshToken": "r2", "idToken": "i2"}}, HOME, {})
    grant = await cloud.refresh()
    assert (unpack(grant.access_token), unpack(grant.refresh_token)) == (("a2", HOME), ("r2", HOME))
    assert json.loads(cloud.requests[0].content) == {"token": "a-refresh"}


async def test_a_dead_refresh_token_needs_the_driver() -> None:
    with pytest.raises(NeedsConsent):
        await Cloud(CONNECTOR, {RENEW: (400, {"error": "invalid_token"})}, {}, {}).refresh()


@pytest.mark.parametrize(
    ("model", "can"),
    [
        (ENYAQ, Can.START | Can.STOP | Can.WAKE | Can.LIMIT),
        ("Škoda Elroq PYLJK2", Can.START | Can.STOP | Can.WAKE | Can.LIMIT),
        ("Škoda CitigoE iV NE13E2", Can.START | Can.STOP),
        (HYBRID, Can.START | Can.STOP),
        (NEW_HYBRID, Can.START | Can.STOP | Can.LIMIT),
        (PETROL, Can(0)),
        ("Škoda Octavia", Can(0)),
        ("", Can(0)),
    ],
)
def test_a_model_can_do_what_somebody_has_seen(model: str, can: Can) -> None:
    assert CONNECTOR.capabilities(model) == Can.READ | can


OBSTACLES = {"kamiq_2021_NW44KD": Obstacle.COMBUSTION, "karoq_2022_nu74nv_se_l": Obstacle.COMBUSTION}


@pytest.mark.parametrize("file", sorted(DATA.glob("*.json")), ids=lambda file: file.stem[:25])
def test_every_recorded_car_but_two_can_be_charged(file: Path) -> None:
    (car,) = vehicles(json.loads(file.read_text("utf-8"))["endpoints"]["info"])
    wanted = next((why for name, why in OBSTACLES.items() if file.stem.startswith(name)), None)
    assert car.obstacle is wanted
    assert (Can.START in CONNECTOR.capabilities(car.model)) == (wanted is None)


@pytest.mark.parametrize(
    ("statuses", "state", "obstacle"),
    [
        ([], "ACTIVATED", None),
        (["LICENSE_EXPIRED"], "ACTIVATED", Obstacle.SUBSCRIPTION),
        (["SOMETHING", "LICENSE_MISSING"], "ACTIVATED", Obstacle.SUBSCRIPTION),
        (["INSUFFICIENT_SPIN"], "ACTIVATED", None),
        ([], "NOT_ACTIVATED", Obstacle.SUBSCRIPTION),
    ],
)
def test_a_service_not_paid_or_not_begun_stands_in_the_way(
    statuses: list[str], state: str, obstacle: Obstacle | None
) -> None:
    abilities = [{"id": "CHARGING", "statuses": statuses}, {"id": "NEWS", "statuses": ["LICENSE_EXPIRED"]}]
    info = {"vin": "x", "state": state, "capabilities": {"capabilities": abilities}}
    assert vehicles(info)[0].obstacle is obstacle


@pytest.mark.parametrize(
    ("litres", "abilities", "obstacle"),
    [
        (1.4, ["ACCESS"], Obstacle.COMBUSTION),
        (1.4, [], None),
        (None, ["ACCESS"], None),
        (1.4, ["ACCESS", "CHARGING_MQB"], None),
    ],
)
def test_a_combustion_car_burns_and_has_no_word_of_charging(
    litres: float | None, abilities: list[str], obstacle: Obstacle | None
) -> None:
    listed = {"capabilities": [{"id": name, "statuses": []} for name in abilities]}
    info = {"vin": "x", "specification": {"engine": {"capacityInLiters": litres}}, "capabilities": listed}
    assert vehicles(info)[0].obstacle is obstacle


def test_a_garage_gives_the_models_that_capabilities_know() -> None:
    garage = {"vehicles": [{"vin": "x", "title": "Škoda Enyaq", "systemModelId": "5AZFF2", "state": "ACTIVATED"}]}
    (car,) = vehicles(garage)
    assert (car.id, car.model, car.obstacle) == ("x", "Škoda Enyaq 5AZFF2", None)
    assert vehicles({"vehicles": []}) == ()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYS = """
    isVehicleInSavedLocation status settings state battery soc data producer endpoints info charging
    timers vin capabilities vehicles positions primaryEngineRange engineType timestamp
    carCapturedTimestamp specification
"""
NESTED = st.recursive(
    JSON, lambda inner: st.dictionaries(st.sampled_from(KEYS.split()), inner, max_size=4), max_leaves=8
)


@given(raw=st.dictionaries(st.sampled_from(KEYS.split()), NESTED, max_size=5))
def test_any_answer_is_read_or_refused(raw: dict[str, Any]) -> None:
    CONNECTOR.recognise(raw)
    for kind in CONNECTOR.kinds:
        with suppress(Unreadable):
            CONNECTOR.normalise("a.b", raw, NOW, kind.name)
    for rule in (vehicles, place):
        with suppress(Unreadable):
            rule(raw)
