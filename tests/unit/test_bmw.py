"""BMW CarData: descriptors as texts and values, a spent quota that is no lost consent, no guessed electric cars."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from oem_connectors.base import Can, Grant
from oem_connectors.bmw import CONNECTOR, place, vehicles
from oem_connectors.bmw.telematics import HV_STATUS, LEVELS, PLACE, PORTS, RANGE, STATUS, TARGET, TRAVELLED
from oem_connectors.credential import pack
from oem_connectors.errors import NeedsConsent, OemError, Rejected, Throttled, Unauthorised, Unreadable
from oem_connectors.http import OemClient
from oem_connectors.subject import Subject, said
from streams.contracts.command import Action

NOW = datetime(2025, 1, 1, 12, tzinfo=UTC)
DETAILS = {"client_id": "cust", "container_id": "k/7"}
GRANT = Grant(pack("at", DETAILS), pack("rt", DETAILS), NOW + timedelta(hours=1))
SAMPLES = Subject(CONNECTOR).samples


def cell(value: Any, minutes: int = 10, unit: str | None = None) -> dict[str, Any]:
    """A value of so many minutes ago."""
    return {"value": value, "unit": unit, "timestamp": ago(minutes)}


def ago(minutes: int) -> str:
    return (NOW - timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


def read(cells: dict[str, Any]) -> dict[str, object]:
    return said(CONNECTOR.normalise("a.b", {"telematicData": cells}, NOW))


@pytest.mark.parametrize(
    ("name", "value", "unit", "wanted"),
    [
        (LEVELS[0], "57", "%", {"soc_pct": 57.0}),
        (LEVELS[1], "57.5", None, {"soc_pct": 57.5}),
        (LEVELS[1], 57, None, {"soc_pct": 57.0}),
        (LEVELS[1], "", None, {}),
        (LEVELS[1], "INVALID", None, {}),
        (LEVELS[1], "nan", None, {}),
        (LEVELS[1], "Infinity", None, {}),
        (LEVELS[1], None, None, {}),
        (TARGET, "80", "%", {"limit_pct": 80.0}),
        (RANGE, "100", "km", {"range_km": 100.0}),
        (RANGE, "100", "mi", {"range_km": 160.9344}),
        (RANGE, "100", None, {}),
        (TRAVELLED, "21480", "km", {"odometer_km": 21480.0}),
        (PORTS[0], "CONNECTED", None, {"plug": "plugged"}),
        (PORTS[1], "DISCONNECTED", None, {"plug": "unplugged"}),
        (PORTS[0], "MAYBE", None, {}),
        (HV_STATUS, "CHARGING", None, {"charge": "charging"}),
        (HV_STATUS, "WAITING_FOR_CHARGING", None, {"charge": "scheduled"}),
        (HV_STATUS, "FINISHED_FULLY_CHARGED", None, {"charge": "complete"}),
        (HV_STATUS, "FINISHED_NOT_FULL", None, {"charge": "idle"}),
        (HV_STATUS, "INVALID", None, {}),
        (HV_STATUS, "NEVER_SEEN", None, {}),
        (STATUS, "INITIALIZATION", None, {"charge": "starting"}),
        (STATUS, "CHARGINGACTIVE", None, {"charge": "charging"}),
        (STATUS, "CHARGINGPAUSED", None, {"charge": "idle"}),
        (STATUS, "CHARGINGENDED", None, {"charge": "idle"}),
        (STATUS, "NOCHARGING", None, {"charge": "idle"}),
        ("vehicle.never.seen", "x", None, {}),
    ],
)
def test_a_descriptor_says_one_thing(name: str, value: Any, unit: str | None, wanted: dict[str, object]) -> None:
    assert read({name: cell(value, unit=unit)}) == wanted | {"car_time": ago(10)}


@pytest.mark.parametrize(
    ("hv", "other", "wanted"),
    [
        ("INVALID", "CHARGINGACTIVE", "charging"),
        ("", "NOCHARGING", "idle"),
        (None, "CHARGINGACTIVE", "charging"),
        ("WAITING_FOR_CHARGING", "NOCHARGING", "scheduled"),
        ("NEVER_SEEN", "CHARGINGACTIVE", None),
    ],
)
def test_the_other_word_counts_where_the_first_is_silent(hv: str | None, other: str, wanted: str | None) -> None:
    assert read({HV_STATUS: cell(hv), STATUS: cell(other)}).get("charge") == wanted


def test_of_two_levels_the_newer_holds_and_of_two_ports_the_first() -> None:
    displayed, header = LEVELS
    assert read({displayed: cell("50", 60), header: cell("70", 5)})["soc_pct"] == 70.0
    assert read({displayed: cell("50", 5), header: cell("70", 60)})["soc_pct"] == 50.0
    assert read({displayed: cell("", 1), header: cell("70", 60)})["soc_pct"] == 70.0
    assert read({PORTS[0]: cell("DISCONNECTED"), PORTS[1]: cell("CONNECTED")})["plug"] == "unplugged"


def test_no_other_descriptor_makes_an_old_charge_word_look_young() -> None:
    cells = {HV_STATUS: cell("CHARGING", 60), LEVELS[1]: cell("50", 5), TRAVELLED: cell("9", 1, "km")}
    assert read(cells)["car_time"] == ago(60)
    assert read({**cells, PORTS[0]: cell("CONNECTED", 30)})["car_time"] == ago(30)
    del cells[HV_STATUS]
    assert read(cells)["car_time"] == ago(5)


def test_a_message_of_the_stream_says_only_what_has_changed() -> None:
    raw = {"vin": "…", "entityId": "e", "timestamp": ago(1), "data": {PORTS[0]: cell("CONNECTED", 2)}}
    assert CONNECTOR.recognise(raw) == "stream"
    found = said(CONNECTOR.normalise("a.b", raw, NOW, "stream"))
    assert found == {"plug": "plugged", "car_time": ago(2), "oem_time": ago(1)}


def test_a_place_is_read_from_either_generation() -> None:
    here = {PLACE[0]: cell("1.5"), PLACE[1]: cell("2.5")}
    assert place({"telematicData": here}) == (1.5, 2.5)
    assert place({"data": here}) == (1.5, 2.5)
    assert place({"telematicData": {PLACE[0]: cell("1.5"), PLACE[1]: cell("nan")}}) is None
    assert place({"state": {"location": {"coordinates": {"latitude": 1.5, "longitude": 2.5}}}}) == (1.5, 2.5)
    assert place({}) is None


@pytest.mark.parametrize("state", [{}, {"electricChargingState": None}, {"electricChargingState": {}}, None])
def test_a_car_that_tells_no_charging_is_not_guessed_to_be_electric(state: Any) -> None:
    profile = {"chargingProfile": {"chargingSettings": {"targetSoc": 0}}, "range": 629, "currentMileage": 1121}
    raw = {"capabilities": {}, "state": state if state is None else {**profile, **state}}
    assert CONNECTOR.recognise(raw) == "mybmw"
    with pytest.raises(Unreadable, match="electricChargingState is missing"):
        CONNECTOR.normalise("a.b", raw, NOW, "mybmw")


def test_the_range_of_a_hybrid_is_the_electric_one_and_the_year_one_is_never() -> None:
    told = {"chargingLevelPercent": 80, "range": 40, "isChargerConnected": False, "chargingStatus": "INVALID"}
    state = {"electricChargingState": told, "range": 476, "lastUpdatedAt": "0001-01-01T00:00:00Z"}
    found = said(CONNECTOR.normalise("a.b", {"capabilities": {}, "state": state}, NOW, "mybmw"))
    assert found == {"soc_pct": 80.0, "range_km": 40.0, "plug": "unplugged"}


def test_nothing_is_ever_commanded() -> None:
    assert CONNECTOR.capabilities("i4") == Can.READ | Can.LIMIT
    assert not any(CONNECTOR.can("i4", action) or CONNECTOR.call(action, "i4") for action in Action)


def test_the_day_is_not_spent_on_one_car_at_its_pace() -> None:
    reads, pace = CONNECTOR.limits.reads, CONNECTOR.pace
    assert reads is not None
    assert reads.per == timedelta(days=1)
    assert timedelta(days=1) / pace.plugged <= reads.calls < 50


def test_the_mappings_of_both_generations_are_listed() -> None:
    assert [car.id for car in vehicles({"items": [{"vin": "V1"}, {"vin": "V2", "mappingType": "PRIMARY"}]})] == [
        "V1",
        "V2",
    ]
    assert [car.id for car in vehicles({"mappingInfos": [{"vin": "V3"}]})] == ["V3"]
    with pytest.raises(Unreadable, match="vin"):
        vehicles({"items": [{}]})


async def asked(answer: httpx.Response, *, refresh: bool = False) -> tuple[httpx.Request, object]:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return answer

    async with httpx.AsyncClient(transport=httpx.MockTransport(handler)) as http:
        client = OemClient(CONNECTOR, http, None, {"client_id": SecretStr("operator")})
        found: object
        try:
            if refresh:
                found = await client.refresh(GRANT.refresh_token, NOW)
            else:
                found = await client.read(GRANT, "a.b", "V/1", NOW)
        except OemError as error:
            found = error
    return seen[0], found


async def test_a_reading_names_the_container_of_the_customer() -> None:
    request, _ = await asked(httpx.Response(200, json=SAMPLES["charging.json"]["raw"]))
    base = "https://api-cardata.bmwgroup.com/customers/vehicles/V%2F1/telematicData?containerId=k%2F7"
    assert str(request.url) == base
    assert request.headers["x-version"] == "v1"


@pytest.mark.parametrize(
    ("status", "body", "headers", "wanted", "wait"),
    [
        (403, {"exveErrorId": "CU-429", "exveErrorMsg": "…"}, {}, Throttled, timedelta(hours=1)),
        (429, {"exveErrorId": "CU-429"}, {"retry-after": "60"}, Throttled, timedelta(minutes=1)),
        (403, {"exveErrorId": "CU-102"}, {}, Unauthorised, None),
        (403, {"exveErrorId": "CU-999"}, {}, Rejected, None),
        (403, {}, {}, Rejected, None),
    ],
)
async def test_a_403_is_read_by_its_own_words(
    status: int, body: dict[str, str], headers: dict[str, str], wanted: type[OemError], wait: timedelta | None
) -> None:
    _, found = await asked(httpx.Response(status, json=body, headers=headers))
    assert type(found) is wanted
    assert not isinstance(found, NeedsConsent)
    assert getattr(found, "retry_after", None) == wait
    assert getattr(found, "app", False) is False


async def test_a_refresh_is_the_customers_own() -> None:
    answer = httpx.Response(200, json={"access_token": "new", "refresh_token": "rt2", "expires_in": 3600})
    request, found = await asked(answer, refresh=True)
    assert str(request.url) == "https://customer.bmwgroup.com/gcdm/oauth/token"
    assert request.content == b"grant_type=refresh_token&refresh_token=rt&client_id=cust"
    assert isinstance(found, Grant)
    assert found.refresh_token == pack("rt2", DETAILS)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


def holes(value: Any) -> st.SearchStrategy[Any]:
    """The same shape with anything in any place."""
    if isinstance(value, dict):
        return JSON | st.fixed_dictionaries({name: holes(inner) for name, inner in value.items()})
    return JSON | st.just(value)


@given(st.one_of([holes(sample["raw"]) for sample in SAMPLES.values()]))
def test_nothing_but_unreadable_is_raised(body: Any) -> None:
    raw = body if isinstance(body, dict) else {}
    for rule in (vehicles, place, *(kind.fields for kind in CONNECTOR.kinds)):
        with suppress(Unreadable):
            rule(raw)
    for kind in CONNECTOR.kinds:
        with suppress(Unreadable):
            CONNECTOR.normalise("a.b", raw, NOW, kind.name)
