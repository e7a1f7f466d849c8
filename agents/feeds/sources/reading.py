"""Reads an answer part by part: missing is None, a wrong type is refused by its place in the answer, never shown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

from agents.feeds.source import Answer, Denied, Down, NotPublished, Refused, Slow

_HUGE = 1e15
_YEARS = range(2000, 2100)
_LONG_WORD = re.compile(r"[A-Za-z0-9_-]{20,}")
_NUMBER = re.compile(r"[+-]?\d{1,15}(\.\d{1,25})?([eE][+-]?\d{1,2})?", re.ASCII)


@dataclass(frozen=True)
class Part:
    """A value inside an answer and the place where it stands."""

    value: Any
    place: str

    def __getitem__(self, name: str) -> Part:
        """What an object holds under a name; missing is None, as is all inside what is missing."""
        if self.value is not None and not isinstance(self.value, Mapping):
            raise self.wrong("an object")
        inner = None if self.value is None else self.value.get(name)
        return Part(inner, f"{self.place}.{name}" if self.place else name)

    @property
    def missing(self) -> bool:
        """Whether the source says nothing here, or null."""
        return self.value is None

    def rows(self) -> Iterator[Part]:
        """The parts of a list; one that is missing is refused."""
        if not isinstance(self.value, list):
            raise self.wrong("a list")
        return (Part(value, f"{self.place}[{n}]") for n, value in enumerate(self.value))

    def number(self) -> float:
        """A finite number."""
        value = self.value
        if isinstance(value, bool) or not isinstance(value, int | float) or not -_HUGE < value < _HUGE:
            raise self.wrong("a finite number")
        return float(value)

    def written(self) -> float:
        """A finite number that is written as text."""
        return number_of(self.value, self.place)

    def text(self) -> str:
        """A text with something in it."""
        if not isinstance(self.value, str) or not self.value:
            raise self.wrong("a text")
        return self.value

    def instant(self, zone: tzinfo | None = None) -> datetime:
        """An ISO 8601 time, in UTC; `zone` holds for one without an offset, which is refused where there is no zone."""
        if self.missing:
            raise self.wrong("a time")
        return instant_of(self.value, self.place, zone)

    def instant_or_none(self) -> datetime | None:
        """As `instant`, or None where the source says nothing."""
        return None if self.missing else self.instant()

    def must_be(self, wanted: str) -> None:
        """Refuse any other text; case does not matter."""
        if self.text().upper() != wanted.upper():
            raise self.wrong(wanted)

    def wrong(self, wanted: str) -> Refused:
        """The error to raise: what should have stood here."""
        return Refused(f"{self.place or 'the answer'} {'is missing' if self.missing else f'must be {wanted}'}")


def number_of(value: object, place: str) -> float:
    """A finite decimal number from its text. Raises `Refused`."""
    if not isinstance(value, str) or not _NUMBER.fullmatch(value.strip()):
        raise Refused(f"{place} must be a finite number")
    return float(value)


def instant_of(value: object, place: str, zone: tzinfo | None = None) -> datetime:
    """An instant in UTC from its ISO 8601 text, of this century. Raises `Refused`."""
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        at = None
    if at is None or at.year not in _YEARS:
        raise Refused(f"{place} must be an ISO 8601 time of this century")
    if at.tzinfo is None and zone is None:
        raise Refused(f"{place} must be a time with its offset from UTC")
    return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)


def said(text: str) -> str:
    """What a source says about its trouble, as one short line; what could be a key is left out."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return _LONG_WORD.sub("…", " ".join(printable.split()))[:160]


def json_of(answer: Answer) -> Part:
    """The JSON of an answer that went well. Raises by the status, or `Refused` where it is no JSON."""
    check_status(answer)
    return parsed(answer.body)


def parsed(body: bytes) -> Part:
    """The JSON of a body, whatever its status. Raises `Refused`."""
    try:
        return Part(json.loads(body, parse_constant=_refuse_constant), "")
    except (ValueError, RecursionError):
        raise Refused("the answer is not JSON") from None


def _refuse_constant(word: str) -> float:
    raise Refused(f"the answer holds {word}, which is no number")


def check_status(answer: Answer) -> None:
    """Raises for every status but 200, by what to do next."""
    status = answer.status
    if status == 200:
        return
    if status == 204:
        raise NotPublished("nothing is published yet (HTTP 204)")
    if status in {401, 402, 403}:
        raise Denied(f"key, account or plan are not accepted (HTTP {status})")
    if status == 429:
        raise Slow("too many requests (HTTP 429)", answer.retry_after)
    if status >= 500 or status == 408:
        raise Down(f"the source cannot serve us now (HTTP {status})")
    raise Refused(f"HTTP {status}, not 200")
