"""What a replay found, as one object and as lines for people."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from deploy.replay.changes import Changes
from deploy.replay.log import Log
from deploy.replay.otherwise import WAYS, otherwise, totals
from deploy.replay.plans import READ, reproduce
from deploy.replay.stays import settled
from streams.contracts.forecast import Forecast, ForecastKind
from streams.topics import REPLAN, SCHEDULE

_NAMES = dict(zip(WAYS, ("as settled", "rules as they are", "changed"), strict=True))


def replayed(
    log: Log, before: Changes, after: Changes, since: datetime | None, until: datetime | None
) -> dict[str, Any]:
    """Plans made again, and sessions driven by either rules."""
    plans = reproduce(log, before.rules)
    sessions, left_out = settled(log, since, until)
    rows = otherwise(sessions, before, after)
    return {
        "missing": {topic: log.missing(topic) for topic in (*READ, SCHEDULE.name)},
        "capped": _capped(log),
        "plans": plans._asdict(),
        "left_out": dict(left_out),
        "totals": totals(rows),
        "sessions": rows,
    }


def _capped(log: Log) -> bool:
    """Did adders of a cap move any plan?"""
    adders = (Forecast.model_validate_json(one.value) for one in log.everywhere(REPLAN.name) if one.value)
    return any(one.kind is ForecastKind.ADDER and any(slot.value for slot in one.slots) for one in adders)


def said(found: dict[str, Any]) -> Iterator[str]:
    """What was done, and what a reader must know of it."""
    plans = found["plans"]
    yield f"old plans reproduced: {plans['same']} of {plans['of']}"
    missing = {topic: number for topic, number in found["missing"].items() if number}
    if missing:
        yield f"no longer on the log: {', '.join(f'{number} of {topic}' for topic, number in missing.items())}"
    if plans["first_other"]:
        yield f"the first that is not: {plans['first_other']}"
    if plans["unpublished"]:
        yield f"plans made now that nobody published: {plans['unpublished']}, the first {plans['first_unpublished']}"
    if found["capped"]:
        yield "a regional cap was in force: what is driven again knows none"
    yield f"sessions driven again: {len(found['sessions'])}"
    for why, number in found["left_out"].items():
        yield f"left out: {number}, {why}"


def rows(found: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """The head of a table, then each way in each currency: two are never added."""
    yield "", "Cost", "CO2 kg", "kWh", "Promises"
    for currency, ways in found["totals"].items():
        for way, name in _NAMES.items():
            one = ways[way]
            promises = ", ".join(f"{number} {what}" for what, number in sorted(one["promises"].items()))
            cost = f"{one['cost']:.2f} {currency}"
            yield name, cost, f"{one['carbon_kg']:.2f}", f"{one['energy_kwh']:.1f}", promises
