"""Plain values <-> Firestore's typed ones."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import datetime
from types import NoneType
from typing import Any, Final

from streams.serde import rfc3339


class NoValue(ValueError):
    """Not a value of Firestore's, or of a kind that no document of ours holds. Says nothing of its content."""


def fields(told: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a document. Raises NoValue."""
    return {name: value(one) for name, one in told.items()}


def value(told: Any) -> dict[str, Any]:
    """One value. Raises NoValue."""
    for kind, name, write in _WRITTEN:
        if isinstance(told, kind):
            return {name: write(told)}
    raise NoValue(type(told).__name__)


def plain_fields(told: Any) -> dict[str, Any]:
    """The plain values of a document's fields. Raises NoValue."""
    if not isinstance(told, dict):
        raise NoValue("no fields")
    return {name: plain(one) for name, one in told.items()}


def plain(told: Any) -> Any:
    """The plain value. Raises NoValue."""
    if not isinstance(told, dict) or len(told) != 1:
        raise NoValue("not one typed value")
    ((name, inner),) = told.items()
    kinds, read = _READ.get(name, ((), str))
    if type(inner) not in kinds:
        raise NoValue("a value of a kind that is not read here")
    try:
        return read(inner)
    except (ValueError, OverflowError, RecursionError):
        raise NoValue("a value is not of its kind") from None


def _values(told: Any) -> list[Any]:
    if not isinstance(told, list):
        raise NoValue("not a list of values")
    return [plain(one) for one in told]


def _same(told: Any) -> Any:
    return told


#: The first that fits counts: True is an int as well.
_WRITTEN: Final[tuple[tuple[type, str, Callable[[Any], Any]], ...]] = (
    (NoneType, "nullValue", _same),
    (bool, "booleanValue", _same),
    (int, "integerValue", str),
    (float, "doubleValue", _same),
    (str, "stringValue", str),
    (datetime, "timestampValue", rfc3339),
    (Mapping, "mapValue", lambda told: {"fields": fields(told)}),
    (list, "arrayValue", lambda told: {"values": [value(one) for one in told]}),
    (tuple, "arrayValue", lambda told: {"values": [value(one) for one in told]}),
)
#: Proto JSON writes 64-bit integers, and numbers that are none, as text. The contracts refuse the latter.
_READ: Final[Mapping[str, tuple[tuple[type, ...], Callable[[Any], Any]]]] = {
    "nullValue": ((NoneType, str), lambda _: None),
    "booleanValue": ((bool,), _same),
    "integerValue": ((str, int), int),
    "doubleValue": ((float, int, str), float),
    "stringValue": ((str,), _same),
    "timestampValue": ((str,), datetime.fromisoformat),
    "bytesValue": ((str,), b64decode),
    "mapValue": ((dict,), lambda told: plain_fields(told.get("fields", {}))),
    "arrayValue": ((dict,), lambda told: _values(told.get("values", []))),
}
