"""Messages survive the way to bytes and back; what does not decode is refused without being quoted."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import hot, serde
from streams.contracts.base import Contract
from streams.examples import examples
from streams.topics import PLUG, PREFERENCE, PRICE, TELEMETRY, VEHICLE

EXAMPLES = pytest.mark.parametrize(("topic", "message"), examples().items(), ids=list(examples()))
INSTANTS = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@EXAMPLES
def test_a_message_survives_the_way_to_bytes_and_back(topic: str, message: Contract) -> None:
    decoded = serde.decode(topic, serde.encode(message))
    if topic == TELEMETRY.name:
        assert isinstance(decoded, hot.TelemetryRow)
        assert all(getattr(decoded, name) == value for name, value in dict(message).items())
    else:
        assert decoded == message


@EXAMPLES
def test_a_field_of_a_later_version_is_ignored(topic: str, message: Contract) -> None:
    later = json.dumps({**json.loads(serde.encode(message)), "added_later": {"deep": [1]}}).encode()
    assert serde.decode(topic, later) == serde.decode(topic, serde.encode(message))


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"4711-secret", id="not JSON"),
        pytest.param(b'"4711-secret"', id="no object"),
        pytest.param(b'{"car": "4711-secret"}', id="fields missing"),
        pytest.param(b'{"car": {"4711-secret": 1}}', id="wrong type"),
        pytest.param(b'{"car": "\xff4711-secret"}', id="not UTF-8"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b'{"soc_pct": NaN, "car": "4711-secret"}', id="NaN"),
    ],
)
@pytest.mark.parametrize("topic", [TELEMETRY.name, PLUG.name, PREFERENCE.name, PRICE.name])
def test_bad_bytes_are_refused_and_never_quoted(topic: str, value: bytes) -> None:
    with pytest.raises(serde.Undecodable) as refusal:
        serde.decode(topic, value)
    assert str(refusal.value)
    assert "4711" not in str(refusal.value)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "101", "-1", '"much"'])
def test_a_state_of_charge_that_is_none_is_refused(number: str) -> None:
    good = serde.encode(examples()[TELEMETRY.name])
    bad = good.replace(b'"soc_pct":55.0', f'"soc_pct":{number}'.encode())
    assert bad != good
    with pytest.raises(serde.Undecodable):
        serde.decode(TELEMETRY.name, bad)


def test_an_unknown_word_is_refused_with_the_field_that_holds_it() -> None:
    bad = serde.encode(examples()[PLUG.name]).replace(b'"plugged_in"', b'"teleported"')
    with pytest.raises(serde.Undecodable, match=r"^kind: ") as refusal:
        serde.decode(PLUG.name, bad)
    assert "teleported" not in str(refusal.value)


def test_only_messages_are_written() -> None:
    with pytest.raises(TypeError, match="dict is never written"):
        serde.encode({"car": "a.b"})  # type: ignore[arg-type]


def test_the_hot_row_of_a_vehicle_is_written_as_its_contract() -> None:
    contract = examples()[VEHICLE.name]
    row = hot.decode_vehicle(serde.encode(contract))
    assert type(contract).model_validate_json(serde.encode(row)) == contract


def test_headers_are_cloudevents_in_binary_mode() -> None:
    at = datetime(2023, 3, 26, 3, tzinfo=timezone(timedelta(hours=2)))
    assert dict(serde.headers(PLUG.name, "plug_events", at)) == {
        "ce_specversion": b"1.0",
        "ce_type": PLUG.name.encode(),
        "ce_source": b"/d2ev/plug_events",
        "ce_time": b"2023-03-26T01:00:00Z",
        "content-type": b"application/json",
    }


@given(INSTANTS)
def test_the_time_of_an_event_is_read_back_as_written(at: datetime) -> None:
    assert serde.event_time(serde.headers(PLUG.name, "test", at), 0) == at


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param([], 7, id="no headers"),
        pytest.param([("ce_time", b"soon")], 7, id="no time"),
        pytest.param([("ce_type", b"1970-01-01T00:00:09Z")], 7, id="another header"),
        pytest.param([("ce_time", b"1970-01-01T02:00:05+02:00")], 5, id="other offset"),
        pytest.param([("ce_time", b"1970-01-01T00:00:05")], 5, id="no offset means UTC"),
        pytest.param([("ce_time", b"0001-01-01T00:00:00+14:00")], 7, id="before all time"),
    ],
)
def test_an_event_without_a_time_of_its_own_happened_when_it_was_written(
    headers: list[tuple[str, bytes]], expected: int
) -> None:
    assert serde.event_time(headers, 7_000) == datetime.fromtimestamp(expected, UTC)


@given(
    st.binary(max_size=40) | st.datetimes(timezones=st.timezones()).map(lambda at: at.isoformat().encode()),
    st.integers(-(2**63), 2**63 - 1) | st.none(),
)
def test_whatever_a_producer_says_of_the_time_some_time_comes_out(header: bytes, timestamp_ms: int | None) -> None:
    for headers in ([("ce_time", header)], []):
        assert serde.event_time(headers, timestamp_ms).utcoffset() == timedelta(0)


def test_the_cause_of_a_refusal_never_quotes_the_record() -> None:
    with pytest.raises(serde.Undecodable) as refused:
        serde.decode(
            "d2ev.vehicle.telemetry.v1",
            b'{"car":"a.b","oem":"x","received_time":"2023-03-24T12:00:00Z","plug":"lat 52.1 lon 4.3"}',
        )
    assert "52.1" not in str(refused.value)
    assert "$.plug" in str(refused.value)
