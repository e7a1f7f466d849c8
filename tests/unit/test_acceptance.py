"""The minimum honest acceptance list: a smart charger is a toy unless tests show each of these. One test per line.

What only whole workers can show is proved by another suite: `ELSEWHERE` names it, and is checked.
"""

from __future__ import annotations

import ast
from datetime import datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from streams import hot
from streams.contracts.command import CommandEvent, CommandPhase
from streams.contracts.forecast import Forecast, ForecastKind
from streams.contracts.schedule import PlanInputs, PlanReason, Schedule
from streams.contracts.telemetry import Charge, Plug
from streams.contracts.vehicle import Evidence
from streams.domain.case import PlanRules
from streams.domain.confirm import judge
from streams.domain.market import Market
from streams.domain.planning import PlanningState
from streams.domain.planning import decide as plan_of
from streams.domain.reconcile import ControlState, observe_command, observe_state
from streams.domain.vehicle import fold
from tests import night
from tests.driving import (
    ALL,
    CAR,
    CHARGING,
    IDLE,
    POLICY,
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

FAILED, UNKNOWN, CONFIRMED = CommandPhase.FAILED, CommandPhase.UNKNOWN, CommandPhase.CONFIRMED
TESTS = Path(__file__).parents[1]
ELSEWHERE = {
    "token revoked: one notice, no more calls": (
        "unit/test_engine_tokens.py",
        "test_a_refused_grant_is_told_once_and_no_call_follows_but_starts_while_the_token_lives",
    ),
    "token revoked: held cars are released": (
        "unit/test_engine_commands.py",
        "test_when_consent_is_lost_or_in_doubt_the_cars_that_we_may_hold_are_started_once",
    ),
    "a phone that is gone is forgotten, and the driver told elsewhere": (
        "unit/test_push_stage.py",
        "test_a_device_that_is_gone_is_forgotten_and_the_others_have_it",
    ),
    "push service fails, worker killed after a push: no failure lost, no news twice": (
        "faults/test_push.py",
        "test_no_failure_is_lost_and_no_news_comes_twice",
    ),
    "quota exhausted: no call before the OEM allows it": (
        "unit/test_gate.py",
        "test_an_account_is_left_alone_for_as_long_as_the_oem_asked_even_by_releases",
    ),
    "worker killed between command and confirmation": (
        "faults/test_kills.py",
        "test_a_worker_killed_at_every_failpoint_and_at_any_moment",
    ),
    "worker killed during the call": (
        "unit/test_engine_commands.py",
        "test_after_a_kill_during_the_call_the_outcome_is_unknown_and_nothing_is_sent_again",
    ),
    "whole platform down past the last safe start: a guardian starts the cars": (
        "integration/test_guardian.py",
        "test_it_starts_who_is_due_and_nobody_else_also_when_the_broker_is_killed",
    ),
    "whole platform down past the last safe start: a fleet": (
        "unit/test_guardian_drill.py",
        "test_no_promise_is_missed",
    ),
}


@pytest.mark.parametrize(("path", "name"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_the_proof_kept_elsewhere_exists(path: str, name: str) -> None:
    tree = ast.parse((TESTS / path).read_text(encoding="utf-8"))
    found = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert name in found


# What the car says


def reading(minutes: float, plug: Plug = Plug.PLUGGED, soc_pct: float | None = 50, **fields: Any) -> hot.TelemetryRow:
    """One answer of the car, received as it was sampled."""
    times = {"car_time": night.after(minutes), "received_time": night.after(minutes)}
    return hot.TelemetryRow(**({"car": CAR, "oem": "sim", "plug": plug, "soc_pct": soc_pct} | times | fields))


def folded(readings: list[hot.TelemetryRow]) -> hot.VehicleRow:
    known = None
    for one in readings:
        known = fold(known, one)
    assert known is not None
    return known


def test_stale_state_of_charge_does_not_start_a_charge() -> None:
    stale: dict[str, Any] = {"soc_pct": 20, "soc_time": at(-2)}
    assert decide(control(state(0.1, **stale), schedule((0, 3))), 0.1).reason == "stale_soc"
    assert decide(control(state(8, CHARGING, **(stale | {"soc_pct": 80}))), 8).action is None, "nor end one"


def test_unknown_plug_does_not_end_a_session() -> None:
    began = [reading(0), reading(5)]
    silent = [reading(10 + n, Plug.UNKNOWN, None, charge=Charge.UNKNOWN) for n in range(20)]
    session = folded([*began, *silent]).session
    assert session is not None
    assert session.ended_at is None
    lone = folded([*began, reading(10, Plug.UNPLUGGED), *silent]).session
    assert lone is not None
    assert lone.ended_at is None, "one odd word is not enough"
    ended = folded([*began, reading(10, Plug.UNPLUGGED), *silent, reading(40, Plug.UNPLUGGED)]).session
    assert ended is not None
    assert ended.ended_at == night.after(10), "two are"


def test_duplicate_late_and_out_of_order_telemetry_give_the_same_session() -> None:
    story = [reading(0), reading(5), reading(30), reading(60, Plug.UNPLUGGED), reading(65, Plug.UNPLUGGED)]
    expected = folded(story).session
    assert expected is not None
    tripled = [one for one in story for _ in range(3)]
    late = [story[0], story[2], story[1], story[3], story[2], story[4], story[0]]
    for again in (tripled, late, [*story, *story]):
        assert folded(again).session == expected


# What is planned


def planned(price: Forecast, carbon: Forecast | None = None, **facts: Any) -> Schedule:
    known = PlanningState(
        car=night.CAR,
        **({"registration": night.registration(), "preference": night.preference(), "state": night.state()} | facts),
    )
    made = plan_of(known, Market(price, carbon), night.PLUGGED, PlanRules(edge_spread=timedelta(0)))
    assert made is not None
    return made


def edges(made: Schedule) -> list[tuple[datetime, datetime]]:
    return [(block.start, block.end) for block in made.blocks]


@pytest.mark.parametrize("zone", ["Europe/London", "Europe/Berlin"])
@pytest.mark.parametrize(("evening", "clock"), [("2023-03-25T19:00Z", -1), ("2023-10-28T19:00Z", 1)])
def test_both_nights_of_the_clock_change(zone: str, evening: str, clock: int) -> None:
    """Ready-by is 07:00 on the wall whatever the clock did; a price is that of its instant, whatever the wall says."""
    plugged = datetime.fromisoformat(evening)
    session = night.session(plugged_at=plugged, seen_at=plugged)
    times: dict[str, Any] = {"soc_time": plugged, "car_time": plugged, "received_time": plugged}
    prices = [0.3] * 10 + [0.1] * 6 + [0.3] * 12
    made = plan_of(
        PlanningState(
            car=night.CAR,
            registration=night.registration(home_zone=zone, registered_at=plugged - timedelta(days=1)),
            preference=night.preference(updated_at=plugged - timedelta(days=1)),
            state=night.state(session=session, **times),
        ),
        Market(night.forecast(prices, start=plugged), None),
        plugged,
        PlanRules(edge_spread=timedelta(0)),
    )
    assert made is not None
    assert made.ready_by is not None
    winter_offset = 0 if zone == "Europe/London" else 1
    summer = clock < 0  # the morning after is in summer time
    assert made.ready_by == plugged.replace(hour=7 - winter_offset - summer) + timedelta(days=1)
    cheap = plugged + timedelta(hours=5), plugged + timedelta(hours=8)
    assert all(cheap[0] <= start and end <= cheap[1] for start, end in edges(made))


def test_prices_of_15_30_and_60_minutes_are_mixed() -> None:
    quarters = [0.3] * 26 + [0.1] * 14 + [0.3] * 16
    hours = night.forecast([200.0] * 6 + [200, 50, 50, 200] + [200] * 4, ForecastKind.CARBON, step_minutes=60)
    mixed = planned(night.forecast(quarters, step_minutes=15), hours)
    assert edges(mixed)[0][0] >= night.after(26 * 15)
    assert mixed.energy_kwh == pytest.approx(20)
    halves = [0.3] * 13 + [0.1] * 7 + [0.3] * 8
    assert edges(planned(night.forecast(halves), hours)) == edges(mixed), "the grid of the source changes nothing"


def test_missing_prices_of_tomorrow_give_a_plan_in_time() -> None:
    made = planned(night.forecast([0.3] * 6))
    assert made.blocks
    assert made.ready_by is not None
    assert max(end for _, end in edges(made)) <= made.ready_by
    assert made.reachable
    assert made.provisional


def test_negative_prices_are_taken_and_never_overfill() -> None:
    made = planned(night.forecast([0.3] * 10 + [-0.2] * 2 + [0.0] * 4 + [0.3] * 10))
    spans = edges(made)
    assert spans[0][0] <= night.after(300)
    assert spans[-1][1] >= night.after(360), "all of the time that pays is used"
    assert made.energy_kwh == pytest.approx(20), "and no more than is needed"
    assert made.cost < 0.0


def test_an_infeasible_ready_by_gives_a_plan_from_now_and_the_shortfall() -> None:
    soon = night.preference(ready_by=time(19, 30))
    made = planned(night.forecast([0.3] * 20), preference=soon)
    assert not made.reachable
    assert made.shortfall_kwh > 0
    assert edges(made)[0][0] == night.PLUGGED
    assert made.reason is PlanReason.UNREACHABLE
    assert made.expected_soc_pct == pytest.approx(50 + 1.5 * 7.2 * 0.9 / 0.6)


# What is commanded


def judged(known: ControlState, command: CommandEvent, hours: float) -> ControlState:
    """What the newest reading proves about the command that was sent."""
    sent = final(command, (command.at - at(0)) / timedelta(hours=1) + 0.001, CommandPhase.SENT)
    verdict = judge(sent, known.state, at(hours), POLICY.confirm_window)
    assert verdict is not None
    return observe_command(observe_command(known, sent), verdict)


def test_a_car_that_ignores_stops_charges_on_and_is_left_alone() -> None:
    known, hours, stops = control(state(0.1, CHARGING)), 0.1, 0
    while hours < 6:
        decision = decide(known, hours)
        known = decision.control
        if decision.command is not None:
            stops += 1
            known = judged(observe_state(known, state(hours + 0.06, CHARGING)), decision.command, hours + 0.07)
            assert known.command is not None
            assert (known.command.phase, known.command.detail) == (FAILED, "ignored")
        hours += 0.1
        known = observe_state(known, state(hours, CHARGING))
    assert stops == POLICY.max_attempts
    assert known.gave_up


def test_a_car_that_cannot_resume_is_told_of_and_never_stopped_again() -> None:
    known, hours = held(state(7)), 7.0
    while not known.cannot_resume:
        decision = decide(known, hours)
        known = decision.control
        if decision.command is not None:
            known = judged(observe_state(known, state(hours + 0.06)), decision.command, hours + 0.07)
        hours += 0.1
    assert hours < 8
    told = decide(known, hours + 0.5).control
    assert told.gave_up
    assert told.at_risk
    tomorrow = SESSION.model_copy(update={"id": "s2", "plugged_at": at(24), "seen_at": at(24)})
    plan = schedule((31, 34), session_id="s2", ready_by=at(37), inputs=PlanInputs(now=at(24)))
    known = observe(observe_state(known, state(24.1, CHARGING, session=tomorrow)), plan)
    assert decide(known, 24.1).reason == "cannot_resume"


def test_a_car_asleep_at_the_start_of_its_block_is_woken_then_started() -> None:
    known, start = commanded(held(), 7, START)
    known, wake = commanded(observe_command(known, final(start, 7, FAILED, detail="asleep")), 7, WAKE)
    assert decide(known, 7.01).reason == "command_in_flight"
    known = judged(observe_state(known, state(7.03)), wake, 7.03)
    known, again = commanded(known, 7.03, START)
    known = judged(observe_state(known, state(7.06, CHARGING)), again, 7.06)
    assert (decide(known, 7.1).reason, known.attempts) == ("in_block", 0)


def test_an_on_board_timer_is_never_fought() -> None:
    """It waits, it charges by its timer against our plan, and only the last safe start overrules it."""
    known = control(state(0.1, Charge.SCHEDULED, scheduled_start=at(3)))
    for hours, message in ((1, None), (3.1, state(3.1, CHARGING)), (4, state(4, CHARGING, scheduled_start=at(27)))):
        known = known if message is None else observe_state(known, message)
        assert decide(known, hours, can=ALL).action is None
    waits = control(state(9.8, Charge.SCHEDULED, scheduled_start=at(12)))
    assert decide(waits, 9.8, can=ALL).action is START


def test_an_unplug_in_the_middle_of_a_command_ends_it() -> None:
    known, start = commanded(held(state(7)), 7, START)
    ended = SESSION.model_copy(update={"ended_at": at(7.02), "end_evidence": Evidence.TWO_READINGS})
    known = judged(observe_state(known, state(7.05, session=ended)), start, 7.05)
    assert known.command is not None
    assert (known.command.phase, known.command.detail) == (FAILED, "unplugged")
    assert [decide(known, hours, can=ALL).reason for hours in (7.1, 8, 12)] == ["unplugged"] * 3


def test_a_boost_while_a_stop_holds_or_is_on_its_way_releases_the_car() -> None:
    decision = decide(held(preference("boost", 1)), 1)
    assert (decision.action, decision.reason) == (START, "boost")
    known, stop = commanded(control(state(0.1, CHARGING)), 0.1, STOP)
    known = observe(known, preference("boost", 0.11))
    assert decide(known, 0.12).action is None, "one command at a time"
    known = judged(observe_state(known, state(0.13, IDLE)), stop, 0.14)
    assert decide(known, 0.14).action is START
    unseen = observe_command(known, final(stop, 0.2, UNKNOWN))
    assert decide(unseen, 0.2).action is START


@pytest.mark.parametrize("wish", ["smart", "boost", "paused"])
@pytest.mark.parametrize("charge", [CHARGING, IDLE, Charge.SCHEDULED])
def test_away_from_home_hands_off(wish: str, charge: Charge) -> None:
    known = control(preference(wish, 0), state(0.1, charge, at_home=False))
    for hours in (0.1, 7, 9.9, 12):
        assert decide(known, hours, can=ALL).action is None
    left = observe_state(observe(held(preference(wish, 0)), state(1, charge, at_home=False)), state(1, at_home=False))
    backstop = left.model_copy(update={"backstop_at": at(9), "backstop_session": "s1"})
    assert decide(backstop, 1.1, can=ALL).action is UNSCHEDULE, "but what we left in the car is taken back"


def test_an_exhausted_quota_is_waited_for_and_costs_no_attempt() -> None:
    known, hours, asked = control(state(7)), 7.0, []
    for _ in range(6):
        known, start = commanded(known, hours, START)
        asked.append(hours)
        refused = final(start, hours, FAILED, detail="throttled", retry_at=at(hours + 0.25))
        known = observe_command(known, refused)
        assert decide(known, hours + 0.24).action is None
        hours += 0.25
    assert (known.attempts, known.gave_up, known.commands) == (0, False, 0)
    assert all(after - before >= 0.25 for before, after in pairwise(asked))


def test_the_platform_down_past_the_last_safe_start_leaves_a_start_in_the_car() -> None:
    """Workers die right after the stop: what is on the log, and in the car, releases it before it is too late."""
    known, stop = commanded(control(state(0.1, CHARGING)), 0.1, STOP)
    known = judged(observe_state(known, state(0.12)), stop, 0.12)
    decision = decide(known, 0.12, can=ALL)
    assert decision.command is not None
    assert decision.command.start_at is not None
    assert decision.command.start_at + timedelta(hours=20.6 / 7.4) < at(13), "in time to be ready"
    late = decide(held(), 11)
    assert (late.action, late.reason) == (START, "last_safe_start"), "and who comes back late starts it at once"
