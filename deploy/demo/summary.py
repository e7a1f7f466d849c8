"""The demo's last word: what happened, by the topics; what it cost and saved, by the simulator's meters."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from deploy.demo.accounts import settle_fleet
from deploy.demo.fleet import SimVehicle
from deploy.demo.reactions import reactions
from deploy.demo.recorded import Window, settlement_slots
from deploy.demo.watch import Watch
from deploy.demo.world import metered_stays
from oem_connectors.simulator.cloud.world import World
from streams.contracts.command import CommandPhase
from streams.contracts.plug_event import PlugEventKind
from streams.contracts.schedule import Schedule

#: An announced start that moves by less than this did not move.
MOVED = timedelta(minutes=15)


def summarise(
    world: World,
    fleet: Sequence[SimVehicle],
    window: Window,
    watch: Watch,
    statuses: Sequence[dict[str, Any]],
    lost: int,
    wall_seconds: float,
) -> dict[str, Any]:
    """One object, as documented for `d2ev demo --once --json`. Energy in kWh, cost in `currency`, carbon in kg."""
    world.settle(window.end)
    prices, carbon = settlement_slots(window)
    books = settle_fleet(metered_stays(world, fleet, window), prices, carbon)
    sessions = books.pop("sessions")
    return {
        "vehicles": len(fleet),
        "days": window.days,
        "sessions": sessions,
        "plug_events": _plugs(watch),
        "schedules": len(watch.schedules),
        "commands": _commands(watch, world),
        "notifications": _notifications(watch),
        "control": reactions(
            watch.plugs.values(),
            watch.sendings.values(),
            watch.commands.values(),
            watch.schedules,
            {vehicle.car: [stay.plug_in for stay in vehicle.stays] for vehicle in fleet},
        ),
        "ready_by": books.pop("ready_by"),
        "energy_kwh": books.pop("energy_kwh"),
        "currency": "EUR",
        "cost": books.pop("cost"),
        "carbon_kg": books.pop("carbon_kg"),
        "events": _events(statuses, lost),
        "announced_start_changes_per_session": _start_changes(watch.schedules),
        "blocks_per_session": books.pop("blocks_per_session"),
        "plans_digest": watch.plans_digest(),
        "oem_calls": dict(Counter(call.endpoint for call in world.log.calls)),
        "more": books,
        "wall_seconds": round(wall_seconds, 1),
    }


def _plugs(watch: Watch) -> dict[str, int]:
    kinds = Counter(event.kind for event in watch.plugs.values())
    return {kind.value: kinds[kind] for kind in PlugEventKind}


def _commands(watch: Watch, world: World) -> dict[str, int]:
    reached = Counter(phase for phases in watch.outcomes.values() for phase in phases)
    final = Counter(command.phase for command in watch.commands.values())
    return {
        "sent": reached[CommandPhase.SENT],
        "confirmed": reached[CommandPhase.CONFIRMED],
        "failed": final[CommandPhase.FAILED],
        "unknown": final[CommandPhase.UNKNOWN],
        "expired": final[CommandPhase.EXPIRED],
        "duplicate_effective": len(world.log.duplicate_effective()),
    }


def _notifications(watch: Watch) -> dict[str, Any]:
    sent = Counter(n.id for n in watch.notifications)
    kinds = Counter(n.kind.value for n in watch.notifications)
    return {
        "sent": sum(sent.values()),
        "duplicate": sum(n - 1 for n in sent.values()),
        "by_kind": dict(sorted(kinds.items())),
    }


def _events(statuses: Sequence[dict[str, Any]], lost: int) -> dict[str, int]:
    """The ledger of all stages: in = out + filtered + dead_letters. `lost`: on the log, but never processed."""
    total: Counter[str] = Counter({"in": 0, "out": 0, "filtered": 0, "dead_letters": 0})
    for status in statuses:
        for counts in status["ledger"].values():
            total.update(counts)
    return {**total, "lost": lost}


def _start_changes(schedules: Sequence[Schedule]) -> float | None:
    """How often the announced start moved, over sessions that had one announced."""
    announced: defaultdict[str, list[datetime]] = defaultdict(list)
    for schedule in sorted(schedules, key=lambda s: (s.car, s.inputs.now, s.revision)):
        starts = [block.start for block in schedule.blocks if block.start > schedule.inputs.now]
        if schedule.session_id is not None and starts:
            announced[schedule.session_id].append(starts[0])
    changes = sum(abs(after - before) > MOVED for starts in announced.values() for before, after in pairwise(starts))
    return round(changes / len(announced), 3) if announced else None
