"""A car that takes its time is told earlier, by what it takes and never by more than five minutes."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts.command import Action
from streams.contracts.schedule import Schedule
from streams.domain.desired import Situation, last_safe_start, spans
from streams.domain.leads import NO_LEADS, Leads
from streams.domain.reconcile import ControlState
from tests.driving import (
    CHARGING,
    NIGHT,
    POLICY,
    REGISTRATION,
    SESSION,
    START,
    STOP,
    at,
    control,
    decide,
    schedule,
    state,
)

MINUTE = 1 / 60
SLOW = Leads(start=timedelta(minutes=2), stop=timedelta(minutes=3))
TWICE = schedule((7, 8), (9, 10), revision=2)
TOUCHING = schedule((7, 8), (8, 9), (11, 12), revision=2)


def case(plan: Schedule, leads: Leads) -> Situation:
    return Situation(control(state(0), plan), REGISTRATION, state(0), SESSION, at(0), POLICY, leads=leads)


LOOKS: dict[str, tuple[ControlState, float, Leads, Action | None]] = {
    "before the lead": (control(state(6.9)), 7 - 2.1 * MINUTE, SLOW, None),
    "within the lead": (control(state(6.9)), 7 - 2 * MINUTE, SLOW, START),
    "nothing learned": (control(state(6.9)), 7 - 2 * MINUTE, NO_LEADS, None),
    "no more than five minutes": (control(state(6.8)), 7 - 6 * MINUTE, Leads(start=timedelta(hours=1)), None),
    "five minutes": (control(state(6.8)), 7 - 5 * MINUTE, Leads(start=timedelta(hours=1)), START),
    "not yet at its end": (control(TWICE, state(7.9, CHARGING)), 8 - 3.1 * MINUTE, SLOW, None),
    "before its end": (control(TWICE, state(7.9, CHARGING)), 8 - 3 * MINUTE, SLOW, STOP),
    "no pause between blocks that touch": (control(TOUCHING, state(7.9, CHARGING)), 8 - 2.5 * MINUTE, SLOW, None),
}


@pytest.mark.parametrize(("known", "hours", "leads", "action"), LOOKS.values(), ids=LOOKS)
def test_commands_lead_the_edges_of_blocks(
    known: ControlState, hours: float, leads: Leads, action: Action | None
) -> None:
    assert decide(known, hours, leads=leads).action is action


@pytest.mark.parametrize(
    ("known", "hours", "not_after"),
    [
        (control(TWICE, state(6.9)), 7 - 2 * MINUTE, at(7) + timedelta(minutes=3)),
        (control(TWICE, state(7.9)), 8 - 4 * MINUTE, at(8) - SLOW.stop),
        (control(TWICE, state(7.9, CHARGING)), 8 - 3 * MINUTE, at(8) + timedelta(minutes=2)),
        (control(schedule((8.1, 9), revision=2), state(8, CHARGING)), 8, at(8.1) - SLOW.start),
    ],
)
def test_no_command_outlives_its_edge(known: ControlState, hours: float, not_after: datetime) -> None:
    command = decide(known, hours, leads=SLOW).command
    assert command is not None
    assert command.not_after == not_after


def test_the_last_safe_start_allows_for_the_lead() -> None:
    plain, led = (last_safe_start(case(NIGHT, leads), NIGHT) for leads in (NO_LEADS, SLOW))
    assert plain is not None
    assert led == plain - SLOW.start


def test_the_next_look_is_at_the_led_edge() -> None:
    assert decide(control(state(1)), 1, leads=SLOW).next_at == at(7) - SLOW.start


@given(
    st.lists(st.integers(1, 40), min_size=2, max_size=8, unique=True),
    st.timedeltas(timedelta(0), timedelta(hours=1)),
    st.timedeltas(timedelta(0), timedelta(hours=1)),
)
def test_spans_keep_their_order_and_lead_by_five_minutes_at_most(
    edges: list[int], start: timedelta, stop: timedelta
) -> None:
    edges = sorted(edges)[: len(edges) // 2 * 2]
    plan = schedule(*((a / 4, b / 4) for a, b in zip(edges[::2], edges[1::2], strict=True)), revision=2)
    led = spans(case(plan, Leads(start, stop)), plan)
    for (begin, end), block in zip(led, plan.blocks, strict=True):
        assert timedelta(0) <= block.start - begin <= POLICY.max_lead
        assert timedelta(0) <= block.end - end <= POLICY.max_lead
        assert begin < end
    assert led == sorted(led)
