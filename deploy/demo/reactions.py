"""How fast the system sees a plug-in and stops the car, and how its stops fared: from the published topics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from streams.contracts.command import FINAL, Action, CommandEvent
from streams.contracts.plug_event import PlugEvent, PlugEventKind
from streams.contracts.schedule import Schedule


def reactions(
    plugs: Iterable[PlugEvent],
    sendings: Iterable[CommandEvent],
    last_steps: Iterable[CommandEvent],
    plans: Iterable[Schedule],
    plug_ins: Mapping[str, Sequence[datetime]],
) -> dict[str, Any]:
    """Seconds as {median, p95, sessions}. `plug_ins` are the true ones by car, in order.

    `plug_in_to_seen_seconds`: from the cable going in to the reading that showed it. `seen_to_stop_seconds`: from
    that reading to the first stop being sent, over sessions whose first plan waits and whose first command was a stop.
    """
    begun = {event.session_id: event for event in plugs if event.kind is PlugEventKind.PLUGGED_IN}
    first: dict[str, CommandEvent] = {}
    for sending in sorted(sendings, key=lambda sending: sending.at):
        first.setdefault(sending.session_id, sending)
    waits = _waits(plans)
    stopped = [
        (first[session].at - event.observed_at).total_seconds()
        for session, event in begun.items()
        if session in waits and session in first and first[session].action is Action.STOP
    ]
    seen = [
        (event.observed_at - max(before)).total_seconds()
        for event in begun.values()
        if (before := [at for at in plug_ins.get(event.car, ()) if at <= event.observed_at])
    ]
    final = [step for step in last_steps if step.phase in FINAL]
    asked = Counter(step.action.value for step in final)
    return {
        "plug_in_to_seen_seconds": _spread(seen),
        "seen_to_stop_seconds": _spread(stopped),
        "stops": dict(Counter(step.detail or step.phase.value for step in final if step.action is Action.STOP)),
        "per_session": {name: round(count / len(begun), 3) for name, count in sorted(asked.items())} if begun else {},
    }


def _waits(plans: Iterable[Schedule]) -> set[str | None]:
    """Sessions whose first plan has no block that runs."""
    first: dict[str | None, Schedule] = {}
    for plan in sorted(plans, key=lambda plan: (plan.inputs.now, plan.revision)):
        first.setdefault(plan.session_id, plan)
    return {
        session
        for session, plan in first.items()
        if not any(block.start <= plan.inputs.now < block.end for block in plan.blocks)
    }


def _spread(seconds: Sequence[float]) -> dict[str, float | int | None]:
    ranked = sorted(seconds)
    if not ranked:
        return {"median": None, "p95": None, "sessions": 0}
    return {
        "median": round(ranked[len(ranked) // 2], 1),
        "p95": round(ranked[min(len(ranked) - 1, int(0.95 * len(ranked)))], 1),
        "sessions": len(ranked),
    }
