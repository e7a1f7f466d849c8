"""Records of fleet-telemetry, written with Tesla's own messages and read with ours."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf import json_format  # type: ignore[import-untyped] # it ships no types
from hypothesis import given
from hypothesis import strategies as st
from tesla_protocol.telemetry import vehicle_connectivity_pb2, vehicle_data_pb2
from tesla_protocol.telemetry.vehicle_data_pb2 import Datum, LocationValue, Payload, Value

from oem_connectors.errors import Unreadable
from oem_connectors.push import Event
from oem_connectors.subject import said
from oem_connectors.tesla import CONNECTOR
from oem_connectors.tesla.payload import PREFIX, SIGNALS, STATES, VALUES, read
from oem_connectors.tesla.protobuf import fields, whole
from oem_connectors.tesla.stream import decode, topics
from oem_connectors.tesla.words import CHARGES

AT = datetime(2026, 1, 5, 23, 10, 0, 500000, tzinfo=UTC)
NOW = datetime(2026, 1, 5, 23, 11, tzinfo=UTC)
VIN = "X" * 17
TOPIC = "tesla_telemetry_V"


def payload(vin: str = VIN, at: datetime = AT, *, is_resend: bool = False, **signals: Value) -> Payload:
    data = [Datum(key=vehicle_data_pb2.Field.Value(name), value=value) for name, value in signals.items()]
    message = Payload(data=data, vin=vin, is_resend=is_resend)
    message.created_at.FromDatetime(at)
    return message


def as_json(message: Payload) -> bytes:
    """As the server writes it with `transmit_decoded_records`."""
    return str(json_format.MessageToJson(message, always_print_fields_with_no_presence=True)).encode()


def news(record: bytes, headers: Mapping[str, str] | None = None) -> Event:
    (event,) = decode(TOPIC, headers or {}, record)
    return event


def told(message: Payload) -> dict[str, object]:
    """What both forms of a record say, without its time."""
    found = []
    for record in (message.SerializeToString(), as_json(message)):
        event = news(record)
        assert CONNECTOR.recognise(event.raw) == event.kind
        found.append(said(CONNECTOR.normalise("a.b", event.raw, NOW, event.kind)))
    assert found[0] == found[1]
    assert found[0].pop("car_time") == "2026-01-05T23:10:00.500000Z"
    return found[0]


def number(kind: str, value: float) -> Value:
    """A number as each of the kinds that cars are known to send it."""
    match kind:
        case "string":
            return Value(string_value=str(value))
        case "scientific":
            return Value(string_value=f"{value:.6e}")
        case "int":
            return Value(int_value=int(value))
        case "long":
            return Value(long_value=int(value))
        case "float":
            return Value(float_value=value)
        case _:
            return Value(double_value=value)


@pytest.mark.parametrize("kind", ["string", "scientific", "int", "long", "float", "double"])
@pytest.mark.parametrize(
    ("signal", "field", "value", "wanted"),
    [
        ("Soc", "soc_pct", 61.0, 61.0),
        ("Soc", "soc_pct", 0.0, 0.0),
        ("BatteryLevel", "soc_pct", 62.0, 62.0),
        ("ChargeLimitSoc", "limit_pct", 80.0, 80.0),
        ("RatedRange", "range_km", 100.0, 160.934),
        ("Odometer", "odometer_km", 10000.0, 16093.44),
        ("ACChargingPower", "power_kw", 7.0, 7.0),
        ("DCChargingPower", "power_kw", 95.0, 95.0),
    ],
)
def test_a_number_is_read_however_it_is_written(
    kind: str, signal: str, field: str, value: float, wanted: float
) -> None:
    assert told(payload(**{signal: number(kind, value)})) == {field: wanted}


@pytest.mark.parametrize("name", sorted(CHARGES))
def test_the_charge_state_is_always_typed(name: str) -> None:
    state = vehicle_data_pb2.DetailedChargeStateValue.Value(PREFIX + name)
    plug = "unplugged" if name == "Disconnected" else "plugged"
    assert told(payload(DetailedChargeState=Value(detailed_charge_state_value=state))) == {
        "charge": CHARGES[name].value,
        "plug": plug,
    }


@pytest.mark.parametrize("state", [0, 7, 99])
def test_a_charge_state_that_we_do_not_know_is_unknown(state: Any) -> None:
    value = Value(detailed_charge_state_value=state)
    event = news(payload(DetailedChargeState=value, Soc=Value(int_value=5)).SerializeToString())
    assert said(CONNECTOR.normalise("a.b", event.raw, NOW, event.kind)).keys() == {"soc_pct", "car_time"}


def test_our_tables_are_those_of_the_vendor() -> None:
    assert {name: vehicle_data_pb2.Field.Value(name) for name in SIGNALS} == {
        name: signal for name, (signal, _) in SIGNALS.items()
    }
    vendor = vehicle_data_pb2.DetailedChargeStateValue.items()
    assert dict(vendor) == {PREFIX + name: at for at, name in enumerate(STATES)}
    assert set(STATES) - {"Unknown", "Calibrating"} == set(CHARGES)
    numbers = {field.number: field.json_name for field in Value.DESCRIPTOR.fields}
    assert {number: name for number, (name, _) in VALUES.items()}.items() <= numbers.items()
    assert Value.DESCRIPTOR.fields_by_name["invalid"].number not in VALUES


SILENT = (Value(invalid=True), Value(invalid=False), Value(), Value(string_value="<invalid>"))


@pytest.mark.parametrize("silent", SILENT, ids=str)
@pytest.mark.parametrize("signal", sorted(SIGNALS.keys() - {"DetailedChargeState"}))
def test_invalid_is_silence_and_never_zero_or_false(signal: str, silent: Value) -> None:
    alone = payload(**{signal: silent})
    assert decode(TOPIC, {}, alone.SerializeToString()) == decode(TOPIC, {}, as_json(alone)) == ()
    beside = payload(**{"Soc": Value(int_value=50), "ChargeLimitSoc": Value(int_value=60)} | {signal: silent})
    said_alone = {"Soc": {"limit_pct": 60.0}, "ChargeLimitSoc": {"soc_pct": 50.0}}
    assert told(beside) == said_alone.get(signal, {"soc_pct": 50.0, "limit_pct": 60.0})


@pytest.mark.parametrize("silent", SILENT, ids=str)
def test_an_invalid_charge_state_is_unknown(silent: Value) -> None:
    assert told(payload(DetailedChargeState=silent, Soc=Value(int_value=50))) == {"soc_pct": 50.0}


@pytest.mark.parametrize("zero", ["ACChargingPower", "DCChargingPower"])
def test_a_zero_of_one_current_says_nothing_of_the_other(zero: str) -> None:
    other = {"ACChargingPower": "DCChargingPower", "DCChargingPower": "ACChargingPower"}[zero]
    nothing = Value(double_value=0)
    assert "power_kw" not in told(payload(**{zero: nothing}, Soc=Value(int_value=1)))
    assert told(payload(**{zero: nothing, other: Value(double_value=11)})) == {"power_kw": 11.0}
    assert told(payload(**{zero: nothing, other: nothing})) == {"power_kw": 0.0}


@pytest.mark.parametrize("pending", [Value(boolean_value=True), Value(string_value="true")])
@pytest.mark.parametrize("start", ["1767668400", "1.7676684e9"])
def test_a_start_counts_only_while_it_is_pending(pending: Value, start: str) -> None:
    at = Value(string_value=start)
    assert told(payload(ScheduledChargingStartTime=at, ScheduledChargingPending=pending)) == {
        "scheduled_start": "2026-01-06T03:00:00Z"
    }
    for other in (Value(boolean_value=False), Value(string_value="false"), Value(invalid=True)):
        assert told(payload(ScheduledChargingStartTime=at, ScheduledChargingPending=other)) == {}
    assert told(payload(ScheduledChargingStartTime=at)) == {}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("(37.412374 N, 122.145867 W)", (37.412374, -122.145867)),
        ("(37.5 S, 122 E)", (-37.5, 122.0)),
        ("37.5, 122", None),
        ("(north, west)", None),
    ],
)
def test_a_place_may_come_as_a_text(text: str, wanted: tuple[float, float] | None) -> None:
    event = news(payload(Location=Value(string_value=text), Soc=Value(int_value=5)).SerializeToString())
    assert CONNECTOR.place(event.raw) == wanted


def test_a_place_says_only_where() -> None:
    message = payload(Location=Value(location_value=LocationValue(latitude=10.5, longitude=-20.25)))
    assert told(message) == {}
    for record in (message.SerializeToString(), as_json(message)):
        assert CONNECTOR.place(news(record).raw) == (10.5, -20.25)


def test_a_resend_is_known_again_and_other_news_is_not() -> None:
    soc, limit = Value(double_value=61.5), Value(int_value=80)
    first = news(payload(Soc=soc, ChargeLimitSoc=limit).SerializeToString(), {"receivedat": "1767654601120"})
    again = payload(is_resend=True, ChargeLimitSoc=limit, Soc=soc)
    assert news(again.SerializeToString(), {"receivedat": "1767658201000", "txid": "other"}).id == first.id
    others = [
        payload("Y" * 17, Soc=soc, ChargeLimitSoc=limit),
        payload(at=NOW, Soc=soc, ChargeLimitSoc=limit),
        payload(Soc=soc),
        payload(Soc=limit, ChargeLimitSoc=limit),
    ]
    assert len({first.id, *(news(one.SerializeToString()).id for one in others)}) == 5
    assert VIN not in first.id
    assert VIN not in str(first.raw)


def test_a_record_keeps_the_cars_time_and_the_servers() -> None:
    event = news(payload(Soc=Value(int_value=5)).SerializeToString(), {"receivedat": "1767654601120", "timestamp": "0"})
    reading = CONNECTOR.normalise("a.b", event.raw, NOW, event.kind)
    assert (event.at, reading.car_time, reading.received_time) == (AT, AT, NOW)
    assert reading.oem_time == datetime(2026, 1, 5, 23, 10, 1, 120000, tzinfo=UTC)


def test_the_car_is_named_by_the_record_or_by_its_header() -> None:
    soc = Value(int_value=5)
    assert news(payload(Soc=soc).SerializeToString(), {"vin": "other"}).vehicle == VIN
    assert news(payload("", Soc=soc).SerializeToString(), {"vin": VIN}).vehicle == VIN
    with pytest.raises(Unreadable, match="no car"):
        decode(TOPIC, {}, payload("", Soc=soc).SerializeToString())


def test_records_of_other_types_are_no_news() -> None:
    lost = vehicle_connectivity_pb2.VehicleConnectivity(vin=VIN, connection_id="1").SerializeToString()
    assert decode("tesla_telemetry_connectivity", {}, lost) == ()
    assert decode("any", {"txtype": "alerts"}, b"anything") == ()
    assert list(topics("tesla_telemetry")) == [TOPIC]


def test_what_does_not_concern_charging_is_no_news() -> None:
    assert decode(TOPIC, {}, payload(VehicleSpeed=Value(double_value=30)).SerializeToString()) == ()


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (b"{", "no JSON"),
        (b'{"vin": "x", "createdAt": "2026-01-05T23:10:00Z"}', "data must be a list"),
        (b'{"data": [5], "createdAt": "2026-01-05T23:10:00Z"}', "data must be a list"),
        (b'{"data": [], "vin": "x"}', "createdAt"),
        (b'{"data": [], "vin": 5, "createdAt": "2026-01-05T23:10:00Z"}', "vin must be a text"),
        (b"\x0a\x05\x08\x08", "cut off"),
        (b"\x0b\x08", "no protobuf"),
        (b"\xff" * 12, "no protobuf"),
        (b"\x12\x02\x08\x05\x1a\x01x", "createdAt"),
        (b"\x1a\x01\xff", "UTF-8"),
        (b"\x08\x05", "bytes must be"),
    ],
)
def test_a_broken_record_is_refused_in_words(record: bytes, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        read(record)


@given(st.binary(max_size=64) | st.binary(max_size=40).map(lambda inside: bytes([0x0A, len(inside)]) + inside))
def test_no_record_breaks_the_reader(record: bytes) -> None:
    with suppress(Unreadable):
        for event in decode(TOPIC, {"vin": VIN}, record):
            CONNECTOR.normalise("a.b", event.raw, NOW, event.kind)


@given(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.floats(width=32, allow_nan=False))
def test_numbers_come_out_as_they_went_in(long: int, double: float, single: float) -> None:
    for value, wanted in (
        (Value(long_value=long), long),
        (Value(double_value=double), double),
        (Value(float_value=single), single),
    ):
        (found,) = [
            VALUES[number][1](written) for number, written in fields(value.SerializeToString()) if number in VALUES
        ]
        assert found == wanted
        assert struct.pack("<d", found) == struct.pack("<d", wanted)  # the sign of zero too


def test_a_negative_number_is_ten_bytes() -> None:
    ((_, written),) = fields(Value(int_value=-5).SerializeToString())
    assert whole(written) == -5
