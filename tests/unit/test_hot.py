"""The rows of the hot path say exactly what the contracts say."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streams.contracts.telemetry import Charge, Plug, Telemetry
from streams.contracts.vehicle import Evidence, PlugSession, VehicleState
from streams.hot import (
    BAD_BYTES,
    SessionRow,
    TelemetryRow,
    VehicleRow,
    decode_telemetry,
    decode_vehicle,
    encode_vehicle,
)

OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC) | OFFSETS)  # noqa: DTZ001
PERCENT = st.floats(0, 100)
TELEMETRY: dict[str, st.SearchStrategy[Any]] = {
    "car": st.from_regex(r"[A-Za-z0-9_-]{1,9}\.[A-Za-z0-9_-]{1,9}", fullmatch=True),
    "oem": st.text(max_size=9),
    "soc_pct": st.none() | PERCENT,
    "limit_pct": st.none() | PERCENT,
    "plug": st.sampled_from(Plug),
    "charge": st.sampled_from(Charge),
    "power_kw": st.none() | st.floats(-400, 400),
    "range_km": st.none() | st.floats(0, 2000),
    "odometer_km": st.none() | st.floats(0, 5_000_000),
    "at_home": st.none() | st.booleans(),
    "car_time": st.none() | TIMES,
    "oem_time": st.none() | TIMES,
    "received_time": TIMES,
}
SESSION: dict[str, st.SearchStrategy[Any]] = {
    "id": st.text(min_size=1, max_size=16),
    "plugged_at": TIMES,
    "seen_at": TIMES,
    "revision": st.integers(1, 1000),
    "evidence": st.sampled_from(Evidence),
    "soc_pct": st.none() | PERCENT,
    "ended_at": st.none() | TIMES,
    "end_evidence": st.none() | st.sampled_from(Evidence),
}
VEHICLE: dict[str, st.SearchStrategy[Any]] = {
    name: TELEMETRY[name]
    for name in (
        "car", "oem", "soc_pct", "limit_pct", "plug", "charge", "power_kw", "odometer_km", "at_home",
        "received_time",
    )
} | {"car_time": TIMES, "soc_time": st.none() | TIMES, "unplug_suspected_at": st.none() | TIMES}  # fmt: skip


def test_the_rows_have_the_fields_of_their_contracts() -> None:
    for row, model in ((TelemetryRow, Telemetry), (SessionRow, PlugSession), (VehicleRow, VehicleState)):
        assert set(row.__struct_fields__) == set(model.model_fields)


@given(st.fixed_dictionaries(TELEMETRY))
def test_every_valid_reading_is_the_same_row(fields: dict[str, Any]) -> None:
    reading = Telemetry(**fields)
    row = decode_telemetry(reading.model_dump_json().encode())
    assert msgspec.structs.asdict(row) == dict(reading)
    assert Telemetry.model_validate_json(msgspec.json.encode(row)) == reading


@given(st.fixed_dictionaries(TELEMETRY))
def test_times_of_any_offset_become_utc(fields: dict[str, Any]) -> None:
    raw = {**fields, "received_time": fields["received_time"].isoformat()}
    raw |= {name: raw[name].isoformat() for name in ("car_time", "oem_time") if raw[name] is not None}
    row = decode_telemetry(json.dumps(raw).encode())
    assert row == decode_telemetry(Telemetry(**fields).model_dump_json().encode())
    assert row.received_time.tzinfo is UTC


@given(st.fixed_dictionaries(VEHICLE), st.none() | st.fixed_dictionaries(SESSION))
def test_every_state_row_is_its_contract_in_json(fields: dict[str, Any], session: dict[str, Any] | None) -> None:
    row = VehicleRow(**fields, session=None if session is None else SessionRow(**session))
    raw = encode_vehicle(row)
    state = VehicleState.model_validate_json(raw)
    assert json.loads(raw) == json.loads(state.model_dump_json())
    assert decode_vehicle(raw) == row == decode_vehicle(state.model_dump_json().encode())


GOOD: dict[str, Any] = {"car": "acc.v1", "oem": "sim", "received_time": "2026-03-01T12:00:00Z"}
BOTH_REFUSE: dict[str, bytes] = {
    "not json": b"{",
    "empty": b"",
    "not an object": b"[]",
    "nested too deeply": b'{"car":"a.b","oem":"x","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "not utf-8": b'{"car":"a.b","oem":"\xff","received_time":"2026-03-01T12:00:00Z"}',
    "NaN": json.dumps(GOOD | {"soc_pct": float("nan")}).encode(),
    "infinite": json.dumps(GOOD | {"power_kw": float("inf")}).encode(),
    "too large for a float": json.dumps(GOOD).encode()[:-1] + b',"power_kw":1e400}',
    "soc 101": json.dumps(GOOD | {"soc_pct": 101}).encode(),
    "soc -0.1": json.dumps(GOOD | {"soc_pct": -0.1}).encode(),
    "limit 101": json.dumps(GOOD | {"limit_pct": 101}).encode(),
    "power 401": json.dumps(GOOD | {"power_kw": 401}).encode(),
    "range -1": json.dumps(GOOD | {"range_km": -1}).encode(),
    "odometer beyond any car": json.dumps(GOOD | {"odometer_km": 5_000_001}).encode(),
    "unknown plug word": json.dumps(GOOD | {"plug": "maybe"}).encode(),
    "plug word in capitals": json.dumps(GOOD | {"plug": "PLUGGED"}).encode(),
    "null plug": json.dumps(GOOD | {"plug": None}).encode(),
    "unknown charge word": json.dumps(GOOD | {"charge": "4"}).encode(),
    "naive time": json.dumps(GOOD | {"received_time": "2026-03-01T12:00:00"}).encode(),
    "naive car time": json.dumps(GOOD | {"car_time": "2026-03-01T12:00:00"}).encode(),
    "no time at all": json.dumps(GOOD | {"received_time": "soon"}).encode(),
    "a date": json.dumps(GOOD | {"received_time": "2026-03-01"}).encode(),
    "missing car": json.dumps({"oem": "sim", "received_time": GOOD["received_time"]}).encode(),
    "missing received time": json.dumps({"car": "a.b", "oem": "sim"}).encode(),
    "car without a dot": json.dumps(GOOD | {"car": "acc"}).encode(),
    "car with a newline": json.dumps(GOOD | {"car": "a.b\n"}).encode(),
    "car too long": json.dumps(GOOD | {"car": "a." + "b" * 127}).encode(),
    "car is a number": json.dumps(GOOD | {"car": 7}).encode(),
    "soc is an object": json.dumps(GOOD | {"soc_pct": {}}).encode(),
    "at home is a word": json.dumps(GOOD | {"at_home": "perhaps"}).encode(),
}
ONLY_THE_ROW_REFUSES: dict[str, dict[str, Any]] = {
    "number as a string": GOOD | {"soc_pct": "42"},
    "boolean as a number": GOOD | {"at_home": 1},
    "boolean as a string": GOOD | {"at_home": "true"},
    "number as a boolean": GOOD | {"soc_pct": True},
    "unix time": GOOD | {"received_time": 1_772_366_400},
    "time without seconds": GOOD | {"received_time": "2026-03-01T12:00Z"},
}


@pytest.mark.parametrize("raw", BOTH_REFUSE.values(), ids=BOTH_REFUSE)
def test_what_the_contract_refuses_the_row_refuses(raw: bytes) -> None:
    with pytest.raises(ValidationError):
        Telemetry.model_validate_json(raw)
    with pytest.raises(BAD_BYTES):
        decode_telemetry(raw)


@pytest.mark.parametrize("value", ONLY_THE_ROW_REFUSES.values(), ids=ONLY_THE_ROW_REFUSES)
def test_values_of_another_json_type_are_refused_although_the_contract_would_coerce_them(
    value: dict[str, Any],
) -> None:
    raw = json.dumps(value).encode()
    Telemetry.model_validate_json(raw)
    with pytest.raises(msgspec.ValidationError):
        decode_telemetry(raw)


def test_a_time_that_has_no_utc_equivalent_is_refused_like_any_bad_value() -> None:
    with pytest.raises(msgspec.ValidationError):
        decode_telemetry(json.dumps(GOOD | {"car_time": "0001-01-01T00:00:00+02:00"}).encode())


@pytest.mark.parametrize("field", ["revision", "evidence"])
def test_a_session_row_refuses_what_its_contract_refuses(field: str) -> None:
    good = {"id": "s", "plugged_at": GOOD["received_time"], "seen_at": GOOD["received_time"]}
    session = good | {"revision": 1, "evidence": "moved"} | {field: 0}
    raw = json.dumps(GOOD | {"car_time": GOOD["received_time"], "session": session}).encode()
    with pytest.raises(ValidationError):
        VehicleState.model_validate_json(raw)
    with pytest.raises(msgspec.ValidationError):
        decode_vehicle(raw)


def test_unknown_fields_are_ignored() -> None:
    assert decode_telemetry(json.dumps(GOOD | {"colour": "red"}).encode()).car == "acc.v1"
