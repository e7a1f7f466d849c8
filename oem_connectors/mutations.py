"""Small changes to a JSON object, to see how a connector takes what no maker promised."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Raw = Mapping[str, Any]
Place = tuple[str, ...]


def leaves(raw: Raw, above: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every value inside nested objects that is not itself an object, with its place."""
    for key, value in raw.items():
        if isinstance(value, Mapping):
            yield from leaves(value, (*above, key))
        else:
            yield (*above, key), value


def with_value(raw: Raw, place: Place, value: object) -> Raw:
    """The same object with another value at one place."""
    key, *below = place
    return {**raw, key: with_value(raw[key], tuple(below), value) if below else value}


def without(raw: Raw, place: Place) -> Raw:
    """The same object without one place."""
    key, *below = place
    if below:
        return {**raw, key: without(raw[key], tuple(below))}
    return {name: value for name, value in raw.items() if name != key}
