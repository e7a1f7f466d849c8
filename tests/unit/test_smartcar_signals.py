"""What Smartcar's signals say: each on its own, with its own unit and time; what failed says nothing."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from oem_connectors.errors import Unreadable
from oem_connectors.push import Delivery
from oem_connectors.smartcar import CONNECTOR
from oem_connectors.smartcar.hook import events, genuine, greeting
from oem_connectors.smartcar.signals import place
from oem_connectors.subject import said

NOW = datetime(2025, 1, 1, 12, tzinfo=UTC)
SECRET = SecretStr("management-token")
WORD, BIT, CABLE = "charge-detailedchargingstatus", "charge-ischarging", "charge-ischargingcableconnected"
SOC, RANGE, ODOMETER = "tractionbattery-stateofcharge", "tractionbattery-range", "odometer-traveleddistance"


def signal(code: str, minutes: int = 10, status: str = "SUCCESS", **body: Any) -> dict[str, Any]:
    """A signal of so many minutes ago."""
    at = (NOW - timedelta(minutes=minutes)).isoformat()
    attributes = {"code": code, "status": {"value": status}} | ({"body": body} if body else {})
    return {"id": code, "type": "signal", "attributes": attributes, "meta": {"oemUpdatedAt": at}}


def read(*signals: Mapping[str, Any]) -> dict[str, object]:
    """What a reading of these says."""
    return said(CONNECTOR.normalise("a.b", {"data": list(signals)}, NOW))


def ago(minutes: int) -> str:
    return (NOW - timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("code", "body", "wanted"),
    [
        (SOC, {"value": 42, "unit": "percent"}, {"soc_pct": 42.0}),
        (SOC, {"value": 42}, {"soc_pct": 42.0}),
        (SOC, {"value": 0.42, "unit": "ratio"}, {}),
        (SOC, {"value": 0.5, "unit": "percent"}, {"soc_pct": 0.5}),
        (RANGE, {"value": 100, "unit": "miles"}, {"range_km": 160.9344}),
        (RANGE, {"value": 100, "unit": "KM"}, {"range_km": 100.0}),
        (RANGE, {"value": 100}, {}),
        (ODOMETER, {"value": 7, "unit": "kilometers"}, {"odometer_km": 7.0}),
        ("charge-wattage", {"value": 7360, "unit": "watts"}, {"power_kw": 7.36}),
        ("charge-wattage", {"value": 7360}, {}),
        ("charge-chargerate", {"value": 25, "unit": "km/h"}, {}),
        (WORD, {"value": "CHARGING"}, {"charge": "charging"}),
        (WORD, {"value": "FULLY_CHARGED"}, {"charge": "complete"}),
        (WORD, {"value": "NOT_CHARGING"}, {"charge": "idle"}),
        (WORD, {"value": "BALANCING"}, {}),
        (BIT, {"value": True}, {"charge": "charging"}),
        (BIT, {"value": False}, {"charge": "idle"}),
        (CABLE, {"value": True}, {"plug": "plugged"}),
        (CABLE, {"value": False}, {"plug": "unplugged"}),
        ("charge-activelimit", {"value": 70, "unit": "percent"}, {"limit_pct": 70.0}),
        ("charge-chargelimits", {"activeLimit": 70, "values": [{"type": "global", "limit": 90}]}, {"limit_pct": 70.0}),
        ("charge-chargelimits", {"values": [{"type": "LOCATION", "limit": 50}, {"type": "gLoBal", "limit": 90}]},
         {"limit_pct": 90.0}),
        ("charge-chargelimits", {"values": [{"type": "LOCATION", "limit": 50}]}, {}),
        ("charge-chargelimits", {"activeLimit": 0.7, "unit": "ratio"}, {}),
    ],
)  # fmt: skip
def test_a_signal_says_one_thing(code: str, body: dict[str, Any], wanted: dict[str, object]) -> None:
    timed = read(signal(code, 10, **body))
    assert timed.pop("car_time") == ago(10)
    assert timed == wanted
    for failed in ("ERROR", "UNAVAILABLE"):
        assert read(signal(code, 10, failed, **body)) == {}


ALL: list[tuple[str, dict[str, Any], str]] = [
    (SOC, {"value": 42, "unit": "percent"}, "soc_pct"),
    (RANGE, {"value": 200, "unit": "km"}, "range_km"),
    (ODOMETER, {"value": 999, "unit": "km"}, "odometer_km"),
    (CABLE, {"value": True}, "plug"),
    (WORD, {"value": "CHARGING"}, "charge"),
    ("charge-wattage", {"value": 11000, "unit": "watts"}, "power_kw"),
    ("charge-activelimit", {"value": 80, "unit": "percent"}, "limit_pct"),
]


@given(st.sets(st.sampled_from(range(len(ALL)))), st.permutations(range(len(ALL))))
def test_what_fails_takes_nothing_else_with_it(failed: set[int], order: list[int]) -> None:
    whole = read(*(signal(code, **body) for code, body, _ in ALL))
    answer = [signal(ALL[at][0], 10, "ERROR" if at in failed else "SUCCESS", **ALL[at][1]) for at in order]
    left = {field for at, (_, _, field) in enumerate(ALL) if at not in failed}
    assert read(*answer) == {name: value for name, value in whole.items() if name in left or (left and "time" in name)}


@pytest.mark.parametrize(
    ("word_at", "bit_at", "wanted"), [(10, 5, "charging"), (5, 10, "idle"), (5, 5, "idle")], ids=["bit", "word", "tie"]
)
def test_of_two_that_contradict_the_newer_holds(word_at: int, bit_at: int, wanted: str) -> None:
    found = read(signal(WORD, word_at, value="NOT_CHARGING"), signal(BIT, bit_at, value=True))
    assert found == {"charge": wanted, "car_time": ago(5)}


def test_no_other_signal_makes_an_old_charge_word_look_young() -> None:
    word, level = signal(WORD, 60, value="NOT_CHARGING"), signal(SOC, 1, value=50)
    assert read(word, level)["car_time"] == ago(60)
    assert read(level, signal(ODOMETER, 0, value=5, unit="km"))["car_time"] == ago(1)
    assert read(word, signal(CABLE, 30, value=True))["car_time"] == ago(30)


def test_times_come_as_texts_and_as_milliseconds() -> None:
    told = {"oemUpdatedAt": 1735732710000, "retrievedAt": "2025-01-01T11:59:00Z"}
    found = read({**signal(SOC, value=50), "meta": told})
    assert found["car_time"] == "2025-01-01T11:58:30Z"
    assert found["oem_time"] == "2025-01-01T11:59:00Z"
    assert "car_time" not in read({**signal(SOC, value=50), "meta": {}})


def test_an_empty_store_says_nothing() -> None:
    assert read() == {}


def test_one_signal_alone_is_read_with_and_without_its_envelope() -> None:
    bare = signal(SOC, value=50)
    for raw in (bare, {"data": bare}):
        assert CONNECTOR.recognise(raw) == "signal"
        assert said(CONNECTOR.normalise("a.b", raw, NOW, "signal"))["soc_pct"] == 50.0


def test_a_place_is_read_where_it_came() -> None:
    code = "location-preciselocation"
    assert place({"data": [signal(code, latitude=1.5, longitude=2.5)]}) == (1.5, 2.5)
    assert place({"data": [signal(code, status="ERROR", latitude=1.5, longitude=2.5)]}) is None
    assert place({"data": [signal(code, latitude=1.5)]}) is None
    assert place({"data": []}) is None


def batch(units: str | None) -> dict[str, Any]:
    headers = {"sc-unit-system": units, "sc-data-age": "2025-01-01T11:00:00Z"}
    parts = {
        "/battery": {"percentRemaining": 0.57, "range": 100},
        "/charge": {"isPluggedIn": True, "state": "CHARGING"},
    }
    answers = [{"path": path, "code": 200, "headers": headers, "body": body} for path, body in parts.items()]
    return {"responses": [*answers, {"path": "/charge/limit", "code": 501, "body": {"limit": 0.9}}]}


@pytest.mark.parametrize(
    ("units", "kilometres"), [("metric", 100.0), (None, 100.0), ("imperial", 160.9344), ("furlongs", None)]
)
def test_a_batch_of_v2_is_read_part_by_part(units: str | None, kilometres: float | None) -> None:
    found = said(CONNECTOR.normalise("a.b", batch(units), NOW, "batch"))
    wanted = {"soc_pct": 57.0, "plug": "plugged", "charge": "charging", "car_time": "2025-01-01T11:00:00Z"}
    assert found == wanted | ({} if kilometres is None else {"range_km": kilometres})


def test_fuel_is_no_battery() -> None:
    assert CONNECTOR.recognise({"amountRemaining": 53.2, "percentRemaining": 0.3, "range": 40.5}) is None
    assert CONNECTOR.recognise({"percentRemaining": 0.3, "range": 40.5}) == "battery"


# --- deliveries


def delivery(**more: Any) -> dict[str, Any]:
    about = {
        "user": {"id": "u1"},
        "vehicle": {"id": "v1"},
        "signals": [{"code": SOC, "body": {"value": 42}, "meta": {}}],
    }
    body = {"eventId": "e1", "eventType": "VEHICLE_STATE", "data": about, "meta": {"deliveredAt": 1735732801000}}
    return body | more


def error(**more: Any) -> dict[str, Any]:
    told = {"type": "PERMISSION", "code": None, "state": "ERROR", "signals": ["location"]} | more
    data = {"vehicle": {"id": "v1"}, "user": {"id": "u1"}, "errors": [told]}
    return delivery(eventType="VEHICLE_ERROR", data=data)


def test_a_delivery_is_one_event_that_reads_as_telemetry() -> None:
    (event,) = events(delivery())
    assert (event.id, event.vehicle, event.user, event.kind, event.consent_lost) == ("e1", "v1", "u1", "event", False)
    assert event.at == datetime(2025, 1, 1, 12, 0, 1, tzinfo=UTC)
    assert said(CONNECTOR.normalise("a.b", event.raw, NOW, event.kind)) == {"soc_pct": 42.0}
    (again,) = events(delivery(meta={"deliveredAt": "2025-01-01T12:00:26Z", "deliveryId": "other"}))
    assert again.id == event.id


@pytest.mark.parametrize("mode", ["TEST", "test"])
def test_a_test_of_the_dashboard_is_no_news(mode: str) -> None:
    assert events(delivery(meta={"mode": mode})) == ()
    assert len(events(delivery(meta={"mode": "LIVE"}))) == 1


@pytest.mark.parametrize(
    ("told", "lost"),
    [
        ({"resolution": {"type": "REAUTHENTICATE", "url": "…"}}, True),
        ({"resolution": "REAUTHENTICATE"}, True),
        ({"resolution": None}, False),
        ({"resolution": {"type": None}}, False),
        ({"resolution": {"type": "REAUTHENTICATE"}, "state": "RESOLVED"}, False),
        ({"type": "CONNECTED_SERVICES_ACCOUNT", "signals": [{"code": "x"}]}, True),
        ({"type": "AUTHENTICATION"}, True),
        ({"type": "COMPATIBILITY", "resolution": {"type": "CONTACT_SUPPORT"}}, False),
        ({"type": "VEHICLE_STATE", "resolution": {"type": "RETRY_LATER"}}, False),
    ],
)
def test_an_error_that_ends_consent_is_told(told: dict[str, Any], lost: bool) -> None:
    assert [event.consent_lost for event in events(error(**told))] == ([True] if lost else [])


@pytest.mark.parametrize("body", [delivery(eventId=None), delivery(data={"signals": []}), [], "x", None, 5])
def test_a_delivery_that_names_nobody_is_refused(body: Any) -> None:
    with pytest.raises(Unreadable):
        events(body)


@pytest.mark.parametrize("holder", ["data", "payload"])
def test_the_challenge_is_signed_with_the_management_token(holder: str) -> None:
    wanted = hmac.new(b"management-token", b"abc", hashlib.sha256).hexdigest()
    assert greeting({"eventType": "VERIFY", holder: {"challenge": "abc"}}, SECRET) == {"challenge": wanted}


@pytest.mark.parametrize("challenge", [json.dumps(delivery()), "\ud800", "ü", "{}", "a b", "a\n", "", "x" * 257])
def test_what_could_be_a_delivery_is_not_signed_as_a_challenge(challenge: str) -> None:
    assert greeting({"eventType": "VERIFY", "data": {"challenge": challenge}}, SECRET) is None
    assert greeting({"eventType": "VERIFY", "data": {"challenge": "x" * 256}}, SECRET) is not None


def test_a_signature_of_any_text_is_compared() -> None:
    assert not genuine(Delivery({"sc-signature": "\udcff"}, b"x"), SECRET)


@pytest.mark.parametrize("body", [delivery(), {"eventType": "VERIFY"}, {"eventType": "VERIFY", "data": []}, [], None])
def test_other_bodies_are_not_greeted(body: Any) -> None:
    assert greeting(body, SECRET) is None


@given(st.binary(min_size=1, max_size=60), st.integers(min_value=0), st.sampled_from([str.lower, str.upper]))
def test_one_changed_bit_spoils_a_signature(rest: bytes, at: int, case: Any) -> None:
    body = b"{" + rest
    headers = {"sc-signature": case(hmac.new(b"management-token", body, hashlib.sha256).hexdigest())}
    assert genuine(Delivery(headers, body), SECRET)
    bit = at % (8 * len(body))
    other = bytearray(body)
    other[bit // 8] ^= 1 << bit % 8
    assert not genuine(Delivery(headers, bytes(other)), SECRET)
    assert not genuine(Delivery({}, body), SECRET)
    assert not genuine(Delivery({"sc-signature": "ünsigned"}, body), SECRET)
    assert not genuine(Delivery({"sc-signature": hmac.new(b"", body, hashlib.sha256).hexdigest()}, body), SecretStr(""))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
SAMPLE = json.dumps(delivery())


def holes(value: Any) -> st.SearchStrategy[Any]:
    """The same shape with anything in any place."""
    if isinstance(value, dict):
        return JSON | st.fixed_dictionaries({name: holes(inner) for name, inner in value.items()})
    if isinstance(value, list):
        return JSON | st.lists(st.one_of([holes(inner) for inner in value]), max_size=3)
    return JSON | st.just(value)


@given(holes(json.loads(SAMPLE)) | holes({"data": [signal(SOC, value=50)]}) | holes(batch("metric")))
def test_nothing_but_unreadable_is_raised(body: Any) -> None:
    greeting(body, SECRET)
    with suppress(Unreadable):
        events(body)
    for kind in CONNECTOR.kinds:
        with suppress(Unreadable):
            CONNECTOR.normalise("a.b", body if isinstance(body, dict) else {}, NOW, kind.name)


@pytest.mark.parametrize("challenge", ["abc", "123", "null"])
def test_a_challenge_that_we_have_signed_is_no_delivery(challenge: str) -> None:
    answered = greeting({"eventType": "VERIFY", "data": {"challenge": challenge}}, SECRET)
    assert answered is not None
    delivery = Delivery({"sc-signature": answered["challenge"]}, challenge.encode())
    assert not genuine(delivery, SECRET)
