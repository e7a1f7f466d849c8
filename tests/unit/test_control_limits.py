"""What a car cannot do is not asked of it, what was spent is not spent again, and what was no try does not count."""

from __future__ import annotations

from typing import Any

import pytest

from streams.contracts.command import Action, CommandPhase
from streams.contracts.schedule import PlanInputs
from streams.contracts.telemetry import Charge
from streams.domain.reconcile import ControlState, observe_command, observe_state
from tests.driving import (
    CHARGING,
    IDLE,
    PLAIN,
    POLICY,
    SESSION,
    START,
    STOP,
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
EXPIRED = CommandPhase.EXPIRED
IGNORED = {"detail": "ignored"}

CANNOT: dict[str, tuple[set[Action], ControlState, float, Action | None, str]] = {
    "no stop, charging": ({START}, control(state(0.1, CHARGING)), 0.1, None, "cannot_stop"),
    "no start, charging": ({STOP}, control(state(0.1, CHARGING)), 0.1, None, "cannot_start"),
    "no start, resting in the block": ({STOP}, control(state(7)), 7, None, "cannot_start"),
    "no stop, resting in the block": ({START}, control(state(7)), 7, START, "in_block"),
    "read only": (set(), control(state(0.1, CHARGING)), 0.1, None, "cannot_start"),
    "read only, boost": (set(), control(state(1), preference("boost")), 1, None, "cannot_start"),
    "no schedule": ({START, STOP, WAKE}, held(state(1)), 1, None, "waiting_for_block"),
}


@pytest.mark.parametrize(("can", "known", "hours", "action", "reason"), CANNOT.values(), ids=CANNOT)
def test_only_what_the_model_takes(
    can: set[Action], known: ControlState, hours: float, action: Action | None, reason: str
) -> None:
    decision = decide(known, hours, can=frozenset(can))
    assert (decision.action, decision.reason) == (action, reason)


def test_a_car_that_cannot_be_woken_is_started_again() -> None:
    can = frozenset({START, STOP})
    known, start = commanded(control(state(1)), 7, START, can)
    known = observe_command(known, final(start, 7, FAILED, detail="asleep"))
    assert decide(known, 7.1, can=can).action is START


def seesaw(rounds: int, phase: CommandPhase = CONFIRMED, **fields: Any) -> tuple[ControlState, float]:
    """A car that each stop halts, and that a plan of its own block starts again each time."""
    known, hours, revision = control(schedule((12, 12.5)), state(0.1, CHARGING)), 0.1, 1
    for _ in range(rounds):
        known, stop = commanded(known, hours, STOP)
        if phase is not CONFIRMED:
            known = observe_command(known, final(stop, hours, phase, **fields))
            hours += 0.3
            known = observe_state(known, state(hours, CHARGING))
            continue
        known = observe_command(observe_state(known, state(hours + 0.02)), final(stop, hours + 0.02, CONFIRMED))
        revision, hours = revision + 2, hours + 0.3
        known = observe(known, schedule((hours, hours + 0.3), (12, 12.5), revision=revision))
        known, start = commanded(observe_state(known, state(hours)), hours, START)
        known = observe_state(known, state(hours + 0.02, CHARGING))
        known = observe_command(known, final(start, hours + 0.02, CONFIRMED))
        hours += 0.4
        known = observe_state(known, state(hours, CHARGING))
    return known, hours


def test_a_pause_too_many_is_not_made() -> None:
    known, hours = seesaw(POLICY.max_stops - 1)
    assert decide(known, hours).action is STOP
    known, hours = seesaw(POLICY.max_stops)
    decision = decide(known, hours)
    assert (decision.action, decision.reason) == (None, "budget_spent")
    assert known.stops == POLICY.max_stops


def test_the_next_session_has_budgets_of_its_own() -> None:
    known, _ = seesaw(POLICY.max_stops)
    session = SESSION.model_copy(update={"id": "s2", "plugged_at": at(24), "seen_at": at(24)})
    tomorrow = schedule((31, 33), session_id="s2", ready_by=at(37), inputs=PlanInputs(now=at(24)))
    known = observe(observe_state(known, state(24.1, CHARGING, session=session)), tomorrow)
    assert (known.stops, known.wakes, known.commands) == (0, 0, 0)
    assert decide(known, 24.1).action is STOP


def test_a_command_seen_twice_is_spent_once() -> None:
    known, stop = commanded(control(state(0.1, CHARGING)), 0.1, STOP)
    sent = final(stop, 0.11, CommandPhase.SENT)
    for step in (stop, sent, stop, sent, final(stop, 0.2, CONFIRMED), stop):
        known = observe_command(known, step)
    assert (known.stops, known.commands) == (1, 1)


NO_TRIES: dict[str, tuple[CommandPhase, dict[str, Any]]] = {
    "throttled": (FAILED, {"detail": "throttled", "retry_at": at(0.4)}),
    "unavailable": (FAILED, {"detail": "unavailable"}),
    "never sent": (EXPIRED, {"detail": "never_sent"}),
}


@pytest.mark.parametrize(("phase", "fields"), NO_TRIES.values(), ids=NO_TRIES)
def test_what_never_reached_the_car_is_no_failure_and_costs_nothing(
    phase: CommandPhase, fields: dict[str, Any]
) -> None:
    known, _ = seesaw(POLICY.max_stops + 2, phase, **fields)
    assert (known.attempts, known.stops, known.commands, known.gave_up) == (0, 0, 0, False)


def test_the_oem_s_own_word_and_else_growing_pauses_are_waited_for() -> None:
    known, start = commanded(control(state(7)), 7, START)
    throttled = observe_command(known, final(start, 7, FAILED, detail="throttled", retry_at=at(7.4)))
    assert decide(throttled, 7.39).reason == "retry_later"
    assert decide(throttled, 7.4).action is START
    hours, pauses = 7.0, []
    for _ in range(6):
        known = observe_command(known, final(start, hours, FAILED, detail="unavailable"))
        next_at = decide(known, hours).next_at
        assert next_at is not None
        pauses.append(next_at - at(hours))
        hours = (next_at - at(0)).total_seconds() / 3600
        known, start = commanded(known, hours, START)
    assert pauses == [POLICY.backoff * n for n in (1, 2, 4, 8)] + [POLICY.max_backoff] * 2


def failing(known: ControlState, hours: float, action: Action, times: int, **fields: Any) -> tuple[ControlState, float]:
    """So many commands of that kind fail, each asked for as soon as it is allowed."""
    for _ in range(times):
        decision = decide(known, hours)
        if decision.action is None:
            assert decision.next_at is not None
            hours = (decision.next_at - at(0)).total_seconds() / 3600
            decision = decide(known, hours)
        assert decision.action is action, decision.reason
        assert decision.command is not None
        known = observe_command(decision.control, final(decision.command, hours, FAILED, **fields))
    return known, hours


def test_starts_that_keep_the_promise_go_on_ever_more_slowly() -> None:
    boosted = control(state(1), preference("boost", 1))
    known, hours = failing(boosted, 1, START, POLICY.max_commands, detail="rejected")
    gaps = []
    for _ in range(3):
        before = hours
        known, hours = failing(known, hours, START, 1, detail="rejected")
        gaps.append(round((hours - before) * 60))
    assert gaps == [10, 20, 30]
    assert known.commands == POLICY.max_commands + 3


def test_a_car_is_woken_so_often_and_no_more() -> None:
    known, hours, wakes = control(state(1)), 7.0, 0
    for _ in range(30):
        decision = decide(known, hours)
        if decision.command is None:
            assert decision.next_at is not None
            hours = (decision.next_at - at(0)).total_seconds() / 3600
            continue
        wakes += decision.action is WAKE
        detail = "asleep" if decision.action is START else "unobservable"
        phase = FAILED if decision.action is START else UNKNOWN
        known = observe_command(decision.control, final(decision.command, hours, phase, detail=detail))
    assert wakes == POLICY.max_wakes


def test_a_start_follows_a_wake_only_when_the_car_is_awake() -> None:
    known, start = commanded(control(state(1)), 7, START)
    known, wake = commanded(observe_command(known, final(start, 7, FAILED, detail="asleep")), 7, WAKE)
    lost = observe_command(known, final(wake, 7.1, UNKNOWN, detail="unobservable"))
    assert decide(lost, 7.2).action is WAKE
    assert decide(observe_state(lost, state(7.15)), 7.2).action is START
    assert decide(observe_command(known, final(wake, 7.1, CONFIRMED)), 7.1).action is START


def ignored_starts(known: ControlState, hours: float, times: int) -> tuple[ControlState, float]:
    return failing(known, hours, START, times, **IGNORED)


def next_evening(known: ControlState, days: int = 1) -> ControlState:
    """The same car, plugged in and charging on a later evening."""
    hours = 24.0 * days
    session = SESSION.model_copy(update={"id": f"s{days + 1}", "plugged_at": at(hours), "seen_at": at(hours)})
    plan = schedule(
        (hours + 7, hours + 10), session_id=session.id, ready_by=at(hours + 13), inputs=PlanInputs(now=at(hours))
    )
    return observe(observe_state(known, state(hours + 0.1, CHARGING, session=session)), plan)


def test_a_car_that_does_not_resume_is_never_stopped_again() -> None:
    once, _ = ignored_starts(held(state(7)), 7, 1)
    assert not once.cannot_resume
    assert decide(next_evening(once), 24.1).action is STOP
    known, hours = ignored_starts(held(state(7)), 7, 2)
    assert known.cannot_resume
    decision = decide(known, hours + 1)
    assert decision.action is START, "it is asked on"
    assert decision.control.gave_up, "and the driver is told"
    for days in (1, 2, 3):
        assert decide(next_evening(known, days), 24 * days + 0.1).reason == "cannot_resume"


def test_a_start_that_worked_after_a_stop_takes_it_back() -> None:
    known, hours = ignored_starts(held(state(7)), 7, 2)
    known, start = commanded(known, hours + 1, START)
    known = observe_state(known, state(hours + 1.05, CHARGING))
    known = observe_command(known, final(start, hours + 1.05, CONFIRMED))
    assert not known.cannot_resume
    assert decide(next_evening(known), 24.1).action is STOP


def test_a_start_without_a_stop_before_proves_nothing_about_resuming() -> None:
    known, _ = ignored_starts(control(state(7)), 7, 3)
    assert not known.cannot_resume


def test_a_car_that_ignored_stops_in_two_sessions_is_not_asked_again() -> None:
    def ignored(known: ControlState, hours: float) -> ControlState:
        known, stop = commanded(known, hours, STOP)
        return observe_command(known, final(stop, hours + 0.05, FAILED, **IGNORED))

    first = ignored(control(state(0.1, CHARGING)), 0.1)
    again = ignored(observe_state(first, state(0.4, CHARGING)), 0.4)
    assert not again.ignores_stop, "one session is not enough"
    second = ignored(next_evening(again), 24.1)
    assert second.ignores_stop
    assert decide(next_evening(second, 2), 48.1).reason == "ignores_stop"
    obeyed, stop = commanded(next_evening(first), 24.1, STOP)
    obeyed = observe_command(obeyed, final(stop, 24.15, CONFIRMED, detail="obeyed"))
    assert not ignored(next_evening(obeyed, 2), 48.1).ignores_stop, "it obeyed in between"


def test_a_stop_contradicted_waits_for_a_reading() -> None:
    known, stop = commanded(control(state(0.1, CHARGING)), 0.1, STOP)
    known = observe_command(known, final(stop, 0.2, UNKNOWN, detail="contradicted"))
    assert decide(observe_state(known, state(0.15, CHARGING)), 0.3).reason == "unobservable"
    assert decide(observe_state(known, state(0.25, CHARGING)), 0.3).action is STOP


def test_two_rounds_against_an_unknown_hand_and_no_third() -> None:
    known, hours, rounds = control(schedule((12, 12.5)), state(0.1, CHARGING)), 0.1, 0
    while (decision := decide(known, hours)).action is STOP:
        assert decision.command is not None
        rounds += 1
        known = observe_command(observe_state(decision.control, state(hours + 0.02)),
                                final(decision.command, hours + 0.02, CONFIRMED))  # fmt: skip
        for charge in (Charge.NO_POWER, CHARGING):
            hours += 0.2
            known = observe_state(known, state(hours, charge))
    assert rounds == POLICY.max_rounds
    assert decision.reason == "driver_override"
    boost = observe(decision.control, preference("boost", hours + 0.1))
    assert decide(observe_state(boost, state(hours + 0.2, IDLE)), hours + 0.2).action is START


def test_stops_that_the_car_contradicts_count_as_rounds() -> None:
    known, hours = control(state(0.1, CHARGING)), 0.1
    for _ in range(POLICY.max_rounds):
        known, stop = commanded(known, hours, STOP)
        known = observe_command(known, final(stop, hours + 0.1, UNKNOWN, detail="contradicted"))
        hours += 0.3
        known = observe_state(known, state(hours, CHARGING))
    assert decide(known, hours).reason == "driver_override"


def test_no_unknown_plug_ends_what_we_know_of_a_sleeping_car() -> None:
    asleep = held(state(0.2))
    known, start = commanded(asleep, 7, START, PLAIN)
    known = observe_command(known, final(start, 7, FAILED, detail="asleep"))
    known, wake = commanded(known, 7, WAKE)
    assert wake.session_id == SESSION.id


def test_a_car_that_falls_asleep_after_every_wake_is_not_asked_every_minute() -> None:
    known, hours, asked = control(state(1), preference("boost", 1)), 1.0, 0
    while hours < 9:
        decision = decide(known, hours)
        known = decision.control
        if decision.command is not None:
            asked += 1
            woken = decision.action is WAKE
            known = observe_command(known, final(decision.command, hours, CONFIRMED if woken else FAILED,
                                                 detail=None if woken else "asleep"))  # fmt: skip
        hours += 1 / 60
    assert asked < 8 * 20
