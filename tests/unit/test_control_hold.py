"""What we hold is for us to let go, whatever a car or its cloud says of it."""

from typing import Any

from streams.contracts.command import CommandPhase
from streams.contracts.telemetry import Charge
from tests.driving import (
    CHARGING,
    START,
    STOP,
    commanded,
    control,
    decide,
    final,
    held,
    observe,
    schedule,
    started,
    state,
)


def test_a_held_car_is_let_go_however_often_answers_were_contradicted() -> None:
    doubted = held(state(7)).model_copy(update={"undone": 5})
    assert decide(doubted, 7).action is START
    assert decide(doubted, 7).control.driver_override_session is None


def test_a_car_that_we_started_and_that_stops_time_and_again_is_left_to_itself() -> None:
    undone = started(state(8)).model_copy(update={"undone": 5})
    assert (decide(undone, 8).action, decide(undone, 8).reason) == (None, "driver_override")


def test_a_state_of_charge_from_before_the_plug_in_is_no_limit_reached() -> None:
    old: dict[str, Any] = {"soc_pct": 85, "soc_time": state(-5).car_time, "limit_pct": 80}
    known, stop = commanded(control(state(0.1, CHARGING, **old)), 0.1, STOP)
    known = observe(observe(known, state(0.15, **old)), final(stop, 0.15, CommandPhase.CONFIRMED))
    assert decide(observe(known, state(7, **old)), 7).action is START


def test_complete_far_from_the_target_after_our_stop_is_rest_and_asked_once() -> None:
    known, start = commanded(held(state(7, Charge.COMPLETE)), 7, START)
    known = observe(known, final(start, 7.05, CommandPhase.CONFIRMED))
    again = decide(observe(known, state(7.1, Charge.COMPLETE)), 7.1)
    assert (again.action, again.reason) == (None, "complete")


def test_complete_close_to_the_target_is_complete() -> None:
    assert decide(held(state(7, Charge.COMPLETE, soc_pct=79)), 7).reason == "complete"


def test_a_hand_that_stops_the_car_in_a_block_that_has_become_late_is_the_drivers() -> None:
    known, start = commanded(held(schedule((10, 12.7), revision=2), state(10)), 10, START)
    for reading in (state(10.1, CHARGING), state(10.4, CHARGING, soc_pct=55)):
        known = observe(known, reading)
    known = observe(known, final(start, 10.1, CommandPhase.CONFIRMED))
    stopped = decide(observe(known, state(10.6, soc_pct=58)), 10.6)
    assert (stopped.action, stopped.control.driver_override_session) == (None, "s1")


def test_a_hand_that_stopped_the_car_is_seen_although_the_plan_changed_with_the_same_reading() -> None:
    known = started(state(8.2, CHARGING))
    known = decide(known, 8.2).control
    moved = schedule((8.6, 11.3), revision=2)
    stopped = decide(observe(observe(known, state(8.6)), moved), 8.6)
    assert (stopped.action, stopped.control.driver_override_session) == (None, "s1")


def test_a_car_at_its_target_that_loses_a_point_goes_on_resting() -> None:
    known = decide(started(state(9, CHARGING, soc_pct=80)), 9)
    assert (known.action, known.reason) == (STOP, "at_target")
    assert known.command is not None
    rests = observe(observe(known.control, state(9.1, soc_pct=80)), final(known.command, 9.1, CommandPhase.CONFIRMED))
    for hours, soc_pct, action in ((9.2, 79, None), (9.3, 78, None), (12, 75, START)):
        assert decide(observe(rests, state(hours, soc_pct=soc_pct)), hours).action is action


def test_a_plan_that_does_not_come_is_no_danger_for_a_car_that_waits_for_its_own_timer() -> None:
    waits = state(0.1, Charge.SCHEDULED, scheduled_start=state(6.5).car_time)
    known = control(waits).model_copy(update={"schedule": None})
    assert (decide(known, 1).action, decide(known, 1).reason) == (None, "own_schedule")
