"""Topics and contracts as one AsyncAPI 3.1 document for platform teams, generated so that it cannot drift."""

from __future__ import annotations

from typing import Any

from streams import json_schemas
from streams.contracts.base import Contract
from streams.examples import examples
from streams.promises import COMPATIBILITY, KEYS, delivery, privacy, retention, short, tombstone, writers
from streams.serde import headers
from streams.topics import TOPICS, Topic

#: Version of this document: minor for a new topic or optional field. A breaking change is a new topic, `.v2`.
VERSION = "1.0.0"
BINDING = "0.5.0"
SCHEMAS = "#/components/schemas/"

DESCRIPTION = f"""\
D2EV charges electric cars when energy is cheap and clean by talking directly to the car.

**Units and time.** Units are in the field names: `soc_pct` (percent of the usable battery), `energy_kwh`, `power_kw`,
`carbon_g` (grams of CO2). Energy is at the wall unless said otherwise. Money is in the `currency` beside it. Times are
RFC 3339 in UTC. `null` means not known: it is never zero, never unplugged.

**Records.** Values are JSON. CloudEvents 1.0 in binary mode: the attributes are headers with the prefix `ce_`, the
value is the bare data. On compacted topics a null value is a tombstone: the key is gone.

**Order and delivery.** Records of one key are in order; there is no order between keys. Delivery is at least once:
deduplicate on `ce_id`. Car-keyed topics are partitioned by the account part of the key and all have the same number of
partitions, so they can be joined partition by partition.

**Compatibility.** {COMPATIBILITY}

**Privacy.** Topics marked `personal` hold data of identifiable drivers. None holds coordinates, and credentials and
refused records are sealed.
"""

#: The field of a message that is its event time; the first that it has.
_EVENT_TIMES = ("at", "settled_at", "received_time", "now", "updated_at", "registered_at", "issued_at", "since")
#: The logins of D2EV_KAFKA_MECHANISM in AsyncAPI's words.
_LOGINS = ("scramSha512", "scramSha256", "plain")


def document() -> dict[str, Any]:
    """The AsyncAPI document of all published topics, as plain JSON values."""
    public = [topic for topic in TOPICS if topic.public]
    known = examples()
    return {
        "asyncapi": "3.1.0",
        "id": "urn:d2ev",
        "info": _info(),
        "defaultContentType": "application/json",
        "servers": {"kafka": _server("kafka"), "kafka-secured": _secured()},
        "channels": {topic.name: _channel(topic) for topic in public},
        "operations": {_operation_id(topic): _operation(topic) for topic in public},
        "components": {
            "messages": {topic.name: _message(topic, known[topic.name]) for topic in public},
            "schemas": {
                "CloudEventsHeaders": _headers_schema(),
                **json_schemas.shared({topic.model for topic in public}, SCHEMAS),
            },
            "messageTraits": {"cloudEvent": _trait()},
            "securitySchemes": {name: {"type": name} for name in _LOGINS},
        },
    }


def action(topic: Topic) -> str:
    """`receive` for what others write to us, `send` for what we write."""
    return "receive" if topic.owner == "outside" else "send"


def _info() -> dict[str, Any]:
    return {
        "title": "D2EV",
        "version": VERSION,
        "description": DESCRIPTION,
        "tags": [
            {"name": "ev-charging"},
            {"name": "state", "description": "Compacted: the newest record of a key is the state."},
            {"name": "event", "description": "Kept for a time: every record happened."},
            {"name": "personal", "description": "Data of identifiable drivers."},
        ],
    }


def _server(protocol: str) -> dict[str, Any]:
    return {
        "host": "{bootstrap}",
        "protocol": protocol,
        "description": "Any Kafka; the address is the deployment's D2EV_BOOTSTRAP.",
        "variables": {"bootstrap": {"default": "127.0.0.1:9092", "description": "host:port"}},
    }


def _secured() -> dict[str, Any]:
    """TLS with a login; which of the mechanisms is the deployment's choice."""
    mechanisms = [{"$ref": f"#/components/securitySchemes/{name}"} for name in _LOGINS]
    return {**_server("kafka-secure"), "security": mechanisms}


def _channel(topic: Topic) -> dict[str, Any]:
    return {
        "address": topic.name,
        "title": short(topic),
        "summary": topic.purpose,
        "description": _promise(topic),
        "servers": [{"$ref": "#/servers/kafka"}, {"$ref": "#/servers/kafka-secured"}],
        "tags": _tags(topic),
        "messages": {"record": {"$ref": f"#/components/messages/{topic.name}"}},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "topicConfiguration": _configuration(topic),
                "bindingVersion": BINDING,
            }
        },
    }


def _promise(topic: Topic) -> str:
    key = KEYS[topic.key]
    return (
        f"Key: {key.says} Order: {key.order} Delivery: {delivery(topic)} Retention: {retention(topic)}. "
        f"A null value: {tombstone(topic)} Written by: {writers(topic)}. Privacy: {privacy(topic)}."
    )


def _tags(topic: Topic) -> list[dict[str, str]]:
    names = ["state" if topic.compacted else "event", *(["personal"] if topic.personal else [])]
    return [{"name": name} for name in names]


def _configuration(topic: Topic) -> dict[str, Any]:
    said = topic.config()
    numbers = {name: int(value) for name, value in said.items() if name != "cleanup.policy"}
    return {"cleanup.policy": [said["cleanup.policy"]], **numbers}


def _operation_id(topic: Topic) -> str:
    words = topic.name.removeprefix("d2ev.").replace("-", ".").split(".")
    return action(topic) + "".join(word.capitalize() for word in words)


def _operation(topic: Topic) -> dict[str, Any]:
    return {
        "action": action(topic),
        "channel": {"$ref": f"#/channels/{topic.name}"},
        "title": short(topic),
        "summary": topic.purpose,
        "description": _promise(topic),
        "tags": _tags(topic),
        "messages": [{"$ref": f"#/channels/{topic.name}/messages/record"}],
    }


def _message(topic: Topic, example: Contract) -> dict[str, Any]:
    return {
        "name": topic.name,
        "title": topic.model.__name__,
        "summary": topic.purpose,
        "description": _promise(topic),
        "tags": _tags(topic),
        "traits": [{"$ref": "#/components/messageTraits/cloudEvent"}],
        "payload": {"$ref": f"{SCHEMAS}{topic.model.__name__}"},
        "bindings": {"kafka": {"key": _key_schema(topic), "bindingVersion": BINDING}},
        "examples": [
            {
                "name": "record",
                "headers": _example_headers(topic, example),
                "payload": example.model_dump(mode="json"),
            }
        ],
        "x-privacy": privacy(topic),
        "x-tombstone": tombstone(topic),
    }


def _key_schema(topic: Topic) -> dict[str, Any]:
    key = KEYS[topic.key]
    if key.example is None:
        return {"type": "null", "description": key.says}
    return {"type": "string", "description": key.says, "examples": [key.example]}


def _trait() -> dict[str, Any]:
    """What all messages share."""
    return {
        "summary": "CloudEvents 1.0 in binary mode: attributes are headers, the value is the bare data.",
        "contentType": "application/json",
        "headers": {"$ref": f"{SCHEMAS}CloudEventsHeaders"},
    }


def _example_headers(topic: Topic, example: Contract) -> dict[str, str]:
    facts = {**dict(example), **dict(getattr(example, "inputs", {}))}
    at = next(facts[name] for name in _EVENT_TIMES if name in facts)
    shared = headers(topic.name, topic.owner.replace(" ", "-"), at)
    return {name: value.decode() for name, value in (*shared, ("ce_id", b"example-1"))}


def _headers_schema() -> dict[str, Any]:
    said = {
        "ce_specversion": "CloudEvents version, 1.0.",
        "ce_type": "Name of the topic.",
        "ce_source": "Who wrote it, `/d2ev/<stage>`.",
        "ce_id": "Identity of the record: equal ids are the same record, written again.",
        "ce_time": "When it happened, RFC 3339 in UTC.",
        "content-type": "application/json",
    }
    return {
        "type": "object",
        "description": "CloudEvents 1.0 attributes in binary mode, as Kafka headers in UTF-8.",
        "properties": {name: {"type": "string", "description": text} for name, text in said.items()},
        "required": list(said),
    }
