"""What is wrong with a line of `d2ev plan`: the field, its value and what to give instead, read off the types."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import DecodeError, ValidationError, inspect

_AT: Final = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<path>.*)`)?$", re.DOTALL)
_MISSING: Final = re.compile(r"Object missing required field `(\w+)`")
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(.*?)`", re.DOTALL)
_STEP: Final = re.compile(r"\.(\w+)|\[(\d+)\]")
_PREFIX: Final = "JSON is malformed: "
_LONGEST_VALUE: Final = 120

Step = str | int


class Complaint(Exception):
    """A field of a line, its value, and what is wrong with it. `field` is None when it is the whole line."""

    def __init__(self, field: str | None, value: Any, says: str) -> None:
        super().__init__(field, value, says)
        self.field, self.value, self.says = field, value, says

    def answer(self, line: bytes, number: int) -> dict[str, Any]:
        """The object that stands in the place of the plan of line `number`."""
        given = _loosely(line)
        value = _short(self.value)
        of = "" if self.field is None else f"{self.field}: "
        shown = "" if self.value is ... else f"{_shown(value)} "
        return {
            "id": given.get("id") if isinstance(given, dict) and isinstance(given.get("id"), str | int) else None,
            "error": f"line {number}: {of}{shown}{self.says}",
            "line": number,
            "field": self.field,
            "value": None if self.value is ... else value,
        }


def at(instant: datetime) -> str:
    """The instant as people write it to us."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def complaint_of(error: ValidationError, raw: bytes, shape: Any, under: str = "") -> Complaint:
    """What `error`, met when `raw` was read as `shape`, tells about the field `under` and below."""
    found = _AT.match(str(error))
    what, path = (found["what"], found["path"] or "") if found else (str(error), "")
    steps = list(_steps(path))
    kind = _type_at(inspect.type_info(shape), steps)
    if missing := _MISSING.match(what):
        field = _named(under, [*steps, missing[1]])
        return Complaint(field, ..., f"missing; give {_wanted(_type_at(kind, [missing[1]]))}")
    if unknown := _UNKNOWN.match(what):
        value = _value_at(_loosely(raw), [*steps, unknown[1]])
        there = ", ".join(_fields(kind))
        return Complaint(_named(under, [*steps, unknown[1]]), value, f"is no field of ours; there are {there}")
    return _misfit(_named(under, steps) or None, _value_at(_loosely(raw), steps), kind)


def unreadable(error: DecodeError | UnicodeDecodeError | RecursionError, line: bytes, shape: Any) -> Complaint:
    """What keeps a line from being JSON: a number that is none, or worse."""
    for steps, value in _leaves(_loosely(line), []):
        if isinstance(value, float) and not math.isfinite(value):
            return _misfit(_named("", steps), value, _type_at(inspect.type_info(shape), steps))
    return Complaint(None, line.decode(errors="replace").strip(), f"is not JSON: {str(error).removeprefix(_PREFIX)}")


def _misfit(field: str | None, value: Any, kind: inspect.Type | None) -> Complaint:
    if kind is None:
        return Complaint(field, value, "is not what belongs here")
    number = next((one for one in _alternatives(kind) if isinstance(one, inspect.FloatType | inspect.IntType)), None)
    is_what = "does not fit" if number is None else _beside(value, number)
    return Complaint(field, value, f"{is_what}; give {_wanted(kind)}")


def _beside(value: Any, number: inspect.FloatType | inspect.IntType) -> str:
    """How a value misses the numbers that are allowed."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return "is no number"
    if number.le is not None and value > number.le:
        return f"is above {number.le:g}"
    if number.ge is not None and value < number.ge:
        return f"is below {number.ge:g}"
    if number.gt is not None and value <= number.gt:
        return f"is not above {number.gt:g}"
    return "is no whole number"


def _wanted(kind: inspect.Type | None) -> str:
    if kind is None:
        return "it"
    return " or ".join(_wanted_of(one) for one in _alternatives(kind))


def _wanted_of(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.FloatType | inspect.IntType):
        whole = "a whole number, " if isinstance(kind, inspect.IntType) else ""
        if kind.le is None:
            return "a whole number"
        bounds = f"more than {kind.gt}, up to {kind.le:.9g}" if kind.ge is None else f"{kind.ge:.9g} to {kind.le:.9g}"
        return whole + bounds
    if isinstance(kind, inspect.TupleType):
        return f"[{', '.join(_wanted(one) for one in kind.item_types)}]"
    return _PLAIN.get(type(kind), "what belongs here")


_PLAIN: Final[dict[type, str]] = {
    inspect.BoolType: "true or false",
    inspect.DateTimeType: "RFC 3339 with an offset, as 2023-05-14T17:10:00Z",
    inspect.NoneType: "null",
    inspect.StrType: "text",
    inspect.RawType: "a list of slots",
    inspect.VarTupleType: "a list",
    inspect.StructType: "an object",
}


def _alternatives(kind: inspect.Type) -> tuple[inspect.Type, ...]:
    return kind.types if isinstance(kind, inspect.UnionType) else (kind,)


def _type_at(kind: inspect.Type | None, steps: list[Step]) -> inspect.Type | None:
    for step in steps:
        if isinstance(kind, inspect.StructType):
            kind = next((field.type for field in kind.fields if field.encode_name == step), None)
        elif isinstance(kind, inspect.VarTupleType):
            kind = kind.item_type
        elif isinstance(kind, inspect.TupleType) and isinstance(step, int) and step < len(kind.item_types):
            kind = kind.item_types[step]
        else:
            return None
    return kind


def _fields(kind: inspect.Type | None) -> list[str]:
    return [field.encode_name for field in kind.fields] if isinstance(kind, inspect.StructType) else []


def _steps(path: str) -> Iterator[Step]:
    for name, index in _STEP.findall(path):
        yield name or int(index)


def _named(under: str, steps: list[Step]) -> str:
    for step in steps:
        under += f"[{step}]" if isinstance(step, int) else f".{step}" if under else step
    return under


def _value_at(value: Any, steps: list[Step]) -> Any:
    for step in steps:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return ...
    return value


def _leaves(value: Any, steps: list[Step]) -> Iterator[tuple[list[Step], Any]]:
    inside: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if inside is None:
        yield steps, value
        return
    for step, one in inside:
        yield from _leaves(one, [*steps, step])


def _loosely(raw: bytes) -> Any:
    """The JSON with numbers that are none; its text when it is not even that."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return raw.decode(errors="replace").strip()


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _short(value: Any) -> Any:
    """A value that fits on a line: what is longer, or no JSON, as the beginning of its text."""
    if isinstance(value, float) and not math.isfinite(value):
        return json.dumps(value)
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return value if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]} …"
