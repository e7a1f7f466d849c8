"""Made-up answers: recorded ones spoiled at several places, and JSON of no maker. None may crash or be guessed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from oem_connectors import registry
from oem_connectors.base import Connector, Reply
from oem_connectors.conformance import SENTINEL
from oem_connectors.errors import OemError, Unreadable
from oem_connectors.mutations import leaves, with_value, without
from oem_connectors.subject import Subject, said
from streams.contracts.command import Action

#: A number from 0 to one less than the one given.
Pick = Callable[[int], int]
NOW = datetime(2025, 1, 1, 12, tzinfo=UTC)
#: What stands for nothing or means nothing, whatever the field.
SPOILT: tuple[Any, ...] = (
    *(None, "NEVER_SEEN_BEFORE", "", [], {}, ["x"], {"x": 1}),
    *(SENTINEL, float("nan"), float("inf"), 1e300),
)
_WORDS = ("data", "status", "value", "state", "id", "attributes", "", "CHARGING", "percent", "2025-01-01T00:00:00Z")
_STATUSES = (200, 202, 204, 400, 401, 402, 403, 404, 408, 409, 412, 421, 422, 423, 429, 430, 500, 501, 502, 503, 504)


class Guessed(AssertionError):
    """An answer said more after it was spoiled."""


@dataclass(frozen=True)
class Recorded:
    """An answer of some maker and what it says."""

    connector: Connector
    name: str
    kind: str | None
    raw: Mapping[str, Any]


@cache
def recorded() -> tuple[Recorded, ...]:
    """The samples of all connectors."""
    return tuple(
        Recorded(connector, name, kind, raw)
        for connector in registry.load().values()
        for name, kind, raw in Subject(connector).raws()
    )


@cache
def _places(number: int) -> tuple[tuple[str | int, ...], ...]:
    return tuple(place for place, _ in leaves(recorded()[number].raw))


def try_one(pick: Pick) -> str:
    """Read one made-up answer; the connector it was for. Raises whatever must not happen."""
    number = pick(len(recorded()))
    found = recorded()[number]
    if pick(4) == 0:
        _read(found, _json(pick, 4))
        _judge(found.connector, pick)
        return found.connector.name
    raw: Any = found.raw
    for _ in range(1 + pick(3)):
        place = _places(number)[pick(len(_places(number)))]
        raw = _spoil(raw, place, pick(len(SPOILT) + 1))
    more = _read(found, raw) - _read(found, found.raw)
    if more:
        raise Guessed(f"{found.connector.name} {found.name}: spoiled, it says {sorted(map(str, more))}")
    return found.connector.name


def _spoil(raw: Any, place: tuple[str | int, ...], how: int) -> Any:
    try:
        return without(raw, place) if how == len(SPOILT) else with_value(raw, place, deepcopy(SPOILT[how]))
    except (KeyError, IndexError, TypeError, AttributeError):
        return raw  # an earlier spoiling took the place away


def _read(found: Recorded, raw: Any) -> set[tuple[str, object]]:
    """What an answer says; nothing where it is refused."""
    try:
        telemetry = found.connector.normalise("account.car", raw, NOW, found.kind)
    except Unreadable:
        return set()
    return set(said(telemetry).items())


def _judge(connector: Connector, pick: Pick) -> None:
    """The other rules that see foreign JSON: what an answer means, which cars an account has, which kind it is."""
    raw = _json(pick, 3)
    action = (None, *Action)[pick(len(Action) + 1)]
    verdict = connector.outcome(Reply(_STATUSES[pick(len(_STATUSES))], raw, action))
    assert verdict is None or isinstance(verdict, str | OemError)
    connector.recognise(raw)
    for rule in (connector.vehicles, connector.place, lambda body: connector.hook and connector.hook.events(body)):
        try:
            rule(raw)
        except Unreadable:
            continue


def _json(pick: Pick, depth: int) -> dict[str, Any]:
    return {_WORDS[pick(len(_WORDS))]: _value(pick, depth) for _ in range(pick(4))}


def _value(pick: Pick, depth: int) -> Any:
    kind = pick(8 if depth else 6)
    if kind == 6:
        return _json(pick, depth - 1)
    if kind == 7:
        return [_value(pick, depth - 1) for _ in range(pick(3))]
    plain: tuple[Any, ...] = (None, True, pick(1000) - 500, pick(1000) / 7, _WORDS[pick(len(_WORDS))], "é\x00")
    return plain[kind]
