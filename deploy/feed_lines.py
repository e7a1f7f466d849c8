"""Feeds and sources as lines and JSON, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from agents.feeds.config import Feed
from agents.feeds.round import Outcome
from agents.feeds.source import Curve, Source
from agents.feeds.sources import SOURCES
from streams.domain.feed_rules import known_until
from streams.serde import rfc3339


def line(feed: Feed, outcome: Outcome) -> str:
    """What came of a round: name, source, slots, known until and flags, or the reason why there is nothing."""
    head = f"{feed.name:24} {feed.source.name if feed.source else 'own table':20}"
    if outcome.error is not None:
        return f"{head} {outcome.word}: {outcome.error}"
    known, coverage = outcome.state.known, outcome.coverage
    assert known is not None
    assert coverage is not None
    new = outcome.new
    told = f"{len(new.slots)} slots" if new else "nothing new"
    flags = f", {', '.join(known.flags)}" if known.flags else ""
    notes = f" ({'; '.join(outcome.notes)})" if outcome.notes else ""
    last = known_until(known.slots, outcome.state.heard_at or known.issued_at)
    return f"{head} {told}, {coverage.have} of {coverage.want} due, known until {rfc3339(last)}{flags}{notes}"


def source_named(name: str) -> Source:
    """The source of this name. Raises ValueError listing the names."""
    if name not in SOURCES:
        raise ValueError(f"no source {name!r}; there are {', '.join(SOURCES)}")
    return SOURCES[name]


def source_lines(source: Source) -> Iterator[str]:
    """The source, then a line for each of its settings."""
    yield f"{source.name:24} {source.kind.value:7} {source.title}; {source.licence}"
    for name, param in source.params.items():
        choices = f": {', '.join(choice or 'none' for choice in param.choices)}" if len(param.choices) < 9 else ""
        default = "required" if param.default is None else f"else {param.default!r}"
        yield f"    {name:20} {param.about}{choices if param.choices else ''} ({default})"


def params_of(source: Source, given: Sequence[str]) -> dict[str, str]:
    """Settings from `name=value` texts; those that only asking needs may be left out. Raises ValueError."""
    found = dict.fromkeys((name for name, one in source.params.items() if one.default is None and not one.choices), "-")
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"--param {text}: write name=value")
        found[name] = value
    return found


def as_json(curve: Curve) -> dict[str, Any]:
    """A curve as plain data."""
    return {
        "kind": curve.kind.value,
        "unit": curve.unit,
        "basis": curve.basis,
        "issued_at": rfc3339(curve.issued_at) if curve.issued_at else None,
        "final": curve.final,
        "notes": list(curve.notes),
        "slots": [
            {"start": rfc3339(slot.start), "end": rfc3339(slot.end), "value": slot.value} for slot in curve.slots
        ],
    }
