"""Which records of a topic are wanted: by car, account, time, and what the message says."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from deploy.reading import Entry
from streams.contracts.base import Contract, account_of
from streams.promises import short
from streams.topics import Topic

Choice = Callable[[Entry], bool]

_AGO = re.compile(r"(\d+)(s|m|h|d)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_CONDITION = re.compile(r"([\w.]+)\s*(!=|<=|>=|=|<|>)\s*(.*)")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def choice(
    topic: Topic, *, car: str | None, account: str | None, since: datetime | None, where: Sequence[str]
) -> Choice:
    """All that is asked, as one test of a record. Raises ValueError for what this topic cannot be asked."""
    tests = [condition(topic, text) for text in where]
    if car is not None:
        tests.append(_of_car(topic, car))
    if account is not None:
        tests.append(_of_account(topic, account))
    if since is not None:
        tests.append(lambda entry: entry.at >= since)
    return lambda entry: all(test(entry) for test in tests)


def instant(text: str, now: datetime) -> datetime:
    """A time in RFC 3339, or so long ago: `90s`, `30m`, `2h`, `1d`."""
    ago = _AGO.fullmatch(text)
    try:
        if ago:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        at = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no time; write 2h, 30m, 1d or 2023-03-25T18:00:00Z") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def condition(topic: Topic, text: str) -> Choice:
    """`field=value`; also != < <= > >=. A dot leads into a message within: `session.id=5f0c2d9a`."""
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise ValueError(f"--where {text}: write field=value, for example {next(iter(topic.model.model_fields))}=…")
    path, compare, text_wanted = found[1].split("."), _COMPARE[found[2]], found[3]
    if path[0] not in topic.model.model_fields:
        raise ValueError(f"--where {text}: {short(topic)} has no {path[0]}; it has {_fields(topic.model)}")
    wanted = _value(text_wanted)

    def holds(entry: Entry) -> bool:
        message = _message(entry.value)
        if message is None:
            return False
        value = _at(message, path)
        try:
            return compare(value, text_wanted if isinstance(value, str) else wanted)
        except TypeError:  # a number is neither more nor less than a word or nothing
            return False

    return holds


def _of_car(topic: Topic, car: str) -> Choice:
    if topic.key != "car":
        raise ValueError(f"--car: the key of {short(topic)} is the {topic.key}, not the car")
    return lambda entry: entry.key == car


def _of_account(topic: Topic, account: str) -> Choice:
    if topic.key not in ("car", "account", "device"):
        raise ValueError(f"--account: the key of {short(topic)} is the {topic.key}, not of an account")
    return lambda entry: entry.key is not None and account_of(entry.key) == account


def _value(text: str) -> Any:
    """A number, true, false or null as JSON has them; anything else is text."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return text if isinstance(value, dict | list) else value


def _message(value: bytes | None) -> Any:
    """What the record says; None for a tombstone and for what cannot be read, which meet no condition."""
    try:
        return None if value is None else json.loads(value)
    except ValueError:
        return None


def _at(message: Any, path: Sequence[str]) -> Any:
    """What the message holds there; None when it holds nothing."""
    for name in path:
        message = message.get(name) if isinstance(message, dict) else None
    return message


def _fields(model: type[Contract]) -> str:
    return ", ".join(model.model_fields)
