"""Desired against observed: at most one command, never away from home, never against the driver."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.contracts.command import FINAL, Action, CommandEvent, CommandPhase
from streams.contracts.schedule import PlanInputs, PlanReason
from streams.contracts.telemetry import Charge
from streams.contracts.vehicle import Evidence
from streams.domain.ids import stable_id
from streams.domain.reconcile import (
    ControlState,
    Decision,
    observe_command,
    observe_preference,
    observe_schedule,
    observe_state,
)
from tests.driving import (
    CAR,
    CHARGING,
    EVENING,
    IDLE,
    OLD,
    POLICY,
    REGISTRATION,
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
    started,
    state,
)

PLUGGED_OUT = SESSION.model_copy(update={"ended_at": at(0.5), "end_evidence": Evidence.TWO_READINGS})
LOOKS: dict[str, tuple[list[Any], float, Action | None, str]] = {
    # the plan
    "charging at plug-in is stopped": ([state(0.1, CHARGING)], 0.1, STOP, "waiting_for_block"),
    "starting counts as charging": ([state(0.1, Charge.STARTING)], 0.1, STOP, "waiting_for_block"),
    "resting before the block": ([state(0.1)], 0.1, None, "waiting_for_block"),
    "resting in the block": ([state(7)], 7, START, "in_block"),
    "an unknown charge word in the block": ([state(7, Charge.UNKNOWN)], 7, START, "in_block"),
    "an on-board timer in the block": ([state(7, Charge.SCHEDULED)], 7, None, "own_schedule"),
    "an on-board timer that comes too late": ([state(9.9, Charge.SCHEDULED)], 9.9, START, "last_safe_start"),
    "charging in the block": ([state(8, CHARGING)], 8, None, "in_block"),
    "the block's end is outside it": ([state(10, soc_pct=70)], 10, None, "plan_over"),
    "a car last heard hours ago is started": ([state(0.5)], 7, START, "in_block"),
    "but not stopped": ([state(0.1, CHARGING)], 0.7, None, "stale_state"),
    "complete": ([state(8, Charge.COMPLETE)], 8, None, "complete"),
    "at the car's own limit": ([state(8, limit_pct=50)], 8, None, "limit_reached"),
    "at the target": ([state(8, CHARGING, soc_pct=80)], 8, STOP, "at_target"),
    "a full battery is the car's to end": (
        [state(8, CHARGING, soc_pct=100), schedule((7, 10), target_soc_pct=100)], 8, None, "at_target",
    ),
    "nothing to charge": ([state(1), schedule(reason=PlanReason.AT_TARGET)], 1, None, "at_target"),
    # hands off
    "away": ([state(7, at_home=False)], 7, None, "away"),
    "home unknown": ([state(7, at_home=None)], 7, None, "home_unknown"),
    "charging away": ([state(0.1, CHARGING, at_home=False)], 0.1, None, "away"),
    "boost away": ([state(7, at_home=False), preference("boost")], 7, None, "away"),
    "unplugged": ([state(7, session=PLUGGED_OUT)], 7, None, "unplugged"),
    "never plugged in": ([state(7, session=None)], 7, None, "unplugged"),
    "unplug suspected": ([state(7, unplug_suspected_at=at(7))], 7, None, "unplug_suspected"),
    "never heard of": ([], 7, None, "unknown_state"),
    "no power": ([state(7, Charge.NO_POWER)], 7, None, "no_power"),
    "fault": ([state(7, Charge.FAULT)], 7, None, "fault"),
    "discharging": ([state(7, Charge.DISCHARGING)], 7, None, "discharging"),
    # modes
    "boost": ([state(1), preference("boost")], 1, START, "boost"),
    "boost when charging": ([state(1, CHARGING), preference("boost")], 1, None, "boost"),
    "boost beyond the target": ([state(1, soc_pct=90), preference("boost")], 1, START, "boost"),
    "boost until full": ([state(1, Charge.COMPLETE), preference("boost")], 1, None, "waiting_for_block"),
    "boost of a full car": ([state(1, Charge.COMPLETE), preference("boost", 1)], 1, None, "complete"),
    "boost without a plan": ([state(1), preference("boost"), OLD], 1, START, "boost"),
    "paused, charging": ([state(0.1, CHARGING), preference("paused")], 0.1, None, "paused"),
    "paused, resting": ([state(7), preference("paused")], 7, None, "paused"),
    "consent withdrawn": (
        [state(7), REGISTRATION.model_copy(update={"consent": "withdrawn"})], 7, None, "no_consent",
    ),
    # when we cannot know, charging proceeds
    "no plan yet": ([state(0.1), OLD], 0.1, None, "planning"),
    "no plan yet, charging": ([state(0.1, CHARGING), OLD], 0.1, None, "planning"),
    "no plan comes": ([state(0.2), OLD], 0.2, START, "no_plan"),
    "an empty plan": ([state(0.2), schedule(reason=PlanReason.NO_FORECAST)], 0.2, START, "no_plan"),
    "a plan made away": ([state(0.2), schedule((7, 10), reason=PlanReason.AWAY)], 0.2, START, "no_plan"),
    "no plan, but enough": (
        [state(1, soc_pct=85), OLD, preference("smart")], 1, None, "at_target",
    ),
    "unreachable": ([state(1), schedule((7, 10), reachable=False)], 1, START, "unreachable"),
    "unreachable, charging": (
        [state(1, CHARGING), schedule((7, 10), reachable=False)], 1, None, "unreachable",
    ),
    "late in its block": ([state(10.6), schedule((10.5, 13))], 10.6, START, "last_safe_start"),
    "charging late in its block": ([state(12, CHARGING), schedule((10.5, 13))], 12, None, "in_block"),
    "in time to try again and to tell": ([state(9.8), schedule((11, 12))], 9.8, START, "last_safe_start"),
    "past the last safe start": ([state(10.2), schedule((11, 12))], 10.2, START, "last_safe_start"),
    "no time to release it": ([state(9.9, CHARGING), schedule((11, 12))], 9.9, None, "last_safe_start"),
    "still time to release it": ([state(9.1, CHARGING), schedule((11, 12))], 9.1, STOP, "waiting_for_block"),
    "not worth a pause": ([state(9.5, CHARGING), schedule((11, 12))], 9.5, None, "too_late_to_hold"),
    "no deadline, no hold": (
        [state(1, CHARGING), schedule((7, 10), ready_by=None)], 1, None, "too_late_to_hold",
    ),
    "no later block, no hold": ([state(6, CHARGING), schedule((1, 3))], 6, None, "plan_over"),
    "ready-by missed goes on": ([state(13.5), schedule((7, 10))], 13.5, START, "last_safe_start"),
    # a state of charge of before the plug-in
    "stale state of charge starts nothing": (
        [state(0.1, soc_time=at(-1)), schedule((0, 3))], 0.1, None, "stale_soc",
    ),
    "unknown state of charge starts nothing yet": (
        [state(0.1, soc_pct=None, soc_time=None), schedule((0, 3))], 0.1, None, "stale_soc",
    ),
    "but we cannot wait for ever": ([state(0.2, soc_time=at(-1)), schedule((0, 3))], 0.2, START, "in_block"),
    "boost does not wait": ([state(0.1, soc_time=at(-1)), preference("boost")], 0.1, START, "boost"),
    "a stale state of charge is no target": (
        [state(8, CHARGING, soc_pct=80, soc_time=at(-1))], 8, None, "in_block",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("messages", "hours", "action", "reason"), LOOKS.values(), ids=LOOKS)
def test_one_look(messages: list[Any], hours: float, action: Action | None, reason: str) -> None:
    decision = decide(control(*messages), hours)
    assert (decision.action, decision.reason) == (action, reason)
    assert (decision.command is None) is (action is None)


def test_a_car_nobody_registered_is_left_alone() -> None:
    assert decide(observe_state(ControlState(car=CAR), state(7)), 7).reason == "not_registered"


def test_a_command_names_what_it_is_for() -> None:
    command = decide(control(state(7)), 7).command
    assert command is not None
    assert command.id == stable_id(CAR, "s1", START, 1, 1)
    assert (command.phase, command.attempt, command.plan_revision) == (CommandPhase.INTENT, 1, 1)
    assert command.not_after == at(7) + POLICY.command_ttl


def test_a_stop_after_a_start_serves_another_wish_than_the_stop_before_it() -> None:
    known = started()
    first = held().command
    known = observe(observe_state(known, state(7.5, CHARGING)), schedule((11, 12), revision=2))
    known, second = commanded(known, 7.5, STOP)
    assert first is not None
    assert first.serves != second.serves


EXPIRIES: dict[str, tuple[list[Any], float, datetime]] = {
    "no start after its block": ([state(9.7), schedule((7, 9.75))], 9.7, at(9.75)),
    "no stop into the next block": ([state(6.97, CHARGING), schedule((7, 9))], 6.97, at(7)),
    "boost has no block": ([state(9.95), preference("boost")], 9.95, at(9.95) + POLICY.command_ttl),
}


@pytest.mark.parametrize(("messages", "hours", "not_after"), EXPIRIES.values(), ids=EXPIRIES)
def test_a_command_expires(messages: list[Any], hours: float, not_after: datetime) -> None:
    command = decide(control(*messages), hours).command
    assert command is not None
    assert command.not_after == not_after


NEXT_LOOKS: dict[str, tuple[list[Any], float, datetime | None]] = {
    "waiting for a state of charge": (
        [state(0.15, soc_time=at(-1)), schedule((0, 3))],
        0.15,
        at(0) + POLICY.soc_grace,
    ),
    "before the block": ([state(1)], 1, at(7)),
    "in the block": ([state(8, CHARGING, soc_pct=60)], 8, at(10)),
    "waiting for a plan": ([state(0.1), OLD], 0.1, at(0) + POLICY.plan_grace),
    "the next reading decides about the plug": (
        [state(7, unplug_suspected_at=at(7))],
        7,
        at(7) + POLICY.confirm_window,
    ),
    "any reading may free a stop": ([state(0.1, CHARGING)], 0.7, at(0.7) + POLICY.confirm_window),
    "only the car can change it": ([state(7, at_home=False)], 7, None),
}


@pytest.mark.parametrize(("messages", "hours", "next_at"), NEXT_LOOKS.values(), ids=NEXT_LOOKS)
def test_when_to_look_again(messages: list[Any], hours: float, next_at: datetime | None) -> None:
    assert decide(control(*messages), hours).next_at == next_at


@pytest.mark.parametrize("phase", [CommandPhase.INTENT, CommandPhase.SENDING, CommandPhase.SENT])
def test_nothing_while_a_command_is_in_flight(phase: CommandPhase) -> None:
    known, command = commanded(control(state(7)), 7, START)
    known = observe_command(known, final(command, 7.01, phase))
    decision = decide(known, 7.02)
    assert (decision.action, decision.reason) == (None, "command_in_flight")
    assert decision.next_at is not None


def test_deciding_the_same_again_gives_the_same_command() -> None:
    known = control(state(7))
    assert decide(known, 7) == decide(known, 7)


def test_a_start_that_fails_is_repeated_with_growing_pauses_and_never_given_up() -> None:
    known, hours, pauses = control(state(7)), 7.0, []
    for attempt in range(1, POLICY.max_attempts + 3):
        known, command = commanded(known, hours, START)
        assert command.attempt == attempt
        known = observe_command(known, final(command, hours, CommandPhase.FAILED, detail="refused"))
        decision = decide(known, hours)
        assert decision.action is None
        assert decision.reason == "retry_later"
        assert decision.control.gave_up is (attempt >= POLICY.max_attempts)
        assert decision.next_at is not None
        pauses.append(decision.next_at - at(hours))
        hours = (decision.next_at - EVENING) / timedelta(hours=1)
    assert pauses == [POLICY.backoff * n for n in (1, 2, 4, 8)] + [POLICY.max_backoff] * 2
    assert observe_state(decision.control, state(9, CHARGING)).gave_up
    assert not decide(observe_state(decision.control, state(9, CHARGING)), 9).control.gave_up


def test_a_stop_that_fails_is_given_up_and_the_car_charges() -> None:
    known, hours = control(state(0.1, CHARGING)), 0.2
    for _ in range(POLICY.max_attempts):
        known, command = commanded(known, hours, STOP)
        known = observe_command(known, final(command, hours, CommandPhase.FAILED, detail="refused"))
        hours += 0.2
        known = observe_state(known, state(hours, CHARGING))
    decision = decide(known, hours)
    assert (decision.action, decision.reason, decision.control.gave_up) == (None, "cannot_control", True)


def test_what_failed_in_one_block_does_not_count_in_the_next() -> None:
    known = control(schedule((1, 2), (7, 9.7)), state(1))
    for hours in (1.0, 1.1, 1.2, 1.4):
        known, command = commanded(known, hours, START)
        known = observe_command(known, final(command, hours, CommandPhase.FAILED, detail="unavailable"))
    known = decide(known, 3).control
    assert decide(observe_state(known, state(6.9)), 7.01).action is START


def test_a_car_we_hold_is_released_although_one_reading_said_unplugged() -> None:
    known, stop = commanded(control(state(0.1, CHARGING)), 0.2, STOP)
    known = observe_command(known, final(stop, 0.21, CommandPhase.CONFIRMED))
    known = observe_state(known, state(0.5, unplug_suspected_at=at(0.5)))
    assert decide(known, 0.6).reason == "unplug_suspected"
    assert decide(known, 7.1).action is START


def test_giving_up_is_told_while_the_start_is_still_tried() -> None:
    policy = replace(POLICY, max_attempts=1)
    known = control(schedule((7, 8), (12, 13)), state(7))
    command = decide(known, 7, policy).command
    assert command is not None
    known = observe_command(decide(known, 7, policy).control, final(command, 7, CommandPhase.FAILED))
    again = decide(known, 7.5, policy)
    assert (again.action, again.control.gave_up) == (START, True)


def test_the_oem_s_own_pause_is_kept() -> None:
    known, command = commanded(control(state(7)), 7, START)
    known = observe_command(known, final(command, 7, CommandPhase.FAILED, retry_at=at(8)))
    assert decide(known, 7.9).next_at == at(8)
    assert decide(known, 7.9).reason == "retry_later"
    assert decide(known, 8).action is START


def test_a_sleeping_car_is_woken_once_and_started_again() -> None:
    known, start = commanded(control(state(1)), 7, START)
    known = observe_command(known, final(start, 7, CommandPhase.FAILED, detail="asleep"))
    known, wake = commanded(known, 7, WAKE)
    known = observe_command(known, final(wake, 7.02, CommandPhase.CONFIRMED))
    known, again = commanded(observe_state(known, state(7.02)), 7.02, START)
    assert len({start.id, wake.id, again.id}) == 3


def test_an_unseen_start_is_resolved_by_reading_never_by_repeating() -> None:
    known, start = commanded(control(state(1)), 7, START)
    unknown = observe_command(known, final(start, 7.1, CommandPhase.UNKNOWN))
    assert decide(unknown, 7.5).action is WAKE
    assert decide(observe_state(unknown, state(7.2, CHARGING)), 7.5).reason == "in_block"
    assert decide(observe_state(unknown, state(7.2)), 7.5).action is START


def test_an_unseen_stop_waits_for_a_reading() -> None:
    known, stop = commanded(control(state(1, CHARGING)), 1, STOP)
    known = observe_command(known, final(stop, 1.1, CommandPhase.UNKNOWN))
    assert decide(known, 1.4).reason == "unobservable"
    assert decide(observe_state(known, state(1.3, CHARGING)), 1.4).action is STOP


NIGHTS: dict[str, tuple[ControlState, float, Action | None, str]] = {
    "held until the block": (held(), 6, None, "waiting_for_block"),
    "started in it": (held(state(7)), 7, START, "in_block"),
    "our start is no driver's": (started(schedule((11, 12), revision=2), state(7.5, CHARGING)), 7.5, STOP,
                                 "waiting_for_block"),
    "paused while held: released": (held(preference("paused", 1)), 1, START, "paused"),
    "power fails after a pause: no driver": (
        started(state(8), state(8.2, Charge.NO_POWER), state(8.5)), 8.5, START, "in_block"),
    "charged since, so nothing of ours to release": (
        held(state(1, CHARGING), state(2), preference("paused", 2)), 2, None, "paused"),
    "consent withdrawn while held: released": (
        held(REGISTRATION.model_copy(update={"consent": "withdrawn"})), 1, START, "no_consent"),
    "held at the last safe start: released": (held(schedule((11, 12), revision=2)), 10.2, START,
                                              "last_safe_start"),
    "held when the plan is over: released": (held(schedule((1, 3), revision=2)), 6, START, "plan_over"),
    "held without a plan: released": (held(schedule(revision=2, reason=PlanReason.NO_FORECAST)), 1, START,
                                      "no_plan"),
    "held, then away: hands off": (held(state(1, at_home=False)), 1, None, "away"),
    "a plan that moves at once waits": (held(schedule((0.2, 3), revision=2)), 0.25, None, "min_dwell"),
    "boost does not wait": (held(preference("boost", 0.2)), 0.2, START, "boost"),
    "driver starts a held car": (held(state(1, CHARGING)), 1, None, "driver_override"),
    "driver's timer starts a held car": (held(state(1, Charge.SCHEDULED), state(2, CHARGING)), 2, None,
                                         "own_schedule"),
    "power comes back: no driver": (held(state(1, Charge.NO_POWER), state(2, CHARGING)), 2, STOP,
                                    "waiting_for_block"),
    "driver stops our charging": (started(state(8, IDLE)), 8, None, "driver_override"),
    "power fails in our charging: no driver": (started(state(8, Charge.NO_POWER), state(8.5)), 8.5, START,
                                               "in_block"),
    "charging ends in the block by itself": (started(state(8, Charge.COMPLETE)), 8, None, "complete"),
    "driver starts a resting car": (control(state(0.1), state(2.9), state(3, CHARGING)), 3, None,
                                    "driver_override"),
    "a blip seen late is no driver": (control(state(0.1), state(0.5, CHARGING)), 0.5, STOP,
                                      "waiting_for_block"),
    "the car ends it at its own limit": (started(state(8, soc_pct=70, limit_pct=70)), 8, None,
                                         "limit_reached"),
    "a late blip is no driver": (control(state(0.05), state(0.1, CHARGING)), 0.1, STOP, "waiting_for_block"),
    "a short blip is no driver": (control(state(0.05, CHARGING), state(0.1), schedule((0, 3), revision=2)),
                                  0.2, START, "in_block"),
    "a stop before the block is not against it": (control(state(0.1, CHARGING), state(3), state(7)), 7, START,
                                                  "in_block"),
    "a start in the block is not against what follows": (
        control(state(6.9), state(7.1, CHARGING), schedule((7, 8), (11, 12), revision=2), state(8, CHARGING)),
        8, STOP, "waiting_for_block"),
    "a start of ours that was ended explains no later one": (
        started(state(7.5, CHARGING), preference("paused", 7.6), state(8, IDLE), preference("smart", 8.5),
                schedule((11, 12), revision=2), state(9, CHARGING)), 9, None, "driver_override"),
    "a car that goes on charging is no driver": (
        control(state(0.1, CHARGING), state(0.5, CHARGING)), 0.5, STOP, "waiting_for_block"),
}  # fmt: skip


@pytest.mark.parametrize(("known", "hours", "action", "reason"), NIGHTS.values(), ids=NIGHTS)
def test_a_night(known: ControlState, hours: float, action: Action | None, reason: str) -> None:
    decision = decide(known, hours)
    assert (decision.action, decision.reason) == (action, reason)


def test_a_stop_that_failed_is_repeated_not_mistaken_for_the_driver() -> None:
    known, stop = commanded(control(state(0.05), state(0.1, CHARGING)), 0.1, STOP)
    known = observe_command(known, final(stop, 0.11, CommandPhase.FAILED, detail="refused"))
    assert decide(observe_state(known, state(0.2, CHARGING)), 0.2).action is STOP


def test_a_car_let_go_in_time_is_not_caught_again() -> None:
    known, start = commanded(held(schedule((10.5, 13), revision=2), state(9.8)), 9.8, START)
    known = observe_command(observe_state(known, state(9.83, CHARGING)), final(start, 9.83, CommandPhase.CONFIRMED))
    for step in range(38):
        hours = 9.85 + step / 12
        known = observe_state(known, state(hours, CHARGING, soc_pct=50 + round(step * 0.9)))
        decision = decide(known, hours)
        assert decision.action is None or decision.reason == "at_target"
        known = decision.control


@pytest.mark.parametrize("ends", ["complete", "target"])
def test_an_uneventful_night_takes_as_few_commands_as_it_has_switches(ends: str) -> None:
    known, soc_pct, charge, actions = control(), 50.0, CHARGING, []
    for step in range(156):
        hours = step / 12
        soc_pct += 0.9 if charge is CHARGING else 0
        if ends == "complete" and soc_pct >= 80:
            charge = Charge.COMPLETE
        limit_pct = 80 if ends == "complete" else 100
        known = observe_state(known, state(hours, charge, soc_pct=soc_pct, limit_pct=limit_pct))
        if known.command is not None and known.command.phase not in FINAL:
            known = observe_command(known, final(known.command, hours, CommandPhase.CONFIRMED))
        decision = decide(known, hours)
        known = decision.control
        if decision.action is not None:
            actions.append(decision.action)
            charge = CHARGING if decision.action is START else IDLE
    assert actions == ([STOP, START] if ends == "complete" else [STOP, START, STOP])
    assert soc_pct >= 80
    assert known.driver_override_session is None


def test_a_start_that_the_car_drops_is_repeated_not_mistaken_for_the_driver() -> None:
    known, start = commanded(held(state(7)), 7, START)
    known = observe_state(observe_state(known, state(7.05, Charge.STARTING)), state(7.1))
    known = observe_command(known, final(start, 7.1, CommandPhase.FAILED, detail="ignored"))
    assert decide(known, 7.2).action is START


def test_a_confirmed_switch_forgets_the_failures_before_it() -> None:
    known, start = commanded(control(state(7)), 7, START)
    known = observe_command(known, final(start, 7, CommandPhase.FAILED, retry_at=at(7.5)))
    known, again = commanded(known, 7.5, START)
    assert known.attempts == 1
    known = observe_command(known, final(again, 7.6, CommandPhase.CONFIRMED))
    assert (known.attempts, known.gave_up, known.retry_after) == (0, False, None)


def test_our_switches_of_an_older_session_explain_nothing_in_the_next() -> None:
    session = SESSION.model_copy(update={"id": "s2", "plugged_at": at(24), "seen_at": at(24)})
    tomorrow = schedule((31, 33), session_id="s2", ready_by=at(37), inputs=PlanInputs(now=at(24)))
    blip = [state(hours, session=session) for hours in (24, 24.02)]
    blip.append(state(24.05, CHARGING, session=session))
    assert decide(held(tomorrow, *blip), 24.05).action is STOP


def test_a_driver_s_hand_counts_until_the_next_session() -> None:
    known = decide(held(state(1, CHARGING)), 1).control
    assert known.driver_override_session == "s1"
    for hours, message in ((7, state(7)), (10.5, state(10.5)), (14, state(14, CHARGING))):
        assert decide(observe_state(known, message), hours).reason == "driver_override"
    session = SESSION.model_copy(update={"id": "s2", "plugged_at": at(24), "seen_at": at(24)})
    known = observe_state(known, state(24, CHARGING, session=session))
    assert known.driver_override_session is None
    tomorrow = schedule((31, 33), session_id="s2", ready_by=at(37), inputs=PlanInputs(now=at(24)))
    assert decide(observe_schedule(known, tomorrow), 24.1).action is STOP


def test_a_boost_asked_for_after_the_driver_s_hand_counts_more() -> None:
    known = decide(started(state(8)), 8).control
    assert decide(observe_preference(known, preference("boost", 7.9)), 9).reason == "driver_override"
    assert decide(observe_preference(known, preference("boost", 8.5)), 9).action is START


OLDER: dict[str, tuple[Any, Any]] = {
    "plan of an older revision": (schedule((7, 10), revision=3), schedule((1, 2), revision=2)),
    "plan of an older session": (
        schedule((7, 10), inputs=PlanInputs(now=at(1))), schedule((1, 2), revision=9, session_id="s0"),
    ),
    "state": (state(2), state(1, CHARGING)),
    "state with an uncorrected session": (
        state(1, session=SESSION.model_copy(update={"revision": 2})), state(1),
    ),
    "preference": (preference("boost", 2), preference("paused", 1)),
    "registration": (REGISTRATION, REGISTRATION.model_copy(update={"registered_at": at(-100)})),
}  # fmt: skip


@pytest.mark.parametrize(("newer", "older"), OLDER.values(), ids=OLDER)
def test_an_older_message_never_undoes_a_newer_one(newer: Any, older: Any) -> None:
    known = observe(ControlState(car=CAR), newer)
    assert observe(known, older) is known
    assert observe(known, newer) is known
    assert observe(observe(ControlState(car=CAR), older), newer) != observe(ControlState(car=CAR), older)


def test_a_withdrawn_consent_counts_although_the_registration_is_as_old() -> None:
    withdrawn = REGISTRATION.model_copy(update={"consent": "withdrawn"})
    assert observe(control(), withdrawn).registration == withdrawn


def test_steps_of_a_command_only_go_forward_and_count_once() -> None:
    known, command = commanded(control(state(7)), 7, START)
    failed = final(command, 7.1, CommandPhase.FAILED)
    after = observe_command(known, failed)
    assert after.attempts == 1
    for late in (command, final(command, 7.05, CommandPhase.SENT), failed):
        assert observe_command(after, late) is after
    older = command.model_copy(update={"id": "older", "decided_at": at(6), "phase": CommandPhase.SENT})
    assert observe_command(after, older) is after


EVENTS = st.one_of(
    st.tuples(st.just("charge"), st.sampled_from(Charge)),
    st.tuples(st.just("home"), st.sampled_from([True, True, True, True, False, None])),
    st.tuples(st.just("unplug"), st.none()),
    st.tuples(st.just("plan"), st.lists(st.floats(0, 12), min_size=1, max_size=3)),
    st.tuples(st.just("mode"), st.sampled_from(["smart", "smart", "boost", "paused"])),
    st.tuples(st.just("result"), st.sampled_from(sorted(FINAL))),
    st.tuples(st.just("asleep"), st.none()),
    st.tuples(st.just("wait"), st.none()),
)


class _Night:
    """A car and its messages, step by step of five minutes; every message is delivered twice."""

    def __init__(self) -> None:
        self.known = ControlState(car=CAR, registration=REGISTRATION)
        self.hours, self.revision, self.sessions = 0.0, 0, 1
        self.charge, self.at_home, self.session = IDLE, True, SESSION
        self.commands: list[CommandEvent] = []

    def step(self, kind: str, value: Any) -> Decision:
        self.hours += 1 / 12
        match kind:
            case "charge":
                self.charge = value
            case "home":
                self.at_home = value
            case "unplug":
                self.sessions += 1
                times = {"plugged_at": at(self.hours), "seen_at": at(self.hours)}
                self.session = SESSION.model_copy(update={"id": f"s{self.sessions}", **times})
            case "plan":
                self._plan(sorted(value))
            case "mode":
                self.deliver(preference(value, self.hours))
            case "result":
                self._finish(CommandPhase(value))
            case "asleep":
                self._finish(CommandPhase.FAILED, "asleep")
        self.deliver(state(self.hours, self.charge, at_home=self.at_home, session=self.session))
        decision = decide(self.known, self.hours)
        self.known = decision.control
        if decision.command is not None:
            self.commands.append(decision.command)
        return decision

    def deliver(self, message: Any) -> None:
        self.known = observe(self.known, message)
        assert observe(self.known, message) is self.known

    def _plan(self, starts: list[float]) -> None:
        self.revision += 1
        blocks = [(hours, hours + 0.01) for hours in starts]
        inputs = PlanInputs(now=at(self.hours))
        self.deliver(schedule(*blocks, revision=self.revision, session_id=self.session.id, inputs=inputs))

    def _finish(self, phase: CommandPhase, detail: str | None = None) -> None:
        command = self.known.command
        if command is not None and command.phase not in FINAL:
            self.deliver(final(command, self.hours, phase, detail=detail))


@settings(max_examples=150)
@given(st.lists(EVENTS, min_size=1, max_size=60))
def test_any_night_keeps_the_rules(events: list[tuple[str, Any]]) -> None:
    night = _Night()
    for kind, value in events:
        before = night.known
        overridden = before.driver_override_session == night.session.id and kind != "unplug"
        decision = night.step(kind, value)
        if decision.command is None:
            continue
        command = decision.command
        assert night.at_home is True, "never a command away from home"
        assert before.command is None or night.known.command == command
        assert before.command is None or before.command.phase in FINAL or kind in {"result", "asleep"}, "one in flight"
        assert not overridden or command.reason == "boost", "the driver wins"
        assert command.action is not STOP or night.charge in {CHARGING, Charge.STARTING}
        assert command.action is not START or night.charge not in {CHARGING, Charge.COMPLETE}
        assert command.session_id == night.session.id
        assert command.decided_at < command.not_after <= at(night.hours) + POLICY.command_ttl
    ids = [command.id for command in night.commands]
    assert len(ids) == len(set(ids)), "every command has its own name"


@given(st.permutations(range(1, 7)), st.data())
def test_plans_in_any_order_end_with_the_newest(order: list[int], data: st.DataObject) -> None:
    known = control(state(7))
    for revision in order:
        for _ in range(data.draw(st.integers(1, 3))):
            known = observe_schedule(known, schedule((7, 7 + revision), revision=revision))
    assert known == control(state(7), schedule((7, 13), revision=6))


def test_charging_seen_only_before_our_stop_is_not_charging_when_the_block_comes() -> None:
    known = control(state(0.1, Charge.CHARGING))
    known, stop = commanded(known, 0.2, STOP)
    known = observe_command(known, final(stop, 0.4, CommandPhase.UNKNOWN, detail="unobservable"))
    assert decide(known, 7.05).action is START


def test_a_start_that_failed_on_a_sleeping_car_does_not_make_its_old_charging_true() -> None:
    known = control(state(0.1, Charge.CHARGING))
    known, stop = commanded(known, 0.2, STOP)
    known = observe_command(known, final(stop, 0.4, CommandPhase.UNKNOWN, detail="unobservable"))
    known, start = commanded(known, 7.05, START)
    known = observe_command(known, final(start, 7.06, CommandPhase.FAILED, detail="asleep"))
    assert decide(known, 7.2).action is WAKE


def test_a_car_that_last_said_charging_an_hour_ago_is_asked_to_start() -> None:
    known = control(state(7.1, Charge.CHARGING))
    assert decide(known, 7.3).action is None
    assert decide(known, 8.2).action is START
