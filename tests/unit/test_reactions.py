"""How fast a plug-in is seen and stopped, from events in any order."""

from datetime import datetime
from typing import Any

from deploy.demo.reactions import reactions
from streams.contracts.command import Action, CommandEvent, CommandPhase
from streams.contracts.plug_event import PlugEvent, PlugEventKind
from streams.contracts.schedule import Block, Schedule
from streams.contracts.vehicle import Evidence
from tests.night import CAR, PLUGGED, after
from tests.settling import schedule


def plug(session: str, minutes: float, kind: PlugEventKind = PlugEventKind.PLUGGED_IN) -> PlugEvent:
    return PlugEvent(
        id=f"{session}-{kind}", car=CAR, kind=kind, session_id=session, session_revision=1, at=after(minutes),
        observed_at=after(minutes), evidence=Evidence.PLUG_READING, confidence=0.9,
    )  # fmt: skip


def step(session: str, action: Action, minutes: float, **changes: Any) -> CommandEvent:
    facts: dict[str, Any] = {
        "id": f"{session}-{action}-{minutes}", "car": CAR, "session_id": session, "plan_revision": 1, "action": action,
        "phase": CommandPhase.SENDING, "at": after(minutes), "decided_at": after(minutes), "not_after": after(minutes),
        "reason": "test",
    }  # fmt: skip
    return CommandEvent(**(facts | changes))


def test_seconds_are_counted_from_the_cable_to_the_reading_and_from_there_to_the_first_stop() -> None:
    plug_ins: list[datetime] = [PLUGGED, after(1000)]
    found = reactions(
        [plug("late", 1005), plug("s1", 2), plug("s1", 900, PlugEventKind.UNPLUGGED)],
        [step("s1", Action.STOP, 700), step("s1", Action.STOP, 3), step("late", Action.START, 1006)],
        [
            step("s1", Action.STOP, 5, phase=CommandPhase.CONFIRMED, detail="obeyed"),
            step("s1", Action.STOP, 705, phase=CommandPhase.UNKNOWN, detail="unobservable"),
            step("late", Action.START, 1007, phase=CommandPhase.SENT),
        ],
        [plan("s1", 400), plan("late", 0)],
        {CAR: plug_ins},
    )
    assert found["plug_in_to_seen_seconds"] == {"median": 300, "p95": 300, "sessions": 2}
    assert found["seen_to_stop_seconds"] == {"median": 60, "p95": 60, "sessions": 1}
    assert found["stops"] == {"obeyed": 1, "unobservable": 1}
    assert found["per_session"] == {"stop": 1.0}


def plan(session: str, starts: float) -> Schedule:
    block = Block(start=after(starts), end=after(2000), energy_kwh=1)
    return schedule(1, 5, session_id=session, blocks=(block,))


def test_a_car_that_is_planned_to_charge_first_is_not_late_to_be_stopped() -> None:
    sendings = [step("s1", Action.STOP, 700)]
    assert reactions([plug("s1", 2)], sendings, [], [plan("s1", 0)], {})["seen_to_stop_seconds"]["sessions"] == 0
    assert reactions([plug("s1", 2)], sendings, [], [plan("s1", 90)], {})["seen_to_stop_seconds"]["sessions"] == 1


def test_without_sessions_nothing_is_claimed() -> None:
    found = reactions([], [], [], [], {})
    assert found["seen_to_stop_seconds"] == {"median": None, "p95": None, "sessions": 0}
    assert found["per_session"] == {}
