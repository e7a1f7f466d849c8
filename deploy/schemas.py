"""The published messages' schemas, as subjects of a schema registry: what it lacks, and what it is given."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from deploy.schema_registry import Refused, SchemaRegistry
from streams import json_schemas

LEVELS = (
    "NONE", "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE",
)  # fmt: skip


class Line(NamedTuple):
    """One subject and what is to be said of it; `well` unless somebody has to act."""

    subject: str
    state: str
    remark: str = ""
    well: bool = True

    def __str__(self) -> str:
        return f"{self.state:8} {self.subject}" + (f": {self.remark}" if self.remark else "")


def subjects() -> Mapping[str, str]:
    """The schema of each published topic's values, by the name that Confluent's TopicNameStrategy gives it."""
    return {f"{topic}-value": json.dumps(schema) for topic, schema in json_schemas.published().items()}


def check(registry: SchemaRegistry) -> Iterator[Line]:
    """Compare the registry with this version of ours."""
    for subject, schema in subjects().items():
        latest, ours = registry.latest(subject), registry.version_of(subject, schema)
        if latest is None:
            yield Line(subject, "missing", well=False)
        elif ours is None:
            yield Line(subject, "differs", f"no version up to {latest} is ours; publish it", well=False)
        elif ours < latest:
            yield Line(subject, "newer", f"version {latest} is there, ours is {ours}", well=False)
        else:
            yield Line(subject, "same", f"version {ours}")


def publish(registry: SchemaRegistry, level: str | None = None) -> Iterator[Line]:
    """Register what the registry lacks, after setting `level` where another one holds."""
    for subject, schema in subjects().items():
        try:
            if level is not None and registry.level(subject) != level:
                registry.set_level(subject, level)
                yield Line(subject, "level", level)
            yield _registered(registry, subject, schema)
        except Refused as refusal:
            yield Line(subject, "refused", str(refusal), well=False)


def rehearse(registry: SchemaRegistry, level: str | None = None) -> Iterator[Line]:
    """What `publish` would do; nothing is changed."""
    for subject, schema in subjects().items():
        other = level is not None and registry.level(subject) != level
        if other:
            yield Line(subject, "level", f"{level}, not set yet")
        if (version := registry.version_of(subject, schema)) is not None:
            yield Line(subject, "same", f"version {version}")
        elif other and registry.latest(subject) is not None:
            yield Line(subject, "new", f"not judged: the registry judges by {level} once that is set")
        else:
            yield _judged(registry, subject, schema)


def _registered(registry: SchemaRegistry, subject: str, schema: str) -> Line:
    if (version := registry.version_of(subject, schema)) is not None:
        return Line(subject, "same", f"version {version}")
    registry.register(subject, schema)
    return Line(subject, "new", f"version {registry.version_of(subject, schema)}")


def _judged(registry: SchemaRegistry, subject: str, schema: str) -> Line:
    try:
        registry.judge(subject, schema)
    except Refused as refusal:
        return Line(subject, "refused", str(refusal), well=False)
    return Line(subject, "new", "not registered")
