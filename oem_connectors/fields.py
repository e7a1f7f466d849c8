"""Reads an answer field by field: missing is None, a new word is unknown, a wrong type is refused by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import ValidationError

from oem_connectors.errors import Unreadable
from streams.contracts.telemetry import Telemetry

Word = TypeVar("Word")
Raw = Mapping[str, Any]
_HUGE = 1e300
_SINCE, _UNTIL = (datetime(year, 1, 1, tzinfo=UTC).timestamp() for year in (2000, 2100))


def _at(raw: Raw, path: tuple[str, ...]) -> Any:
    value: Any = raw
    for key in path:
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise Unreadable(f"{'.'.join(path)}: {key} must be inside an object")
        value = value.get(key)
    return value


def _wrong(path: tuple[str, ...], wanted: str) -> Unreadable:
    return Unreadable(f"{'.'.join(path)} must be {wanted}")


def number(raw: Raw, *path: str) -> float | None:
    """A number, or None where the maker says nothing."""
    value = _at(raw, path)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_HUGE < value < _HUGE:
        raise _wrong(path, "a finite number")
    return float(value)


def flag(raw: Raw, *path: str) -> bool | None:
    """True or false, or None where the maker says nothing."""
    value = _at(raw, path)
    if value is None or isinstance(value, bool):
        return value
    raise _wrong(path, "true or false")


def text(raw: Raw, *path: str) -> str | None:
    """A text, or None where the maker says nothing."""
    value = _at(raw, path)
    if value is None or isinstance(value, str):
        return value
    raise _wrong(path, "a text")


def needed(raw: Raw, *path: str) -> str:
    """A text without which the rest means nothing."""
    value = text(raw, *path)
    if not value:
        raise _wrong(path, "a text")
    return value


def word(raw: Raw, words: Mapping[str, Word], unknown: Word, *path: str) -> Word:
    """The meaning of a word; `unknown` for a word not in the table and where the maker says nothing."""
    found = text(raw, *path)
    return unknown if found is None else words.get(found, unknown)


def objects(raw: Raw, *path: str) -> Sequence[Raw]:
    """A list of objects, empty where the maker says nothing."""
    value = _at(raw, path)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        raise _wrong(path, "a list of objects")
    return value


def instant(raw: Raw, *path: str) -> datetime | None:
    """An ISO 8601 time with its offset, in UTC, or None where the maker says nothing."""
    found = text(raw, *path)
    if found is None:
        return None
    try:
        at = datetime.fromisoformat(found)
    except ValueError:
        raise _wrong(path, "an ISO 8601 time") from None
    if at.tzinfo is None:
        raise _wrong(path, "a time with its offset from UTC")
    return at.astimezone(UTC)


def epoch(raw: Raw, *path: str, per_second: int = 1) -> datetime | None:
    """A time counted from 1970-01-01 UTC, in seconds or their `per_second`th part; None where the maker says nothing.

    Before 2000 and after 2100 no car of today has spoken: such a number stands for something else, so None.
    """
    found = number(raw, *path)
    if found is None or not _SINCE <= found / per_second < _UNTIL:
        return None
    return datetime.fromtimestamp(found / per_second, UTC)


def reading(**fields: Any) -> Telemetry:
    """A `Telemetry` of these fields. Raises `Unreadable` for a value out of range, without showing it."""
    try:
        return Telemetry(**fields)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        raise Unreadable(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
