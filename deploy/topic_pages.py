"""A page and a JSON Schema per published topic, and the list of all topics: what a subscriber has to know."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from agents.engine.stage import Stage
from deploy.markdown import page, table
from deploy.reading import Entry
from deploy.tail import line
from streams import json_schemas, promises
from streams.topics import TOPICS, Topic
from tables.columns import Column, columns_of

#: One record of each topic, of a run of the demo; `python -m tests.taken_records` takes them anew.
RECORDS = Path(__file__).parents[1] / "docs" / "samples" / "records.json"
#: Lists of an example are cut to so many.
SHOWN = 2
BROKER = "127.0.0.1:9092"

_HEAD = ("Topic", "What", "Key", "Kept", "Owner", "Message", "Personal")
_KINDS = {
    "TIMESTAMPTZ": "time", "VARCHAR": "text", "DOUBLE": "number", "BIGINT": "integer", "BOOLEAN": "true or false",
    "STRUCT": "object", "MAP(VARCHAR, VARCHAR)": "object of texts", "JSON": "array",
}  # fmt: skip


def pages(stages: Sequence[Stage]) -> Mapping[str, str]:
    """The list, the pages and the schemas, by file name."""
    public = [topic for topic in TOPICS if topic.public]
    records = json.loads(RECORDS.read_text(encoding="utf-8"))
    schemas = json_schemas.published()
    return {
        "topics.md": index(),
        **{f"topics/{promises.short(one)}.md": of(one, stages, records[one.name]) for one in public},
        **{f"schemas/{name}.json": json.dumps(schema, indent=2) + "\n" for name, schema in schemas.items()},
    }


def index() -> str:
    """Every topic: the contract with platform teams, then what is private."""
    public, private = ([topic for topic in TOPICS if topic.public is seen] for seen in (True, False))
    return page(
        "Topics",
        "Values are JSON with CloudEvents headers (`ce_id`, `ce_time`, …). Delivery is at least once: deduplicate on "
        "`ce_id`. Records of a key are in order. Every topic has a page with its fields, an example and its "
        "promises. [Subscribing](subscribing.md) shows consumers; the full contract is [asyncapi.json](asyncapi.json).",
        "## Published",
        table(_HEAD, (_row(one, f"[`{one.name}`](topics/{promises.short(one)}.md)") for one in public)),
        "## Private\n\nMay change at any time; so may the changelogs in [tables.md](tables.md).",
        table(_HEAD, (_row(one, f"`{one.name}`") for one in private)),
    )


def of(topic: Topic, stages: Sequence[Stage], taken: Mapping[str, Any]) -> str:
    """The page of one topic; `taken` is a record of it from a real run."""
    return page(
        f"{promises.short(topic)}",
        topic.purpose,
        table(("", ""), _promises(topic, stages)),
        "## Fields",
        _about(topic),
        table(("Field", "Type", "Unit", "Required", "What"), _fields(topic)),
        "## Example",
        f"Of a run of the demo; lists are cut to {SHOWN}.",
        f"```\nkey {taken['key'] or 'null'}\n{_headers(taken)}\n```",
        "```json\n" + json.dumps(_cut(taken["value"]), indent=2, ensure_ascii=False) + "\n```",
        "## Look",
        f"```\n{_look(topic, taken)}\n```",
        "All topics: [topics.md](../topics.md). Consumers to start from: [subscribing.md](../subscribing.md).",
    )


def _row(topic: Topic, name: str) -> tuple[str, ...]:
    kept = promises.retention(topic).removeprefix("kept for ").split(":", maxsplit=1)[0]
    personal = "yes" if topic.personal else "no"
    return name, topic.purpose, topic.key, kept, topic.writers, topic.model.__name__, personal


def _promises(topic: Topic, stages: Sequence[Stage]) -> Iterator[tuple[str, str]]:
    key = promises.KEYS[topic.key]
    yield "Topic", f"`{topic.name}`"
    yield "Key", key.says
    yield "Order", f"{key.order} Between topics there is none."
    yield "Delivery", promises.delivery(topic)
    yield "Kept", promises.retention(topic).removeprefix("kept for ")
    yield "A null value", promises.tombstone(topic)
    yield "Written by", ", ".join(_writers(topic, stages))
    yield "Privacy", _privacy(topic)
    yield (
        "Units and times",
        "Units are in the names of fields, times RFC 3339 in UTC. Null is not known, never zero.",
    )
    yield "Compatibility", promises.COMPATIBILITY
    yield "Schema", f"[JSON Schema](../schemas/{topic.name}.json), [AsyncAPI](../asyncapi.json)"


def _writers(topic: Topic, stages: Sequence[Stage]) -> list[str]:
    """All stages that write it, then who else does."""
    writing = [stage.name for stage in stages if topic in stage.writes]
    others = ["outside producers" if topic.owner == "outside" else topic.owner, *topic.beside]
    return writing + [one for one in others if one not in writing]


def _privacy(topic: Topic) -> str:
    if not topic.personal:
        return "Not personal."
    return "Personal: of identifiable drivers. No coordinates; credentials and refused records are sealed."


def _about(topic: Topic) -> str:
    """What the message says of itself."""
    return " ".join((topic.model.__doc__ or "").split())


def _fields(topic: Topic) -> Iterator[tuple[str, ...]]:
    required = json_schemas.of(topic).get("required", [])
    for column in columns_of(topic.model):
        for path, one in column.walk():
            needed = "yes" if path in required else ""
            yield f"`{path}`", _type(one), "" if one.kind == "TIMESTAMPTZ" else one.unit, needed, _meaning(one)


def _type(column: Column) -> str:
    kind = "word" if column.choices else _KINDS[column.kind]
    return f"list of {kind}" if column.is_list else kind


def _meaning(column: Column) -> str:
    words = ", ".join(f"`{word}`" for word in column.choices)
    return f"{column.meaning}: {words}" if column.meaning and words else column.meaning or words


def _headers(taken: Mapping[str, Any]) -> str:
    return "\n".join(f"{name} {value}" for name, value in taken["headers"].items())


def _cut(value: Any) -> Any:
    if isinstance(value, list):
        return [_cut(one) for one in value[:SHOWN]]
    if isinstance(value, dict):
        return {name: _cut(one) for name, one in value.items()}
    return value


def _look(topic: Topic, taken: Mapping[str, Any]) -> str:
    at = datetime.fromisoformat(taken["headers"]["ce_time"])
    entry = Entry(topic, 0, 0, taken["key"], at, json.dumps(taken["value"]).encode())
    shown = "%k %s" if topic.key != "original" else "%s"
    return "\n".join(
        [
            f"$ d2ev tail {promises.short(topic)} --from-start",
            line(entry),
            f"$ kcat -b {BROKER} -t {topic.name} -C -e -q -o beginning -f '{shown}\\n'",
        ]
    )
