"""Records as the CloudEvents project's own library reads and writes them: ours go through it and come out the same."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event, to_binary_event
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as some

from deploy.topic_pages import RECORDS
from streams import serde
from streams.examples import examples
from streams.topics import BY_NAME, SCHEDULE, TOPICS, VEHICLE

TAKEN: dict[str, Any] = json.loads(RECORDS.read_text(encoding="utf-8"))
PUBLIC = some.sampled_from([topic.name for topic in TOPICS if topic.public])
INSTANTS = some.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30), timezones=some.just(UTC))  # noqa: DTZ001


def written(topic: str, at: datetime, value: bytes) -> KafkaMessage:
    """A record as our writers make it, without a key."""
    headers = (*serde.headers(topic, "test", at), ("ce_id", serde.identity(value)))
    return KafkaMessage(headers=dict(headers), key=None, value=value)


@pytest.mark.parametrize("topic", TAKEN)
def test_a_record_of_a_real_run_is_an_event_and_comes_out_as_it_went_in(topic: str) -> None:
    taken = TAKEN[topic]
    headers = {name: value.encode() for name, value in taken["headers"].items()}
    key = None if taken["key"] is None else taken["key"].encode()
    event = from_binary_event(KafkaMessage(headers=headers, key=key, value=json.dumps(taken["value"]).encode()))
    assert (event.get_type(), event.get_specversion()) == (topic, "1.0")
    assert event.get_datacontenttype() == "application/json"
    assert event.get_id() == taken["headers"]["ce_id"]
    assert event.get_time() == datetime.fromisoformat(taken["headers"]["ce_time"])
    assert event.get_data() == taken["value"]
    again = to_binary_event(event)
    assert {name: value for name, value in again.headers.items() if name != "ce_partitionkey"} == headers
    assert again.key == taken["key"]
    assert json.loads(again.value) == taken["value"]


@given(topic=PUBLIC, at=INSTANTS)
def test_what_we_write_is_an_event_at_any_time(topic: str, at: datetime) -> None:
    message = written(topic, at, serde.encode(examples()[topic]))
    event = from_binary_event(message)
    assert event.get_time() == at
    assert to_binary_event(event).headers == message.headers


@given(topic=PUBLIC, at=INSTANTS)
def test_we_read_what_others_write_with_that_library(topic: str, at: datetime) -> None:
    example = examples()[topic]
    attributes = {"type": topic, "source": "/others", "id": "1", "time": at, "datacontenttype": "application/json"}
    message = to_binary_event(CloudEvent(attributes, example.model_dump(mode="json")))
    assert BY_NAME[topic].model.model_validate_json(message.value) == example
    assert serde.event_time(message.headers.items(), 0) == at


@pytest.mark.parametrize("topic", [SCHEDULE.name, VEHICLE.name])
def test_a_tombstone_is_an_event_without_data_for_that_library(topic: str) -> None:
    headers = written(topic, datetime(2023, 3, 26, tzinfo=UTC), b"").headers
    nothing: Any = None
    event = from_binary_event(KafkaMessage(headers=headers, key="a.b", value=nothing))
    assert event.get_data() is None
    assert event.get_type() == topic
