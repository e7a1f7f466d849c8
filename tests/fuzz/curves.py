"""Made-up answers of price and carbon sources: recorded ones, bytes changed or values taken out. No crash, no guess."""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from agents.feeds.source import Answer, Asked, Curve, FeedError, Source
from agents.feeds.sources import SOURCES
from oem_connectors.mutations import leaves, with_value, without
from tests.fuzz.answers import Guessed, Pick

TESTS = Path(__file__).parents[1]
DATA = TESTS / "data" / "feeds"
#: Files beyond this are slow to read a thousand times and hold nothing that shorter ones do not.
_LONGEST = 40_000
_BYTES = b'0123456789.-eE"{}[]<>/:,TZ+ \n\x00\xff'
_NOTHING: tuple[Any, ...] = (None, "", "NEVER_SEEN_BEFORE", [], float("nan"), float("inf"), True)


@cache
def recorded() -> tuple[tuple[Source, Asked, bytes], ...]:
    """Every recorded answer that is short enough, with the source and settings that read it."""
    cases = json.loads((TESTS / "cases" / "feeds" / "samples.json").read_text("utf-8"))
    read = [(SOURCES[case["source"]], case["params"], (DATA / case["file"]).read_bytes()) for case in cases]
    return tuple((source, source.asked(params), body) for source, params, body in read if len(body) < _LONGEST)


@cache
def _values(number: int) -> tuple[Any, tuple[tuple[str | int, ...], ...]]:
    """The JSON of an answer and the places of its values; none where it is no JSON."""
    try:
        raw = json.loads(recorded()[number][2])
    except ValueError:
        return None, ()
    return raw, tuple(place for place, _ in leaves(raw))


@cache
def _told(number: int) -> frozenset[tuple[datetime, float]]:
    source, asked, body = recorded()[number]
    return _slots(_read(source, asked, body))


def try_one(pick: Pick) -> str:
    """Read one made-up answer; the source it was for. Raises whatever must not happen."""
    number = pick(len(recorded()))
    source, asked, body = recorded()[number]
    raw, places = _values(number)
    if places and pick(2):
        place, how = places[pick(len(places))], pick(len(_NOTHING) + 1)
        spoilt = without(raw, place) if how == len(_NOTHING) else with_value(raw, place, _NOTHING[how])
        more = _slots(_read(source, asked, json.dumps(spoilt).encode())) - _told(number)
        if more and isinstance(place[-1], str):
            raise Guessed(f"{source.name}: without {place}, it says {sorted(more)[:3]}")
        return source.name
    changed = bytearray(body)
    for _ in range(1 + pick(3)):
        at = pick(max(len(changed), 1))
        how = pick(4)
        if how == 0:
            changed[at : at + 1] = _BYTES[(byte := pick(len(_BYTES))) : byte + 1]
        elif how == 1:
            del changed[at : at + 1 + pick(40)]
        elif how == 2:
            changed[at:at] = changed[at : at + 1 + pick(400)]
        else:
            del changed[at:]
    _read(source, asked, bytes(changed))
    return source.name


def _read(source: Source, asked: Asked, body: bytes) -> Curve | None:
    try:
        curve = source.parse(Answer(body), asked)
    except FeedError:
        return None
    assert all(one.end <= other.start for one, other in zip(curve.slots, curve.slots[1:], strict=False))
    return curve


def _slots(curve: Curve | None) -> frozenset[tuple[datetime, float]]:
    return frozenset() if curve is None else frozenset((slot.start, slot.value) for slot in curve.slots)
