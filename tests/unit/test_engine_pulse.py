"""A process that slept through its session owns nothing of before, whether or not the group has told it yet."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.engine.pulse import GRACE_SECONDS, Pulse

SESSION = 10.0


class Time:
    """A clock in our hands."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


def test_awake_it_stays_alive(time: Time) -> None:
    pulse = Pulse(SESSION, time)
    for _ in range(100):
        pulse.beat(1)
        time.now += SESSION
        assert pulse.alive(1)
    assert not pulse.abandoned()


def test_after_a_sleep_longer_than_the_session_it_owns_nothing_even_before_the_next_beat(time: Time) -> None:
    pulse = Pulse(SESSION, time)
    pulse.beat(1)
    time.now += SESSION + GRACE_SECONDS + 0.1
    assert not pulse.alive(1)
    pulse.beat(1)
    assert not pulse.alive(1)


def test_a_new_assignment_is_alive_whichever_way_it_was_noticed(time: Time) -> None:
    pulse = Pulse(SESSION, time)
    pulse.beat(1)
    time.now += 3 * SESSION
    pulse.beat(2)
    assert pulse.alive(2)
    assert not pulse.alive(1)
    time.now += 3 * SESSION - 10
    assert not pulse.abandoned()


def test_without_a_new_assignment_it_gives_up(time: Time) -> None:
    pulse = Pulse(SESSION, time)
    pulse.beat(1)
    time.now += 2 * SESSION
    pulse.beat(1)
    assert not pulse.abandoned()
    for _ in range(30):
        time.now += 0.5
        pulse.beat(1)
    assert pulse.abandoned()


@given(st.lists(st.floats(0, 30), max_size=40))
def test_alive_means_no_gap_was_longer_than_the_session(gaps: list[float]) -> None:
    time = Time()
    pulse = Pulse(SESSION, time)
    pulse.beat(1)
    for gap in gaps:
        time.now += gap
        pulse.beat(1)
    if any(gap > SESSION + GRACE_SECONDS + 1e-6 for gap in gaps):
        assert not pulse.alive(1)
    elif all(gap < SESSION + GRACE_SECONDS - 1e-6 for gap in gaps):
        assert pulse.alive(1)
