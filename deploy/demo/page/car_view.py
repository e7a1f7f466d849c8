"""One car as JSON for the page: its plan and why, its commands, pushes and sessions. Instants in seconds since 1970."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from deploy.demo.live import Car
from deploy.demo.page.fleet_view import blocks, in_force, push_json, seconds
from deploy.demo.showing import state_of
from streams.contracts.command import CommandEvent
from streams.contracts.schedule import Schedule
from streams.contracts.session import SessionSettled

Json = dict[str, Any]

_AROUND: Final = timedelta(hours=1)
_AHEAD: Final = timedelta(hours=12)


def car(car: Car, now: datetime, driver_url: str | None = None) -> Json:
    """Everything the topics said about it. Without an open session `plan` is null; without drivers' pages, `page`."""
    status, state, plan = car.status, car.state, in_force(car)
    return {
        "key": car.key,
        "model": car.model,
        "zone": car.zone,
        "driver": status.driver if status else None,
        "page": f"{driver_url}/cars/{car.key}" if driver_url and status else None,
        "state": state_of(car),
        "sentence": status.sentence if status else "Nothing heard from the car yet.",
        "reason": status.reason if status else None,
        "soc_pct": status.soc_pct if status else None,
        "soc_time": seconds(status.soc_time) if status else None,
        "target_soc_pct": status.target_soc_pct if status else None,
        "power_kw": state.power_kw if state else None,
        "plug": state.plug if state else None,
        "charge": state.charge if state else None,
        "ready_by": seconds(status.ready_by) if status else None,
        "shown": _shown(car, plan, now),
        "plan": _plan(plan),
        "commands": _trail(car.commands),
        "pushes": [push_json(push, car) for push in reversed(car.pushes)],
        "plugs": [
            {
                "kind": p.kind,
                "at": seconds(p.at),
                "evidence": p.evidence,
                "confidence": p.confidence,
                "soc_pct": p.soc_pct,
            }
            for p in reversed(car.plugs)
        ],
        "sessions": [_session(s) for s in reversed(_latest(car.sessions))],
    }


def _shown(car: Car, plan: Schedule | None, now: datetime) -> tuple[int | None, int | None]:
    """The stretch of time worth drawing: the open session with its plan, or the hours around now."""
    session = car.state.session if car.state else None
    if plan is None or session is None:
        return seconds(now - _AROUND), seconds(now + _AHEAD)
    ends = [now, *(at for at in (plan.ready_by, plan.ready_at) if at), *(b.end for b in plan.blocks)]
    return seconds(session.plugged_at - _AROUND), seconds(max(ends) + _AROUND)


def _plan(plan: Schedule | None) -> Json | None:
    if plan is None:
        return None
    inputs = plan.inputs
    return {
        "blocks": blocks(plan),
        "sentence": plan.sentence,
        "reason": plan.reason,
        "revision": plan.revision,
        "energy_kwh": plan.energy_kwh,
        "cost": plan.cost,
        "currency": plan.currency,
        "carbon_g": plan.carbon_g,
        "reachable": plan.reachable,
        "shortfall_kwh": plan.shortfall_kwh,
        "expected_soc_pct": plan.expected_soc_pct,
        "ready_at": seconds(plan.ready_at),
        "ready_by": seconds(plan.ready_by),
        "known_until": seconds(plan.known_until),
        "provisional": plan.provisional,
        "inputs": {
            "now": seconds(inputs.now),
            "soc_pct": inputs.soc_pct,
            "soc_time": seconds(inputs.soc_time),
            "price_issued_at": seconds(inputs.price_issued_at),
            "carbon_issued_at": seconds(inputs.carbon_issued_at),
            "preference_updated_at": seconds(inputs.preference_updated_at),
        },
    }


def _trail(events: Iterable[CommandEvent]) -> list[Json]:
    """Commands newest first, each with its steps in order."""
    trail: dict[str, Json] = {}
    for event in events:
        command = trail.setdefault(
            event.id, {"action": event.action, "reason": event.reason, "attempt": event.attempt, "steps": []}
        )
        command["steps"].append({"phase": event.phase, "at": seconds(event.at), "detail": event.detail})
    return list(reversed(trail.values()))


def _latest(sessions: Iterable[SessionSettled]) -> list[SessionSettled]:
    """One record per session: a corrected settlement replaces the one before."""
    return list({session.session_id: session for session in sessions}.values())


def _session(session: SessionSettled) -> Json:
    cost, carbon_g = session.cost, session.carbon_g
    return {
        "plugged_at": seconds(session.plugged_at),
        "ended_at": seconds(session.ended_at),
        "energy_kwh": session.energy_kwh,
        "start_soc_pct": session.start_soc_pct,
        "end_soc_pct": session.end_soc_pct,
        "currency": session.currency,
        "cost": cost.managed if cost else None,
        "cost_unmanaged": cost.unmanaged if cost else None,
        "carbon_g": carbon_g.managed if carbon_g else None,
        "carbon_g_unmanaged": carbon_g.unmanaged if carbon_g else None,
        "promise": session.promise,
        "reason": session.reason,
    }
