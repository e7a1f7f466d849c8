"""Whether a message is one by Google's discovery document of FCM, of which data/fcm_v1.json is an extract."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

_FILE: Final = Path(__file__).parent / "data" / "fcm_v1.json"
_TYPES: Final[Mapping[str, type | tuple[type, ...]]] = {
    "string": str, "boolean": bool, "integer": int, "number": (int, float), "object": dict, "array": list,
}  # fmt: skip
_DURATION: Final = re.compile(r"\d+(\.\d{1,9})?s")


@cache
def _schemas() -> Mapping[str, Any]:
    schemas: Mapping[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))["schemas"]
    return schemas


def complaint(name: str, value: Any) -> str | None:
    """The first thing that is wrong with `value` as a `name`, with its path; None: nothing."""
    return _complaint(_schemas()[name], value, "")


def _complaint(schema: Mapping[str, Any], value: Any, path: str) -> str | None:
    schema = _schemas()[schema["$ref"]] if "$ref" in schema else schema
    wrong = _value(schema, value)
    if wrong is not None:
        return f"{path}: {wrong}"
    parts = [(inner, one, f"{path}{step}".lstrip(".")) for inner, one, step in _parts(schema, value)]
    return next((wrong for part in parts if (wrong := _complaint(*part)) is not None), None)


def _value(schema: Mapping[str, Any], value: Any) -> str | None:
    """What is wrong with a value, whatever it is made of."""
    kind = schema.get("type", "any")
    if kind != "any" and (not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean")):
        return f"not of type {kind}"
    if "enum" in schema and value not in schema["enum"]:
        return f"not one of {', '.join(schema['enum'])}"
    if schema.get("format") == "google-duration" and not _DURATION.fullmatch(value):
        return "not a duration"
    strange = [name for name, inner, _ in _fields(schema, value) if inner is None]
    return f"no field {strange[0]}" if strange else None


def _parts(schema: Mapping[str, Any], value: Any) -> list[tuple[Any, Any, str]]:
    """What it is made of: schema, value and the way there."""
    if isinstance(value, list) and "items" in schema:
        return [(schema["items"], one, f"[{number}]") for number, one in enumerate(value)]
    return [(inner, one, f".{name}") for name, inner, one in _fields(schema, value)]


def _fields(schema: Mapping[str, Any], value: Any) -> list[tuple[str, Any, Any]]:
    if schema.get("type") != "object" or not isinstance(value, dict):
        return []
    known, other = schema.get("properties", {}), schema.get("additionalProperties")
    return [(name, known.get(name, other), one) for name, one in value.items()]
