"""Topics and contracts as one AsyncAPI 3.1 document for platform teams, generated so that it cannot drift."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import models_json_schema

from streams.contracts.base import Contract
from streams.examples import CAR, examples
from streams.serde import headers
from streams.topics import TOPICS, Topic

#: Version of this document: minor for a new topic or optional field. A breaking change is a new topic, `.v2`.
VERSION = "1.0.0"
BINDING = "0.5.0"
SCHEMAS = "#/components/schemas/"

DESCRIPTION = """\
D2EV charges electric cars when energy is cheap and clean by talking directly to the car.

**Units and time.** Units are in the field names: `soc_pct` (percent of the usable battery), `energy_kwh`, `power_kw`,
`carbon_g` (grams of CO2). Energy is at the wall unless said otherwise. Money is in the `currency` beside it. Times are
RFC 3339 in UTC. `null` means not known: it is never zero, never unplugged.

**Records.** Values are JSON. CloudEvents 1.0 in binary mode: the attributes are headers with the prefix `ce_`, the
value is the bare data. On compacted topics a null value is a tombstone: the key is gone.

**Order and delivery.** Records of one key are in order; there is no order between keys. Delivery is at least once:
deduplicate on `ce_id`. Car-keyed topics are partitioned by the account part of the key and all have the same number of
partitions, so they can be joined partition by partition.

**Compatibility.** Within a major version only optional fields are added; ignore fields and enum values that you do not
know. A breaking change is a new topic with the next major version, written beside the old one for an announced time.

**Privacy.** Topics marked `personal` hold data of identifiable drivers. None holds coordinates, and credentials and
refused records are sealed.
"""

#: The field of a message that is its event time; the first that it has.
_EVENT_TIMES = ("at", "settled_at", "received_time", "now", "updated_at", "registered_at", "issued_at", "since")
_KEYS: Mapping[str, tuple[str, str | None]] = {
    "car": ("Car key, `<oem account>.<vehicle>`.", CAR),
    "account": ("OEM account: the part of a car key before the first dot.", "acct7"),
    "tariff": ("Tariff, as in a registration.", "gb-day-ahead"),
    "region": ("Carbon region, as in a registration.", "GB"),
    "lead": ("`<oem>/<model>/<action>`; every partition has a record of its own.", "simulator/Compact 58/start"),
    "device": ("`<oem account>.<device>`.", "acct7.d41c"),
    "request": ("Hash of driver and idempotency key.", "9f2c"),
    "original": ("Null: the key of the refused record is sealed in `sealed_key`.", None),
}


def document() -> dict[str, Any]:
    """The AsyncAPI document of all published topics, as plain JSON values."""
    public = [topic for topic in TOPICS if topic.public]
    known = examples()
    return {
        "asyncapi": "3.1.0",
        "id": "urn:d2ev",
        "info": _info(),
        "defaultContentType": "application/json",
        "servers": {"kafka": _server()},
        "channels": {topic.name: _channel(topic) for topic in public},
        "operations": {_operation_id(topic): _operation(topic) for topic in public},
        "components": {
            "messages": {topic.name: _message(topic, known[topic.name]) for topic in public},
            "schemas": {"CloudEventsHeaders": _headers_schema(), **_schemas({topic.model for topic in public})},
        },
    }


def action(topic: Topic) -> str:
    """`receive` for what others write to us, `send` for what we write."""
    return "receive" if topic.owner == "outside" else "send"


def retention(topic: Topic) -> str:
    """How long records are kept, in words."""
    if topic.compacted:
        return "compacted: the newest record of every key is kept"
    return f"kept for {topic.retention.total_seconds() / 86400:g} days"


def _info() -> dict[str, Any]:
    return {
        "title": "D2EV",
        "version": VERSION,
        "description": DESCRIPTION,
        "tags": [{"name": "ev-charging"}],
    }


def _server() -> dict[str, Any]:
    return {
        "host": "{bootstrap}",
        "protocol": "kafka",
        "description": "Any Kafka; the address is the deployment's D2EV_BOOTSTRAP.",
        "variables": {"bootstrap": {"default": "127.0.0.1:9092", "description": "host:port"}},
    }


def _channel(topic: Topic) -> dict[str, Any]:
    return {
        "address": topic.name,
        "title": topic.name.removeprefix("d2ev."),
        "summary": topic.purpose,
        "description": _promise(topic),
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
    deleted = "A null value deletes the key. " if topic.compacted else ""
    return (
        f"Key: {_KEYS[topic.key][0]} Order: per key. Delivery: at least once, deduplicate on `ce_id`. "
        f"Retention: {retention(topic)}. {deleted}"
        f"Owner: {'outside producers' if topic.owner == 'outside' else topic.writers}. "
        f"Privacy: {'personal' if topic.personal else 'not personal'}."
    )


def _configuration(topic: Topic) -> dict[str, Any]:
    numbers = {name: int(value) for name, value in topic.config().items() if name != "cleanup.policy"}
    return {"cleanup.policy": [topic.config()["cleanup.policy"]], **numbers}


def _operation_id(topic: Topic) -> str:
    words = topic.name.removeprefix("d2ev.").replace("-", ".").split(".")
    return action(topic) + "".join(word.capitalize() for word in words)


def _operation(topic: Topic) -> dict[str, Any]:
    return {
        "action": action(topic),
        "channel": {"$ref": f"#/channels/{topic.name}"},
        "summary": topic.purpose,
        "messages": [{"$ref": f"#/channels/{topic.name}/messages/record"}],
    }


def _message(topic: Topic, example: Contract) -> dict[str, Any]:
    said, key = _KEYS[topic.key]
    schema = {"type": "null" if key is None else "string", "description": said}
    return {
        "name": topic.name,
        "title": topic.model.__name__,
        "summary": topic.purpose,
        "description": _promise(topic),
        "contentType": "application/json",
        "headers": {"$ref": f"{SCHEMAS}CloudEventsHeaders"},
        "payload": {"$ref": f"{SCHEMAS}{topic.model.__name__}"},
        "bindings": {"kafka": {"key": schema, "bindingVersion": BINDING}},
        "examples": [
            {
                "name": "record",
                "headers": _example_headers(topic, example),
                "payload": example.model_dump(mode="json"),
            }
        ],
        "x-privacy": "personal" if topic.personal else "not personal",
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


def _schemas(models: set[type[Contract]]) -> dict[str, Any]:
    """JSON Schemas by model name, in the words that draft-07 tools understand."""
    ordered = sorted(models, key=lambda model: model.__name__)
    _, schema = models_json_schema([(model, "validation") for model in ordered], ref_template=SCHEMAS + "{model}")
    return {name: _draft_07(definition) for name, definition in sorted(schema["$defs"].items())}


def _draft_07(schema: Any) -> Any:
    """Without generated titles, and with a reference never beside other keywords, which draft-07 would ignore."""
    if isinstance(schema, list):
        return [_draft_07(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {name: _draft_07(value) for name, value in schema.items() if name != "title" or not isinstance(value, str)}
    if "$ref" in plain and len(plain) > 1:
        plain = {"allOf": [{"$ref": plain.pop("$ref")}], **plain}
    return plain
