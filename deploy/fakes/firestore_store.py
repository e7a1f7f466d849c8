"""What the fake Firestore keeps, and which writes it takes: atomic commits, preconditions, typed values, limits."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

MOST_WRITES: Final = 500
_MOST_DOCUMENT_BYTES: Final = 1_048_576
_MOST_ID_BYTES: Final = 1500
_RESERVED: Final = re.compile(r"\.\.?|__.*__")
_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
_TICK: Final = timedelta(microseconds=1)


class Status(Exception):
    """An error as Google tells it."""

    def __init__(self, code: int, word: str, message: str) -> None:
        super().__init__(message)
        self.code, self.word, self.message = code, word, message


class Stored(NamedTuple):
    """A document."""

    fields: Mapping[str, Any]
    create_time: datetime
    update_time: datetime

    def shown(self, name: str) -> dict[str, Any]:
        """As the API shows it."""
        times = {"createTime": stamp(self.create_time), "updateTime": stamp(self.update_time)}
        return {"name": name, "fields": dict(self.fields), **times}


class Applied(NamedTuple):
    """A write that was committed; `fields` None: the document was deleted."""

    name: str
    fields: Mapping[str, Any] | None
    at: datetime


class Store:
    """One database."""

    def __init__(self, root: str, clock: Callable[[], datetime]) -> None:
        self.root = root
        self.documents: dict[str, Stored] = {}
        #: Every write that was committed and changed something, in order.
        self.applied: list[Applied] = []
        self._clock = clock
        self._last = datetime.fromtimestamp(0, UTC)

    def commit(self, body: Any) -> dict[str, Any]:
        """All writes, or none. Raises Status."""
        _only(body, {"writes", "transaction"}, "")
        writes = body.get("writes", [])
        if sum(1 + len(one.get("updateTransforms", [])) for one in writes) > MOST_WRITES:
            raise _invalid(f"cannot write more than {MOST_WRITES} entities in a single call")
        self._last = max(self._clock(), self._last + _TICK)
        staged = dict(self.documents)
        applied: list[Applied] = []
        results = [self._write(staged, applied, one, self._last) for one in writes]
        self.documents = staged
        self.applied += applied
        return {"writeResults": results, "commitTime": stamp(self._last)}

    def _write(self, staged: dict[str, Stored], applied: list[Applied], write: Any, now: datetime) -> dict[str, Any]:
        _only(write, {"update", "delete", "updateTransforms", "currentDocument"}, "writes")
        if ("update" in write) == ("delete" in write):
            raise _invalid("a write is an update or a delete")
        name = write["delete"] if "delete" in write else write["update"].get("name")
        self.check_name(name)
        known = staged.get(name)
        _check(write.get("currentDocument", {}), known, name)
        if "delete" in write:
            if staged.pop(name, None) is not None:
                applied.append(Applied(name, None, now))
            return {}
        _only(write["update"], {"name", "fields"}, "writes.update")
        fields = dict(write["update"].get("fields", {}))
        check_fields(fields)
        transformed = [_transformed(fields, one, now) for one in write.get("updateTransforms", [])]
        if len(json.dumps(fields)) > _MOST_DOCUMENT_BYTES:
            raise _invalid("the document is larger than 1 MiB")
        if known is None or known.fields != fields:
            known = staged[name] = Stored(fields, now if known is None else known.create_time, now)
            applied.append(Applied(name, fields, now))
        result: dict[str, Any] = {"updateTime": stamp(known.update_time)}
        return result | ({"transformResults": transformed} if transformed else {})

    def check_name(self, name: Any) -> None:
        """Raises Status where this names no document of the database."""
        if not isinstance(name, str) or not name.startswith(f"{self.root}/"):
            raise _invalid("the name is not in this database")
        parts = name.removeprefix(f"{self.root}/").split("/")
        for part in parts:
            if not part or _RESERVED.fullmatch(part) or len(part.encode()) > _MOST_ID_BYTES:
                raise _invalid("a part of the name is empty, reserved or too long")
        if len(parts) % 2:
            raise _invalid("the name is a collection's")


def check_fields(fields: Any) -> None:
    """Raises Status unless these are fields of typed values."""
    if not isinstance(fields, dict):
        raise _invalid("fields is no object")
    for name, value in fields.items():
        if not name:
            raise _invalid("a field without a name")
        _check_value(value)


def stamp(at: datetime) -> str:
    """A time as the API writes it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _check_value(value: Any) -> None:
    if not isinstance(value, dict) or len(value) != 1:
        raise _invalid("a value has exactly one kind")
    ((kind, told),) = value.items()
    fits = _KINDS.get(kind)
    if fits is None:
        raise _invalid(f'Invalid JSON payload received. Unknown name "{kind[:40]}"')
    try:
        good = fits(told)
    except ValueError:
        good = False
    if not good:
        raise _invalid(f"Invalid value at '{kind}'")


def _is_map(told: Any) -> bool:
    _only(told, {"fields"}, "mapValue")
    check_fields(told.get("fields", {}))
    return True


def _is_list(told: Any) -> bool:
    _only(told, {"values"}, "arrayValue")
    for one in told.get("values", []):
        if "arrayValue" in one:
            raise _invalid("an array in an array")
        _check_value(one)
    return True


def _is_time(told: Any) -> bool:
    return isinstance(told, str) and _RFC3339.fullmatch(told) is not None and bool(datetime.fromisoformat(told))


_KINDS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "nullValue": lambda told: told is None or told == "NULL_VALUE",
    "booleanValue": lambda told: isinstance(told, bool),
    "integerValue": lambda told: isinstance(told, str) and -(2**63) <= int(told) < 2**63,
    "doubleValue": lambda told: (isinstance(told, float | int) and not isinstance(told, bool)) or told == "NaN",
    "timestampValue": _is_time,
    "stringValue": lambda told: isinstance(told, str),
    "bytesValue": lambda told: isinstance(told, str) and bool(b64decode(told, validate=True) or True),
    "mapValue": _is_map,
    "arrayValue": _is_list,
}


def _transformed(fields: dict[str, Any], transform: Any, now: datetime) -> dict[str, Any]:
    _only(transform, {"fieldPath", "setToServerValue"}, "updateTransforms")
    if transform.get("setToServerValue") != "REQUEST_TIME" or not transform.get("fieldPath"):
        raise _invalid("a transform that this fake does not know")
    at = {"timestampValue": stamp(now.replace(microsecond=now.microsecond // 1000 * 1000))}
    fields[transform["fieldPath"]] = at
    return at


def _check(precondition: Any, known: Stored | None, name: str) -> None:
    _only(precondition, {"exists", "updateTime"}, "currentDocument")
    match precondition:
        case {"exists": False} if known is not None:
            raise Status(409, "ALREADY_EXISTS", f"Document already exists: {name}")
        case {"exists": True} | {"updateTime": _} if known is None:
            raise Status(404, "NOT_FOUND", f"No document to update: {name}")
        case {"updateTime": str(believed)} if known and datetime.fromisoformat(believed) != known.update_time:
            cause = "the stored version does not match the required base version"
            raise Status(400, "FAILED_PRECONDITION", cause)


def _only(told: Any, names: set[str], where: str) -> None:
    if not isinstance(told, dict):
        raise _invalid(f"Invalid value at '{where}'")
    for name in told.keys() - names:
        raise _invalid(f"Invalid JSON payload received. Unknown name \"{name[:40]}\" at '{where}': Cannot find field.")


def _invalid(message: str) -> Status:
    return Status(400, "INVALID_ARGUMENT", message)
