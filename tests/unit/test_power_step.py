"""The largest change of fleet power in a second: net, up or down, one minute at a time."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from streams.domain.power_step import Minute, switched
from tests.night import PLUGGED

NOTHING = Minute(PLUGGED, {})


def after_all(*switches: tuple[float, float]) -> float:
    minute = NOTHING
    for seconds, kw in switches:
        minute = switched(minute, PLUGGED + timedelta(seconds=seconds), kw)
    return minute.step_kw


def test_starts_and_stops_of_one_second_cancel_out() -> None:
    assert after_all((3.1, 7.5), (3.9, 11), (3.5, -7.5), (4, 9)) == 11


def test_a_step_down_counts_as_much() -> None:
    assert after_all((3, 7.4), (5, -11), (5, -11)) == 22


def test_a_new_minute_begins_anew_even_when_nothing_is_switched() -> None:
    assert after_all((3, 7.4), (60, 0)) == 0
    assert after_all((3, 7.4), (61, 2)) == 2


def test_what_comes_late_for_its_minute_changes_nothing() -> None:
    assert after_all((61, 2), (3, 7.4)) == 2


@given(st.lists(st.tuples(st.integers(0, 59), st.sampled_from([-11.0, -7.4, 3.7, 7.4])), max_size=40))
def test_the_order_within_a_minute_does_not_matter(switches: list[tuple[int, float]]) -> None:
    forward, backward = after_all(*switches), after_all(*reversed(switches))
    assert abs(forward - backward) < 1e-9
