"""The messages as JSON Schemas, in the words of draft-07 that every tool understands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import models_json_schema

from streams.contracts.base import Contract
from streams.topics import TOPICS, Topic

DRAFT = "http://json-schema.org/draft-07/schema#"
_BELOW = "#/definitions/"


def published() -> Mapping[str, dict[str, Any]]:
    """The schema of each published topic's values, by topic name; each stands alone."""
    return {topic.name: of(topic) for topic in TOPICS if topic.public}


def of(topic: Topic) -> dict[str, Any]:
    """The schema of one topic's values. Fields that it does not name are allowed: later versions may add some."""
    known = shared({topic.model}, _BELOW)
    top = known.pop(topic.model.__name__)
    head = {"$schema": DRAFT, "$id": f"urn:d2ev:schema:{topic.name}", "title": topic.model.__name__}
    return {**head, **top, **({"definitions": known} if known else {})}


def shared(models: set[type[Contract]], place: str) -> dict[str, Any]:
    """The schemas of messages and of what they are made of, by name; they refer to each other by `place`."""
    ordered = sorted(models, key=lambda model: model.__name__)
    _, schema = models_json_schema([(model, "validation") for model in ordered], ref_template=place + "{model}")
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
