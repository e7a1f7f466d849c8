"""Turns: whatever is due, each command has one turn, by precedence, and no budget is outrun however long it takes."""

from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.quotas import Quotas
from agents.turns import Turns, Wanted, wanted
from oem_connectors.base import Quota
from streams.contracts.command import Action, CommandEvent, CommandPhase
from streams.domain.budget import Budget
from streams.domain.reconcile import ControlState, Decision
from tests.night import PLUGGED
from tests.unit.test_budget import most_in_a_window, quotas

MARGIN = timedelta(minutes=15)
MINUTE = timedelta(minutes=1)
CALLS = 12


def want(n: int, action: Action, slack_minutes: float, now: datetime = PLUGGED) -> Wanted:
    car = f"acct{n % 3}.car{n}"
    command = CommandEvent(
        id=f"c{n}", car=car, session_id="s1", plan_revision=1, action=action, phase=CommandPhase.INTENT, at=now,
        decided_at=now, not_after=now + MINUTE, reason="in_block",
    )  # fmt: skip
    control = ControlState(car=car)
    decision = Decision(action, "in_block", command, control, None)
    return wanted(control, decision, command, "simulator", now + timedelta(minutes=slack_minutes), MARGIN)


wants = st.lists(st.tuples(st.sampled_from(Action), st.floats(-30, 300)), min_size=1, max_size=40)


def turns(pace: float = 1e6, **limits: Quota) -> Turns:
    return Turns(quotas(1, **limits), 1, pace)


@settings(deadline=None)
@given(wants, st.integers(0, 3))
def test_everyone_gets_one_turn_and_budgets_hold_to_the_end(cars: list[tuple[Action, float]], late: int) -> None:
    waiting = [want(n, action, slack) for n, (action, slack) in enumerate(cars)]
    budget, now, made = Budget(), PLUGGED, []
    granting = turns(app=Quota(CALLS, MINUTE), commands=Quota(4, MINUTE))
    rest = {"acct0": PLUGGED + late * MINUTE}
    while waiting:
        found = list(granting.take(waiting, budget, rest, now))
        assert sorted(one.car for one, _ in found) == sorted(one.car for one in waiting)
        made += [(one, now) for one, at in found if at <= now]
        waiting = [one for one, at in found if at > now]
        now = min((at for _, at in found if at > now), default=now)
    assert most_in_a_window([at for _, at in made], MINUTE) <= CALLS
    for account in ("acct0", "acct1", "acct2"):
        calls = [at for one, at in made if one.car.startswith(account)]
        assert most_in_a_window(calls, MINUTE) <= 4
        assert account != "acct0" or not calls or calls[0] >= rest["acct0"]


def test_the_order_is_release_start_stop_and_then_the_least_slack() -> None:
    due = [
        want(0, Action.SCHEDULE, 1), want(1, Action.STOP, 100), want(2, Action.STOP, 50), want(3, Action.START, 60),
        want(4, Action.WAKE, 40), want(5, Action.START, 15), want(6, Action.WAKE, 2),
    ]  # fmt: skip
    found = [one.car for one, _ in turns().take(due, Budget(), {}, PLUGGED)]
    assert [int(car[-1]) for car in found] == [6, 5, 4, 3, 2, 1, 0]


def test_who_waits_stands_in_line() -> None:
    due = [want(n, Action.START, 100 + n) for n in range(5)]
    found = list(turns(pace=2.0).take(due, Budget(), {}, PLUGGED))
    assert [(at - PLUGGED).total_seconds() for _, at in found] == [0, 0.5, 1, 1.5, 2]


def test_a_release_is_not_paced() -> None:
    due = [want(n, Action.START, 1) for n in range(50)]
    found: list[Any] = list(turns(pace=1.0).take(due, Budget(), {}, PLUGGED))
    assert all(at == PLUGGED for _, at in found)


def test_without_limits_nobody_waits() -> None:
    free = Turns(Quotas({}, 1), 1, 1e6)
    assert all(
        at == PLUGGED for _, at in free.take([want(n, Action.STOP, 9) for n in range(99)], Budget(), {}, PLUGGED)
    )
