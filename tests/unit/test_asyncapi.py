"""The AsyncAPI document promises what the topics do, in words that every tool understands."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from streams.asyncapi import action, document
from streams.examples import examples
from streams.topics import TOPICS, Topic

PUBLIC = [topic for topic in TOPICS if topic.public]
EACH = pytest.mark.parametrize("topic", PUBLIC, ids=[topic.name for topic in PUBLIC])
#: Words of JSON Schema that came after draft-07, which is all that AsyncAPI tools must know.
TOO_NEW = {
    "$defs", "$anchor", "$dynamicRef", "prefixItems", "dependentRequired", "dependentSchemas", "unevaluatedItems",
    "unevaluatedProperties", "minContains", "maxContains",
}  # fmt: skip
DOCUMENT = document()
SCHEMAS = DOCUMENT["components"]["schemas"]


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(inner)


def test_it_is_one_document_of_plain_json_and_the_same_every_time() -> None:
    assert DOCUMENT["asyncapi"] == "3.1.0"
    assert json.loads(json.dumps(DOCUMENT, allow_nan=False)) == DOCUMENT == document()


def test_published_topics_are_its_channels_and_private_ones_are_not_mentioned() -> None:
    assert list(DOCUMENT["channels"]) == [topic.name for topic in PUBLIC]
    text = json.dumps(DOCUMENT)
    assert [topic.name for topic in TOPICS if not topic.public and topic.name in text] == []


def test_every_reference_leads_somewhere() -> None:
    references = {node["$ref"] for node in nodes(DOCUMENT) if "$ref" in node}
    assert references
    for reference in references:
        target: Any = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]
        assert isinstance(target, dict)


def test_schemas_use_no_word_that_draft_07_tools_do_not_know() -> None:
    words = {word for node in nodes(SCHEMAS) for word in node}
    assert words & TOO_NEW == set()


def test_a_reference_stands_alone_so_that_nothing_beside_it_is_ignored() -> None:
    assert [node for node in nodes(SCHEMAS) if "$ref" in node and len(node) > 1] == []


@EACH
def test_we_send_what_we_own_and_receive_the_rest(topic: Topic) -> None:
    operation = next(o for o in DOCUMENT["operations"].values() if o["channel"]["$ref"].endswith(topic.name))
    assert operation["action"] == action(topic) == ("receive" if topic.owner == "outside" else "send")


@EACH
def test_the_binding_says_how_the_topic_is_kept(topic: Topic) -> None:
    kafka = DOCUMENT["channels"][topic.name]["bindings"]["kafka"]
    kept = kafka["topicConfiguration"]
    assert kafka["topic"] == topic.name
    assert kept["cleanup.policy"] == (["compact"] if topic.compacted else ["delete"])
    assert ("retention.ms" in kept) is not topic.compacted
    assert all(isinstance(kept[name], int) for name in kept if name != "cleanup.policy")


@EACH
def test_a_subscriber_learns_key_order_delivery_retention_and_privacy(topic: Topic) -> None:
    said = DOCUMENT["channels"][topic.name]["description"]
    for word in ("Key:", "Order:", "on the header `ce_id`", "Retention:", "Privacy:"):
        assert word in said
    assert "A null value: " in said
    assert DOCUMENT["components"]["messages"][topic.name]["x-privacy"].startswith("not") is not topic.personal


@EACH
def test_the_example_is_a_record_that_we_would_take(topic: Topic) -> None:
    message = DOCUMENT["components"]["messages"][topic.name]
    (example,) = message["examples"]
    assert topic.model.model_validate_json(json.dumps(example["payload"])) == examples()[topic.name]
    assert set(example["headers"]) == set(SCHEMAS["CloudEventsHeaders"]["required"])
    assert example["headers"]["ce_type"] == topic.name
    assert datetime.fromisoformat(example["headers"]["ce_time"]).utcoffset() is not None


@EACH
def test_the_example_names_every_field_of_the_schema(topic: Topic) -> None:
    message = DOCUMENT["components"]["messages"][topic.name]
    schema = SCHEMAS[message["payload"]["$ref"].rpartition("/")[2]]
    assert set(message["examples"][0]["payload"]) == set(schema["properties"])
    assert set(schema.get("required", ())) <= set(schema["properties"])
