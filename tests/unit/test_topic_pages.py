"""The pages of the topics: examples are records that the schemas and our own reader take, and nothing is left out."""

import json
from copy import deepcopy
from typing import Any

import pytest
from jsonschema_rs import Draft7Validator, meta

from deploy.docs import stages
from deploy.topic_pages import RECORDS, pages
from streams import asyncapi, json_schemas, promises, serde
from streams.topics import COMMAND, TOPICS, Topic

PUBLIC = [topic for topic in TOPICS if topic.public]
EACH = pytest.mark.parametrize("topic", PUBLIC, ids=[topic.name for topic in PUBLIC])
TAKEN: dict[str, Any] = json.loads(RECORDS.read_text(encoding="utf-8"))
PAGES = pages(stages())


def judge(topic: Topic) -> Draft7Validator:
    return Draft7Validator(json_schemas.of(topic), validate_formats=True)


@EACH
def test_a_schema_is_one_and_stands_alone(topic: Topic) -> None:
    schema = json.loads(PAGES[f"schemas/{topic.name}.json"])
    meta.validate(schema)
    assert schema["$id"].endswith(topic.name)
    assert "#/components" not in json.dumps(schema)


@EACH
def test_a_record_of_a_real_run_is_what_the_schema_and_our_reader_take(topic: Topic) -> None:
    value = TAKEN[topic.name]["value"]
    judge(topic).validate(value)
    serde.decode(topic.name, json.dumps(value).encode())


@EACH
def test_the_example_of_the_contract_is_what_the_schema_takes(topic: Topic) -> None:
    (example,) = asyncapi.document()["components"]["messages"][topic.name]["examples"]
    judge(topic).validate(example["payload"])


@EACH
def test_a_schema_takes_fields_of_later_versions_and_refuses_lost_and_changed_ones(topic: Topic) -> None:
    value = deepcopy(TAKEN[topic.name]["value"])
    assert judge(topic).is_valid(value | {"of_a_later_version": {"any": 1}})
    for name in json_schemas.of(topic)["required"]:
        assert not judge(topic).is_valid({other: kept for other, kept in value.items() if other != name})
        assert not judge(topic).is_valid(value | {name: {"another": "type"}})


@EACH
def test_a_page_tells_every_field_every_header_and_every_promise(topic: Topic) -> None:
    page = PAGES[f"topics/{promises.short(topic)}.md"]
    assert all(f"| `{name}` |" in page for name in topic.model.model_fields)
    assert all(f"\n{name} " in page for name in TAKEN[topic.name]["headers"])
    for promise in (promises.delivery(topic), promises.tombstone(topic), promises.KEYS[topic.key].says):
        assert promise in page


@EACH
def test_an_example_lies_under_the_kind_of_key_that_is_promised(topic: Topic) -> None:
    key, promised = TAKEN[topic.name]["key"], promises.KEYS[topic.key].example
    assert (key is None) is (promised is None)
    if key is not None and promised is not None:
        assert key.count("/") == promised.count("/")
        assert ("." in key) is ("." in promised) or topic.key == "lead"


@EACH
def test_only_compacted_topics_have_tombstones(topic: Topic) -> None:
    assert topic.compacted or topic.name not in promises.TOMBSTONES


def test_every_stage_that_writes_a_topic_is_named() -> None:
    page = PAGES[f"topics/{promises.short(COMMAND)}.md"]
    (named,) = [row for row in page.splitlines() if row.startswith("| Written by")]
    assert all(stage.name in named for stage in stages() if COMMAND in stage.writes)


def test_the_list_leads_to_every_page() -> None:
    assert all(f"(topics/{promises.short(topic)}.md)" in PAGES["topics.md"] for topic in PUBLIC)
