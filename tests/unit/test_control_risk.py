"""The driver hears that the promise is at risk before the last safe start, and only if no power is seen."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from streams.contracts.command import Action, CommandPhase
from streams.contracts.schedule import Schedule
from streams.contracts.telemetry import Charge
from streams.domain.desired import Situation, last_safe_start
from streams.domain.reconcile import ControlState, observe_command, observe_state
from streams.domain.standing import standing
from tests.driving import (
    CHARGING,
    IDLE,
    NIGHT,
    PLAIN,
    POLICY,
    REGISTRATION,
    SESSION,
    START,
    STOP,
    at,
    commanded,
    control,
    decide,
    final,
    held,
    preference,
    schedule,
    started,
    state,
)

LATE = schedule((10.5, 13), revision=2)
READ_ONLY = frozenset({STOP})


def limit(plan: Schedule) -> datetime:
    """The last safe start of a resting car at 50 %."""
    known = control(state(0), plan)
    found = last_safe_start(Situation(known, REGISTRATION, state(0), SESSION, at(0), POLICY), plan)
    assert found is not None
    return found


RISKS: dict[str, tuple[ControlState, float, frozenset[Action], bool]] = {
    "held, before its block": (held(state(6)), 6, PLAIN, False),
    "held, before the release": (held(LATE, state(9.77)), 9.77, PLAIN, False),
    "just released": (held(LATE, state(9.8)), 9.8, PLAIN, False),
    "released, no power": (held(LATE, state(9.9)), 9.9, PLAIN, True),
    "released, no reading": (held(LATE), 9.9, PLAIN, True),
    "released, power seen": (held(LATE, state(9.9, CHARGING)), 9.9, PLAIN, False),
    "power of long ago is no power": (started(state(8, CHARGING)), 9.9, PLAIN, True),
    "only just dark": (started(state(9.85, CHARGING), state(9.9, Charge.NO_POWER)), 9.9, PLAIN, False),
    "dark for a while": (started(state(9.7, CHARGING), state(9.9, Charge.NO_POWER)), 9.9, PLAIN, True),
    "in its block, long before": (control(state(7.5)), 7.5, PLAIN, False),
    "in its block, still without power": (control(state(9.75)), 9.75, PLAIN, True),
    "full": (control(state(9.9, Charge.COMPLETE)), 9.9, PLAIN, False),
    "at the target": (control(state(9.9, soc_pct=80)), 9.9, PLAIN, False),
    "paused": (control(state(9.9), preference("paused")), 9.9, PLAIN, False),
    "away": (held(state(9.9, at_home=False)), 9.9, PLAIN, False),
    "cannot be started": (control(state(9.9)), 9.9, READ_ONLY, True),
    "home unknown": (held(LATE, state(9.9, at_home=None)), 9.9, PLAIN, True),
    "just leaving": (control(state(9.9, unplug_suspected_at=at(9.9))), 9.9, PLAIN, False),
    "waits for its own schedule": (control(state(9.77, Charge.SCHEDULED)), 9.77, PLAIN, False),
}  # fmt: skip


@pytest.mark.parametrize(("known", "hours", "can", "expected"), RISKS.values(), ids=RISKS)
def test_when_the_promise_is_at_risk(known: ControlState, hours: float, can: frozenset[Action], expected: bool) -> None:
    decision = decide(known, hours, can=can)
    assert decision.control.at_risk is expected
    told = standing(decision.control, decision.reason, at(hours))
    assert told.at_risk_session == ("s1" if expected else None)


def first_told(known: ControlState, hours: float, **fields: Any) -> float | None:
    """When the driver is told, looking only when asked to, with a car that never charges."""
    while hours < 12:
        decision = decide(known, hours)
        known = decision.control
        if known.at_risk:
            return hours
        if decision.command is not None:
            known = observe_command(known, final(decision.command, hours, CommandPhase.FAILED, **fields))
        elif decision.next_at is None:
            return None
        else:
            hours = (decision.next_at - at(0)) / timedelta(hours=1)
    return None


@pytest.mark.parametrize("detail", ["ignored", "asleep", "rejected", "throttled", "unavailable", "unplugged"])
@pytest.mark.parametrize("plan", [schedule((7, 10), revision=2), LATE, schedule((9.9, 12.6), revision=2)])
def test_whatever_keeps_a_car_from_starting_is_told_before_the_last_safe_start(plan: Schedule, detail: str) -> None:
    told = first_told(held(plan), 6.5, detail=detail)
    assert told is not None
    assert at(told) < limit(plan)


def test_a_driver_s_stop_is_respected_and_told_in_time() -> None:
    known = decide(started(state(7.2, CHARGING), state(7.5, IDLE)), 7.5).control
    assert known.driver_override_session == "s1"
    told = first_told(known, 7.5)
    assert told is not None
    assert at(told) < limit(NIGHT)
    assert decide(known, 11).action is None, "and no start against it"


def test_a_start_at_the_last_minute_that_works_is_no_alarm() -> None:
    known, start = commanded(held(LATE, state(9.8)), 9.8, START)
    known = observe_state(known, state(9.83, CHARGING))
    known = decide(observe_command(known, final(start, 9.83, CommandPhase.CONFIRMED)), 9.83).control
    for minutes in range(0, 180, 5):
        hours = 9.84 + minutes / 60
        known = decide(observe_state(known, state(hours, CHARGING, soc_pct=50 + minutes / 6)), hours).control
        assert not known.at_risk


def test_power_ends_the_alarm() -> None:
    known = decide(held(LATE, state(9.9)), 9.9).control
    assert known.at_risk
    assert not decide(observe_state(known, state(10.1, CHARGING)), 10.1).control.at_risk


def test_giving_up_a_start_is_a_risk_at_once() -> None:
    known, hours = held(), 7.0
    for _ in range(POLICY.max_attempts):
        known, start = commanded(known, hours, START)
        known = observe_command(known, final(start, hours, CommandPhase.FAILED, detail="rejected"))
        hours += 0.25
    decision = decide(known, hours - 0.2)
    assert (decision.control.gave_up, decision.control.at_risk) == (True, True)


def test_the_next_session_begins_without_risk() -> None:
    known = decide(held(LATE, state(9.9)), 9.9).control
    session = SESSION.model_copy(update={"id": "s2", "plugged_at": at(24), "seen_at": at(24)})
    assert not observe_state(known, state(24, session=session)).at_risk


def test_the_standing_names_the_session_that_each_fact_holds_for() -> None:
    driver = decide(started(state(7.2, CHARGING), state(7.5, IDLE)), 7.5)
    told = standing(driver.control, driver.reason, at(7.5))
    assert (told.driver_session, told.reason) == ("s1", "driver_override")
    own = control(state(1, Charge.SCHEDULED))
    assert standing(own, "", at(1)).own_schedule_session == "s1"
    gave_up = held().model_copy(update={"gave_up": True})
    assert standing(gave_up, "", at(1)).gave_up_session == "s1"
    quiet = standing(held(), "", at(1))
    facts = (quiet.gave_up_session, quiet.driver_session, quiet.own_schedule_session, quiet.at_risk_session)
    assert facts == (None, None, None, None)
