"""Small changes to a JSON object, to see how a connector takes what no maker promised."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Raw = Mapping[str, Any]
Place = tuple[str | int, ...]


def leaves(raw: Any, above: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every value inside nested objects, and lists of them, that is neither, with its place."""
    for key, value in raw.items() if isinstance(raw, Mapping) else enumerate(raw):
        if isinstance(value, Mapping) or (isinstance(value, list) and any(isinstance(one, Mapping) for one in value)):
            yield from leaves(value, (*above, key))
        else:
            yield (*above, key), value


def with_value(raw: Any, place: Place, value: object) -> Any:
    """The same with another value at one place."""
    key, *below = place
    inner = with_value(raw[key], tuple(below), value) if below else value
    if isinstance(raw, Mapping):
        return {**raw, key: inner}
    return [inner if at == key else one for at, one in enumerate(raw)]


def without(raw: Any, place: Place) -> Any:
    """The same without one place."""
    key, *below = place
    if below:
        return with_value(raw, (key,), without(raw[key], tuple(below)))
    if isinstance(raw, Mapping):
        return {name: value for name, value in raw.items() if name != key}
    return [one for at, one in enumerate(raw) if at != key]
