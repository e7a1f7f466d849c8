"""A boost belongs to one stay: it outlives plans, and ends with the stay, a full car or another wish."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts.preference import Preference
from streams.contracts.schedule import PlanReason
from streams.contracts.telemetry import Charge
from streams.contracts.vehicle import Evidence, PlugSession
from streams.domain import planning
from streams.domain.boost import terms
from streams.domain.planning import PlanningState
from streams.domain.reconcile import ControlState
from tests.driving import CAR, CHARGING, REGISTRATION, SESSION, at, control, observe, preference, schedule, state

ENDED = SESSION.model_copy(update={"ended_at": at(10), "end_evidence": Evidence.TWO_READINGS})
NEXT = SESSION.model_copy(update={"id": "s2", "plugged_at": at(24), "seen_at": at(24)})
LATER = SESSION.model_copy(update={"id": "s3", "plugged_at": at(48), "seen_at": at(48)})


def boosted(messages: list[Any], session: PlugSession) -> bool:
    """Does control take it for a boost in that session?"""
    known = control(*messages)
    assert known.preference is not None
    return terms(known.preference, known.boost, session).mode == "boost"


STORIES: dict[str, tuple[list[Any], PlugSession, bool]] = {
    "asked in the session": ([state(1), preference("boost", 1)], SESSION, True),
    "heard before the car": ([preference("boost", 1), state(2)], SESSION, True),
    "outlives a new plan": ([state(1), preference("boost", 1), schedule((9, 12), revision=2)], SESSION, True),
    "ends with the session": ([state(1), preference("boost", 1), state(24, session=NEXT)], NEXT, False),
    "ends with a session whose end was seen": (
        [state(1), preference("boost", 1), state(10, session=ENDED), state(24, session=NEXT)], NEXT, False,
    ),
    "a re-plugged cable goes on": (
        [state(1), preference("boost", 1), state(10, session=ENDED),
         state(10.05, session=SESSION.model_copy(update={"revision": 3}))], SESSION, True,
    ),
    "armed while unplugged, for the next": (
        [state(10, session=ENDED), preference("boost", 12), state(24, session=NEXT)], NEXT, True,
    ),
    "armed after an unplug that is seen later": (
        [state(1), preference("boost", 12), state(12.2, session=ENDED), state(24, session=NEXT)], NEXT, True,
    ),
    "armed for the next, not for the one after": (
        [state(10, session=ENDED), preference("boost", 12), state(24, session=NEXT), state(48, session=LATER)],
        LATER, False,
    ),
    "ends when complete": ([preference("boost", 1), state(5, Charge.COMPLETE)], SESSION, False),
    "ends at the car's own limit": ([preference("boost", 1), state(5, CHARGING, soc_pct=80, limit_pct=80)], SESSION,
                                    False),
    "ends at 100 %": ([preference("boost", 1), state(5, CHARGING, soc_pct=100)], SESSION, False),
    "does not end at the target": ([preference("boost", 1), state(5, CHARGING, soc_pct=90)], SESSION, True),
    "a sample from before it was asked ends nothing": (
        [state(1, Charge.COMPLETE), preference("boost", 1.1), state(1.05, Charge.COMPLETE)], SESSION, True,
    ),
    "100 % of the last trip ends nothing": (
        [preference("boost", 0.5), state(1, soc_pct=100, soc_time=at(-1))], SESSION, True,
    ),
    "full once, over for good": ([preference("boost", 1), state(5, Charge.COMPLETE), state(6)], SESSION, False),
    "the same wish again asks for nothing": (
        [preference("boost", 1), state(5, Charge.COMPLETE), state(6), preference("boost", 1)], SESSION, False,
    ),
    "asked again": (
        [preference("boost", 1), state(5, Charge.COMPLETE), preference("boost", 6), state(7)], SESSION, True,
    ),
    "another wish ends it": ([state(1), preference("boost", 1), preference("smart", 2)], SESSION, False),
    "an older wish does not": ([state(1), preference("boost", 1), preference("smart", 0)], SESSION, True),
}  # fmt: skip


@pytest.mark.parametrize(("messages", "session", "expected"), STORIES.values(), ids=STORIES)
def test_for_which_stay_a_boost_holds(messages: list[Any], session: PlugSession, expected: bool) -> None:
    assert boosted(messages, session) is expected


@pytest.mark.parametrize(("messages", "session", "expected"), STORIES.values(), ids=STORIES)
def test_planning_and_control_agree(messages: list[Any], session: PlugSession, expected: bool) -> None:
    known = PlanningState(car=CAR, registration=REGISTRATION)
    for message in messages:
        if isinstance(message, Preference):
            known = planning.observe_preference(known, message)
        elif hasattr(message, "charge"):
            known = planning.observe_state(known, message)
    assert known.preference is not None
    assert (terms(known.preference, known.boost, session).mode == "boost") is expected


def test_the_plan_follows_when_a_boost_is_over() -> None:
    known = PlanningState(car=CAR, registration=REGISTRATION)
    for message in (state(1), state(5, Charge.CHARGING, soc_pct=60)):
        known = planning.observe_state(known, message)
    known = planning.observe_preference(known, preference("boost", 1))
    boost = planning.decide(known, None, at(5))
    assert boost is not None
    assert boost.reason is PlanReason.BOOST
    known = planning.observe_state(planning.observe_schedule(known, boost), state(6, Charge.COMPLETE, soc_pct=80))
    after = planning.decide(known, None, at(6))
    assert after is not None
    assert after.reason is PlanReason.AT_TARGET


MESSAGES = st.lists(
    st.one_of(
        st.builds(preference, st.sampled_from(["boost", "smart", "paused"]), st.integers(0, 60)),
        st.builds(
            lambda hours, charge, session: state(hours, charge, session=session),
            st.integers(0, 60), st.sampled_from(Charge), st.sampled_from([SESSION, ENDED, NEXT, LATER]),
        ),
    ),
    max_size=20,
)  # fmt: skip


@given(MESSAGES)
def test_messages_that_come_twice_change_nothing(messages: list[Any]) -> None:
    known = ControlState(car=CAR, registration=REGISTRATION)
    for message in messages:
        known = observe(known, message)
        assert observe(known, message).boost == known.boost
        if known.preference is None or known.preference.mode != "boost":
            assert known.boost is None
        held = [s for s in (SESSION, NEXT, LATER) if known.boost and known.boost.session_id == s.id]
        assert len(held) <= 1
