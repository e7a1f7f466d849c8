"""Token buckets: nobody gets more than the pace allows, nobody waits longer than told, and memory is bounded."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from agents.driver_api.limits import Limits, Pace, retry_after
from tests.signing import NOW

paces = st.builds(Pace, at_once=st.integers(1, 20), per_minute=st.floats(0.5, 600))
gaps = st.lists(st.floats(0, 30), min_size=1, max_size=80)


@given(pace=paces, after=gaps)
def test_nobody_gets_more_than_the_pace_allows(pace: Pace, after: list[float]) -> None:
    limits, at, taken = Limits(pace), NOW, []
    for gap in after:
        at += timedelta(seconds=gap)
        if limits.take("a", at) is None:
            taken.append(at)
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            minutes = (taken[last] - taken[first]) / timedelta(minutes=1)
            assert last - first + 1 <= pace.at_once + minutes * pace.per_minute + 1e-6


@given(pace=paces, after=gaps)
def test_whoever_waits_as_told_may_go_on_and_not_sooner(pace: Pace, after: list[float]) -> None:
    limits, at = Limits(pace), NOW
    for gap in after:
        at += timedelta(seconds=gap)
        wait = limits.take("a", at)
        if wait is not None:
            assert limits.take("a", at + wait * 0.5) is not None
            at += wait + timedelta(milliseconds=1)
            assert limits.take("a", at) is None


@given(pace=paces, names=st.lists(st.sampled_from("abcdef"), min_size=1, max_size=100))
def test_one_does_not_use_up_what_is_anothers(pace: Pace, names: list[str]) -> None:
    limits, alone = Limits(pace), {name: Limits(pace) for name in "abcdef"}
    for name in names:
        assert limits.take(name, NOW) == alone[name].take(name, NOW)


@given(back=st.floats(0, 1e6))
def test_a_clock_set_back_gives_nothing_away(back: float) -> None:
    limits = Limits(Pace(1, 1))
    assert limits.take("a", NOW) is None
    assert limits.take("a", NOW - timedelta(seconds=back)) is not None
    assert limits.take("a", NOW) is not None
    assert limits.take("a", NOW + timedelta(minutes=1, seconds=1)) is None


def test_memory_is_bounded_and_the_longest_unused_is_forgotten() -> None:
    limits = Limits(Pace(1, 1), most=100)
    for number in range(99):
        limits.take(str(number), NOW)
    for number in range(100_000):
        limits.take(f"stranger {number}", NOW)
        assert limits.take("0", NOW) is not None
    assert len(limits._buckets) == 100


def test_whole_seconds_are_told() -> None:
    assert [retry_after(timedelta(seconds=one)) for one in (0, 0.2, 1, 1.2, 59.5)] == ["1", "1", "1", "2", "60"]
