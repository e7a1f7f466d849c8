"""The last safe start in the car's own schedule: written once a stop holds, moved when it must, never left behind."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from streams.contracts.command import CommandEvent, CommandPhase
from streams.contracts.schedule import PlanInputs
from streams.contracts.telemetry import Charge
from streams.contracts.vehicle import Evidence
from streams.domain.reconcile import ControlState, Decision, observe_command, observe_state
from tests.driving import (
    ALL,
    CHARGING,
    IDLE,
    PLAIN,
    POLICY,
    SCHEDULE,
    SESSION,
    START,
    STOP,
    UNSCHEDULE,
    WAKE,
    at,
    commanded,
    control,
    decide,
    final,
    held,
    observe,
    preference,
    schedule,
    state,
)

CONFIRMED, FAILED, UNKNOWN = CommandPhase.CONFIRMED, CommandPhase.FAILED, CommandPhase.UNKNOWN
#: 03:27 is a margin before the last safe start, 03:42.
RELEASE = at(9 + 25 / 60)
ENDED = SESSION.model_copy(update={"ended_at": at(2), "end_evidence": Evidence.TWO_READINGS})
NEXT = SESSION.model_copy(update={"id": "s2", "plugged_at": at(3), "seen_at": at(3)})


def look(known: ControlState, hours: float) -> Decision:
    return decide(known, hours, can=ALL)


def written(known: ControlState | None = None, hours: float = 0.2) -> tuple[ControlState, CommandEvent]:
    """Held, with the intent to write the start into the car."""
    return commanded(held() if known is None else known, hours, SCHEDULE, ALL)


def guarded(*messages: Any) -> ControlState:
    """Held, with the start in the car, which says so."""
    known, command = written()
    known = observe_state(known, waiting(0.22))
    known = observe_command(known, final(command, 0.22, CONFIRMED))
    for message in messages:
        known = observe(known, message)
    return known


def waiting(hours: float, start: datetime | None = RELEASE, **fields: Any) -> Any:
    return state(hours, Charge.SCHEDULED, scheduled_start=start, **fields)


def test_what_is_written_is_a_margin_before_the_last_safe_start_in_whole_five_minutes() -> None:
    known, command = written()
    assert command.start_at == RELEASE
    assert command.start_at.minute % 5 == 0
    assert known.backstop_at == RELEASE, "remembered before the car is changed"
    assert command.not_after < RELEASE


LOOKS: dict[str, tuple[ControlState, float, Any]] = {
    "nothing of ours holds it": (control(state(0.2)), 0.2, None),
    "written once": (guarded(), 1, None),
    "and known as ours": (guarded(waiting(1)), 1, None),
    "a plan that moves a little": (guarded(schedule((6, 9), revision=2)), 1, None),
    "needed much earlier": (guarded(waiting(1, soc_pct=30)), 1, SCHEDULE),
    "needed half an hour earlier": (guarded(waiting(1, soc_pct=42)), 1, SCHEDULE),
    "needed a little earlier": (guarded(waiting(1, soc_pct=48), schedule((6.9, 10), revision=2)), 1, None),
    "needed much later": (guarded(waiting(1, soc_pct=70), schedule((7, 8), revision=2)), 1, SCHEDULE),
    "needed a little later": (guarded(waiting(1, soc_pct=55), schedule((7, 9.6), revision=2)), 1, None),
    "a due start goes first": (guarded(waiting(7)), 7, START),
    "at the target": (guarded(state(8, soc_pct=80)), 8, UNSCHEDULE),
    "paused: released first": (guarded(waiting(1), preference("paused", 1)), 1, START),
    "the plan is over": (guarded(state(5, CHARGING), schedule((1, 4), revision=2)), 5, UNSCHEDULE),
    "the driver's own hand": (guarded(state(1, CHARGING)), 1, UNSCHEDULE),
    "unplugged": (guarded(state(2.1, session=ENDED)), 2.1, UNSCHEDULE),
    "away": (guarded(state(2.1, at_home=False)), 2.1, UNSCHEDULE),
    "home unknown": (guarded(state(2.1, at_home=None)), 2.1, None),
    "unplug suspected": (guarded(waiting(2.1, unplug_suspected_at=at(2.1))), 2.1, None),
    "left from the stay before": (guarded(state(3.1, session=NEXT)), 3.1, UNSCHEDULE),
    "its instant has come": (guarded(state(11, session=ENDED)), 11, None),
    "the driver's own schedule is not overwritten": (held(waiting(1, at(5))), 1, None),
    "nor taken away": (guarded(waiting(1, at(5)), state(8, soc_pct=80, scheduled_start=at(12))), 8, None),
}  # fmt: skip


@pytest.mark.parametrize(("known", "hours", "action"), LOOKS.values(), ids=LOOKS)
def test_one_look_at_the_schedule(known: ControlState, hours: float, action: Any) -> None:
    assert look(known, hours).action is action


@pytest.mark.parametrize("can", [PLAIN, PLAIN - {WAKE}])
def test_never_for_a_car_without(can: Any) -> None:
    for known in (held(), held(state(2, session=ENDED)), held(state(2, at_home=False))):
        assert decide(known, 2.5, can=can).action is None


def test_away_from_home_only_the_undo_is_asked_for() -> None:
    known = guarded(state(2, CHARGING, at_home=False), preference("boost", 2))
    assert look(known, 2).action is UNSCHEDULE
    undone, command = commanded(known, 2, UNSCHEDULE, ALL)
    assert command.start_at is None
    undone = observe_command(undone, final(command, 2.02, CONFIRMED))
    assert undone.backstop_at is None
    assert look(undone, 2.1) == Decision(None, "away", None, undone, None)


def test_an_undo_goes_on_until_it_is_known_to_have_worked() -> None:
    known, hours, tries = guarded(state(2.1, session=ENDED)), 2.1, []
    for _ in range(8):
        decision = look(known, hours)
        if decision.command is None:
            assert decision.next_at is not None
            hours = (decision.next_at - at(0)) / timedelta(hours=1)
            decision = look(known, hours)
        assert decision.action is UNSCHEDULE
        assert decision.command is not None
        known = observe_command(decision.control, final(decision.command, hours, FAILED, detail="asleep"))
        tries.append(hours)
    gaps = [round((after - before) * 60) for before, after in pairwise(tries)]
    assert gaps == [1, 2, 4, 8, 16, 32, 60]
    assert look(known, 9.76).control.backstop_at is None, "its instant has come: nothing is left to undo"


@pytest.mark.parametrize("detail", ["rejected", "asleep", "ignored"])
def test_a_writing_that_fails_is_tried_twice_more_and_is_no_attempt_of_control(detail: str) -> None:
    known, hours, tries = held(), 0.2, 0
    while hours < 6:
        decision = look(known, hours)
        if decision.command is not None:
            tries += 1
            assert decision.action is SCHEDULE
            known = observe_command(decision.control, final(decision.command, hours, FAILED, detail=detail))
            assert known.backstop_at is None
        hours += 0.1
    assert tries == POLICY.backstop_tries
    assert (known.attempts, known.gave_up) == (0, False)
    assert decide(observe_state(known, state(7)), 7, can=ALL).action is START


def test_the_oem_s_pause_holds_for_the_schedule_too_and_costs_no_try() -> None:
    known, command = written()
    known = observe_command(known, final(command, 0.2, FAILED, detail="throttled", retry_at=at(1)))
    assert look(known, 0.9).action is None
    assert look(known, 1).action is SCHEDULE
    assert known.backstop_tries == 0


def test_a_writing_whose_fate_is_unknown_may_stand_in_the_car() -> None:
    known, command = written()
    known = observe_command(known, final(command, 0.3, UNKNOWN, detail="unobservable"))
    assert look(known, 1).action is None, "it is not repeated"
    assert look(observe_state(known, state(2.1, session=ENDED)), 2.1).action is UNSCHEDULE


def test_a_rewriting_that_fails_leaves_what_was_written_before() -> None:
    known = guarded(waiting(1, soc_pct=30))
    known, command = commanded(known, 1, SCHEDULE, ALL)
    assert command.start_at is not None
    assert known.backstop_at == command.start_at < RELEASE
    for shown in (RELEASE, command.start_at):
        assert observe_state(known, waiting(1.01, shown)).own_schedule_session is None, "both are ours"
    assert observe_command(known, final(command, 1.02, FAILED, detail="rejected")).backstop_at == RELEASE


def test_a_car_that_starts_by_our_own_schedule_is_no_driver() -> None:
    later = schedule((11, 12), revision=2)
    known = guarded(later, waiting(9.4, soc_pct=65), state(9.5, CHARGING, soc_pct=65))
    decision = look(known, 9.5)
    assert (decision.action, decision.control.driver_override_session) == (STOP, None)


def test_a_car_that_our_schedule_started_just_before_its_release_charges_on() -> None:
    late = schedule((10.5, 13), revision=2)
    known, command = written(held(late))
    known = observe_command(observe_state(known, waiting(0.22, command.start_at)), final(command, 0.22, CONFIRMED))
    assert command.start_at is not None
    hours = (command.start_at - at(0)) / timedelta(hours=1) + 0.01
    known = observe_state(observe_state(known, waiting(hours - 0.1, command.start_at)), state(hours, CHARGING))
    assert (look(known, hours).action, look(known, hours).reason) == (None, "too_late_to_hold")


def test_the_next_stay_gets_a_start_of_its_own() -> None:
    known = guarded(waiting(3.1, session=NEXT))
    known, undo = commanded(known, 3.1, UNSCHEDULE, ALL)
    known = observe_command(known, final(undo, 3.12, CONFIRMED))
    plan = schedule((9, 12), session_id="s2", inputs=PlanInputs(now=at(3)))
    known, stop = commanded(observe(observe_state(known, state(3.3, CHARGING, session=NEXT)), plan), 3.3, STOP, ALL)
    known = observe_state(known, state(3.32, IDLE, session=NEXT))
    known, again = commanded(observe_command(known, final(stop, 3.32, CONFIRMED)), 3.32, SCHEDULE, ALL)
    assert again.start_at == RELEASE
    assert known.backstop_session == "s2"


OWN: dict[str, tuple[list[Any], float, Any, str]] = {
    "waits for its own time": ([waiting(0.1, at(2))], 0.1, None, "waiting_for_block"),
    "charges by it": ([waiting(1, at(2)), state(2.1, CHARGING)], 2.1, None, "own_schedule"),
    "goes on charging by it": (
        [waiting(1, at(2)), state(2.1, CHARGING), state(2.5, CHARGING, scheduled_start=at(26))],
        2.5, None, "own_schedule",
    ),
    "not started in our block": ([waiting(7, at(8))], 7, None, "own_schedule"),
    "started when it is urgent": ([waiting(9.8, at(12))], 9.8, START, "last_safe_start"),
    "started by boost": ([waiting(1, at(2)), preference("boost", 1)], 1, START, "boost"),
    "cleared by a reading without": ([waiting(1, at(2)), state(1.5), state(7)], 7, START, "in_block"),
    "a time that has passed is none": ([state(7, scheduled_start=at(6))], 7, START, "in_block"),
    "a timer without a time": ([state(1, Charge.SCHEDULED), state(2, CHARGING)], 2, None, "own_schedule"),
    "a silent reading changes nothing": (
        [waiting(1, at(8)), state(7, Charge.UNKNOWN, scheduled_start=at(8))], 7, None, "own_schedule",
    ),
    "the driver's stop under it counts": (
        [waiting(6.5, at(7.1)), state(7.3, CHARGING), state(8)], 8, None, "driver_override",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("messages", "hours", "action", "reason"), OWN.values(), ids=OWN)
def test_the_driver_s_schedule_in_the_car_rules(messages: list[Any], hours: float, action: Any, reason: str) -> None:
    decision = look(control(*messages), hours)
    assert (decision.action, decision.reason) == (action, reason)


def test_the_own_schedule_ends_with_the_session() -> None:
    known = control(waiting(1, at(2)))
    assert known.own_schedule_session == "s1"
    assert observe_state(known, state(2.1, session=ENDED)).own_schedule_session is None
