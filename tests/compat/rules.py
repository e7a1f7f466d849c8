"""What may change in a message within one major version, and what breaks somebody: judged by its JSON Schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]
#: Words for people, which bind nobody.
_WORDS = frozenset({"title", "description", "examples", "default", "deprecated", "$defs", "properties", "required"})
#: Compared by rules of their own.
_BELOW = frozenset({"items", "additionalProperties", "anyOf", "oneOf", "prefixItems", "enum", "const"})
MEND = "add an optional field, or a topic of the next major version"


def broken(old: Schema, new: Schema, accepted: frozenset[str] = frozenset()) -> list[str]:
    """What in `new` breaks readers or records of `old`, a sentence each; none: all is well.

    `accepted` are places and words, `place: word`, that readers of the old version were already told to expect.
    """
    return [complaint for complaint in _object(old, new, old, new, "") if complaint not in _told(accepted)]


def _told(accepted: frozenset[str]) -> frozenset[str]:
    return frozenset(_new_word(place, word) for place, _, word in (one.partition(": ") for one in accepted))


def _object(old: Schema, new: Schema, old_root: Schema, new_root: Schema, place: str) -> Iterator[str]:
    old, new = _followed(old, old_root), _followed(new, new_root)
    was, now = old.get("properties", {}), new.get("properties", {})
    for name in was.keys() - now.keys():
        yield f"{place}{name}: is gone; old readers want it: keep it, or {MEND}"
    for name in now.keys() & set(new.get("required", ())) - set(old.get("required", ())):
        yield f"{place}{name}: is required; records of before do not have it: give it a default"
    for name in was.keys() & now.keys():
        yield from _value(was[name], now[name], old_root, new_root, f"{place}{name}")


def _value(old: Schema, new: Schema, old_root: Schema, new_root: Schema, place: str) -> Iterator[str]:
    old, new = _followed(old, old_root), _followed(new, new_root)
    yield from _object(old, new, old_root, new_root, f"{place}.")
    yield from _words(old, new, place)
    for key in ("items", "additionalProperties"):
        if isinstance(old.get(key), Mapping) and isinstance(new.get(key), Mapping):
            yield from _value(old[key], new[key], old_root, new_root, f"{place}[]")
        elif old.get(key) != new.get(key):
            yield f"{place}: {key} is another; {MEND}"
    yield from _ways(old, new, old_root, new_root, place)
    for key in (old.keys() | new.keys()) - _WORDS - _BELOW:
        if old.get(key) != new.get(key):
            yield f"{place}: {key} was {_said(old.get(key))} and is {_said(new.get(key))}; {MEND}"


def _ways(old: Schema, new: Schema, old_root: Schema, new_root: Schema, place: str) -> Iterator[str]:
    for key in ("anyOf", "oneOf", "prefixItems"):
        was, now = old.get(key, ()), new.get(key, ())
        if len(was) != len(now):
            yield f"{place}: is one of {len(now)} kinds and was of {len(was)}; {MEND}"
        for before, after in zip(was, now, strict=False):
            yield from _value(before, after, old_root, new_root, place)


def _words(old: Schema, new: Schema, place: str) -> Iterator[str]:
    was, now = _enum(old), _enum(new)
    if not was and not now:
        return
    for word in sorted(was - now):
        yield f"{place}: the word {word} is gone; records of before have it: go on reading it"
    for word in sorted(now - was):
        yield _new_word(place, word)


def _enum(schema: Schema) -> set[str]:
    words = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return {str(word) for word in words}


def _new_word(place: str, word: str) -> str:
    return (
        f"{place}: the word {word} is new; our own workers of before refuse records with it: release a version that "
        f"reads it and never writes it, then accept `{place}: {word}` in tests/compat/accepted.json"
    )


def _followed(schema: Schema, root: Schema) -> Schema:
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    return schema


def _said(value: Any) -> str:
    return "nothing" if value is None else str(value)
