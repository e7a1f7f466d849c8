"""One car under control, message by message: hours count from the plug-in at 18:00, the plan charges from 01:00."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from streams.contracts.command import Action, CommandEvent, CommandPhase
from streams.contracts.preference import Preference
from streams.contracts.registration import Registration
from streams.contracts.schedule import Block, PlanInputs, PlanReason, Schedule
from streams.contracts.telemetry import Charge, Plug
from streams.contracts.vehicle import Evidence, PlugSession, VehicleState
from streams.domain.leads import NO_LEADS, Leads
from streams.domain.reconcile import (
    ControlPolicy,
    ControlState,
    Decision,
    observe_command,
    observe_preference,
    observe_registration,
    observe_schedule,
    observe_state,
    reconcile,
)

CAR = "acc.v1"
POLICY = ControlPolicy()
EVENING = datetime(2026, 3, 1, 18, 0, tzinfo=UTC)
START, STOP, WAKE = Action.START, Action.STOP, Action.WAKE
SCHEDULE, UNSCHEDULE = Action.SCHEDULE, Action.UNSCHEDULE
CHARGING, IDLE = Charge.CHARGING, Charge.IDLE
#: A car without a schedule of its own, and one with.
PLAIN = frozenset({START, STOP, WAKE})
ALL = frozenset(Action)


def at(hours: float) -> datetime:
    """Hours after the plug-in at 18:00."""
    return EVENING + timedelta(hours=hours)


REGISTRATION = Registration(
    car=CAR, driver="d", oem="sim", vehicle="v1", model="m", usable_kwh=60, power_kw=7.4,
    home_zone="Europe/London", region="r", tariff="t", registered_at=at(-99),
)  # fmt: skip
SESSION = PlugSession(id="s1", plugged_at=at(0), seen_at=at(0), revision=1, evidence=Evidence.PLUG_READING, soc_pct=50)


def state(hours: float, charge: Charge = Charge.IDLE, **fields: Any) -> VehicleState:
    given = {"soc_pct": 50, "soc_time": at(hours), "plug": Plug.PLUGGED, "at_home": True, "session": SESSION}
    times = {"car_time": at(hours), "received_time": at(hours)}
    return VehicleState(car=CAR, oem="sim", charge=charge, **(times | given | fields))


def schedule(*blocks: tuple[float, float], revision: int = 1, **fields: Any) -> Schedule:
    """A plan for 50 % to 80 % by 07:00 (13 h after the plug-in): 20 kWh at the wall, 2.7 h."""
    given: dict[str, Any] = {
        "session_id": "s1", "reachable": True, "target_soc_pct": 80, "ready_by": at(13),
        "reason": PlanReason.CHEAPEST, "inputs": PlanInputs(now=at(0)),
    }  # fmt: skip
    made = tuple(Block(start=at(a), end=at(b), energy_kwh=7.4 * (b - a)) for a, b in blocks)
    return Schedule(
        car=CAR, revision=revision, blocks=made, energy_kwh=20, cost=1, currency="GBP", carbon_g=1,
        objective=1, shortfall_kwh=0, sentence="", **(given | fields),
    )  # fmt: skip


NIGHT = schedule((7, 10))
OLD = schedule((7, 10), session_id="old")


def preference(mode: str, hours: float = -50) -> Preference:
    return Preference(car=CAR, mode=mode, updated_at=at(hours))


def control(*messages: Any) -> ControlState:
    """What is known after `messages`, in that order."""
    known = ControlState(car=CAR, registration=REGISTRATION, schedule=NIGHT)
    for message in messages:
        known = observe(known, message)
    return known


def observe(known: ControlState, message: Any) -> ControlState:
    match message:
        case VehicleState():
            return observe_state(known, message)
        case Schedule():
            return observe_schedule(known, message)
        case Preference():
            return observe_preference(known, message)
        case Registration():
            return observe_registration(known, message)
        case _:
            return observe_command(known, message)


def final(command: CommandEvent, hours: float, phase: CommandPhase, **fields: Any) -> CommandEvent:
    return command.model_copy(update={"phase": phase, "at": at(hours), **fields})


def decide(
    known: ControlState,
    hours: float,
    policy: ControlPolicy = POLICY,
    can: frozenset[Action] = PLAIN,
    leads: Leads = NO_LEADS,
) -> Decision:
    return reconcile(known, at(hours), policy, can, leads)


def commanded(
    known: ControlState, hours: float, action: Action, can: frozenset[Action] = PLAIN
) -> tuple[ControlState, CommandEvent]:
    decision = decide(known, hours, can=can)
    assert decision.action is action, decision.reason
    assert decision.command is not None
    return decision.control, decision.command


def held(*messages: Any) -> ControlState:
    """Stopped by us at plug-in, confirmed."""
    known, stop = commanded(control(state(0.1, CHARGING)), 0.1, STOP)
    known = observe_state(known, state(0.15))
    known = observe_command(known, final(stop, 0.15, CommandPhase.CONFIRMED))
    for message in messages:
        known = observe(known, message)
    return known


def started(*messages: Any) -> ControlState:
    """Held, then started by us in the block at 01:00, confirmed."""
    known, start = commanded(held(state(7)), 7, START)
    known = observe_state(observe_state(known, state(7.05)), state(7.1, CHARGING))
    known = observe_command(known, final(start, 7.1, CommandPhase.CONFIRMED))
    for message in messages:
        known = observe(known, message)
    return known
