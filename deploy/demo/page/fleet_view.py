"""The fleet as JSON for the page: tiles, cars, pushes and curves. Instants are seconds since 1970."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from deploy.demo import books
from deploy.demo.live import Car, Live
from deploy.demo.page.tiles import tiles
from deploy.demo.showing import state_of, states
from streams.contracts.command import CommandPhase
from streams.contracts.forecast import Forecast
from streams.contracts.notification import NotificationEvent
from streams.contracts.schedule import Schedule

Json = dict[str, Any]

_PUSHES: Final = 30
_QUARTER: Final = timedelta(minutes=15)


def seconds(at: datetime | None) -> int | None:
    """An instant for JavaScript."""
    return None if at is None else round(at.timestamp())


def fleet(live: Live) -> Json:
    """Everything on the page but the curves."""
    phases = {phase.value: live.counts[f"command.{phase}"] for phase in CommandPhase}
    return {
        "now": seconds(live.now),
        "progress": live.progress,
        "tiles": [tile._asdict() for tile in tiles(live)],
        "states": states(live),
        "cars": [_row(car, live.now) for car in live.cars.values()],
        "pushes": [push_json(push, live.cars.get(push.car)) for push in list(live.pushes)[-_PUSHES:]],
        "commands": {phase: n for phase, n in phases.items() if n},
        "workers": [{"name": w.name, "ready": w.ready, "partitions": w.partitions} for w in live.workers],
        "lag": live.lag,
        "books": _books(live),
    }


def curves(live: Live) -> Json:
    """Price (currency per kWh) and carbon (g/kWh) as [start, end, value]; loads as [start, kW] per quarter hour.

    `planned` is what the plans in force will draw from now on.
    """
    managed, unmanaged = live.loads()
    return {
        "start": seconds(live.start),
        "end": seconds(live.end),
        "now": seconds(live.now),
        "price": slots(live.price, live.start, live.end),
        "carbon": slots(live.carbon, live.start, live.end),
        "managed": [(seconds(at), kw) for at, kw in managed],
        "unmanaged": [(seconds(at), kw) for at, kw in unmanaged],
        "planned": _planned(live),
    }


def slots(forecast: Forecast | None, start: datetime, end: datetime) -> list[tuple[int | None, int | None, float]]:
    """What is known inside [start, end); unknown stretches are left out."""
    known = forecast.slots if forecast else ()
    return [
        (seconds(max(slot.start, start)), seconds(min(slot.end, end)), slot.value)
        for slot in known
        if slot.end > start and slot.start < end
    ]


def blocks(schedule: Schedule | None) -> list[tuple[int | None, int | None, float]]:
    """The plan as [start, end, kWh at the wall]."""
    return [(seconds(b.start), seconds(b.end), b.energy_kwh) for b in (schedule.blocks if schedule else ())]


def push_json(push: NotificationEvent, car: Car | None) -> Json:
    """One push as it was sent."""
    return {
        "car": push.car,
        "model": car.model if car else push.car,
        "title": push.title,
        "body": push.body,
        "at": seconds(push.at),
        "failed": push.phase == "failed",
    }


def in_force(car: Car) -> Schedule | None:
    """The plan of the session that is open; a finished session's plan is history."""
    session = car.status.session_id if car.status else None
    return car.schedule if car.schedule and session and car.schedule.session_id == session else None


def _row(car: Car, now: datetime) -> Json:
    status, plan = car.status, in_force(car)
    session = car.state.session if car.state and car.state.session and not car.state.session.ended_at else None
    return {
        "key": car.key,
        "model": car.model,
        "state": state_of(car),
        "sentence": status.sentence if status else "Nothing heard from the car yet.",
        "soc_pct": status.soc_pct if status else None,
        "target_soc_pct": status.target_soc_pct if status else None,
        "next_start": seconds(status.next_start) if status and status.next_start and status.next_start > now else None,
        "ready_by": seconds(status.ready_by) if status else None,
        "plugged_at": seconds(session.plugged_at) if session else None,
        "blocks": blocks(plan),
        "energy_kwh": plan.energy_kwh if plan else None,
        "cost": plan.cost if plan else None,
        "provisional": plan.provisional if plan else False,
    }


def _planned(live: Live) -> list[tuple[int | None, float]]:
    kw: dict[datetime, float] = {}
    first = live.start + (live.now - live.start) // _QUARTER * _QUARTER
    for plan in filter(None, map(in_force, live.cars.values())):
        for block in plan.blocks:
            power_kw = block.energy_kwh / ((block.end - block.start) / timedelta(hours=1))
            at = max(first, live.start + (block.start - live.start) // _QUARTER * _QUARTER)
            while at < min(block.end, live.end):
                share = (min(block.end, at + _QUARTER) - max(block.start, at, live.now)) / _QUARTER
                kw[at] = kw.get(at, 0.0) + power_kw * max(0.0, share)
                at += _QUARTER
    return [(seconds(at), round(kw[at], 2)) for at in sorted(kw)]


def _books(live: Live) -> Json | None:
    if live.summary is None:
        return None
    rows = [row._asdict() for row in books.rows(live.summary)]
    return {"heading": books.heading(live.summary), "ways": list(books.WAYS.values()), "rows": rows}
