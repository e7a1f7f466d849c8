"""When drivers plug in: learned by the local half-hour, each session once, and looked for where it is likely."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts.vehicle import Evidence, PlugSession
from streams.domain.habit import Habit, half_hour_end, learn, likely, look_interval

LONDON = ZoneInfo("Europe/London")
MEAN = timedelta(minutes=10)
MONDAY, SATURDAY = datetime(2026, 3, 2, tzinfo=LONDON), datetime(2026, 3, 7, tzinfo=LONDON)


def session(at: datetime, name: str | None = None) -> PlugSession:
    at = at.astimezone(UTC)
    return PlugSession(id=name or str(at), plugged_at=at, seen_at=at, revision=1, evidence=Evidence.PLUG_READING)


def habit_of(*plug_ins: datetime, zone: ZoneInfo = LONDON) -> Habit:
    habit = Habit()
    for at in plug_ins:
        habit = learn(habit, session(at), zone)
    return habit


def at_four_in_the_morning(days: int) -> list[datetime]:
    return [MONDAY + timedelta(weeks=n // 5, days=n % 5, hours=4, minutes=10) for n in range(days)]


def test_before_anything_is_known_evenings_are_likely_and_nights_are_not() -> None:
    assert likely(Habit(), MONDAY.replace(hour=18), LONDON)
    assert not likely(Habit(), MONDAY.replace(hour=4), LONDON)
    assert look_interval(Habit(), MONDAY.replace(hour=18), LONDON, MEAN) < MEAN
    assert look_interval(Habit(), MONDAY.replace(hour=4), LONDON, MEAN) > MEAN


def test_a_driver_with_other_hours_is_looked_for_in_those() -> None:
    habit = habit_of(*at_four_in_the_morning(15))
    four, evening = MONDAY.replace(hour=4, minute=10), MONDAY.replace(hour=21)
    assert likely(habit, four, LONDON)
    assert look_interval(habit, four, LONDON, MEAN) < MEAN / 2
    assert look_interval(habit, evening, LONDON, MEAN) > look_interval(Habit(), evening, LONDON, MEAN)


def test_working_days_and_weekends_are_apart() -> None:
    habit = habit_of(*at_four_in_the_morning(15))
    assert likely(habit, MONDAY.replace(hour=4), LONDON)
    assert not likely(habit, SATURDAY.replace(hour=4), LONDON)


def test_a_habit_fades_when_the_driver_takes_on_another() -> None:
    old = habit_of(*at_four_in_the_morning(15))
    noons = [MONDAY + timedelta(weeks=4 + n // 5, days=n % 5, hours=12) for n in range(15)]
    new = old
    for noon in noons:
        new = learn(new, session(noon), LONDON)
    four, noon = MONDAY.replace(hour=4, minute=10), MONDAY.replace(hour=12)
    assert look_interval(new, noon, LONDON, MEAN) < look_interval(new, four, LONDON, MEAN)
    assert look_interval(old, four, LONDON, MEAN) < look_interval(new, four, LONDON, MEAN)


def test_a_session_is_learned_once() -> None:
    first, second = session(MONDAY.replace(hour=18), "a"), session(MONDAY.replace(day=3, hour=18), "b")
    habit = learn(learn(Habit(), first, LONDON), second, LONDON)
    moved = second.model_copy(update={"plugged_at": second.plugged_at + timedelta(minutes=4), "revision": 2})
    for again in (first, second, moved):
        assert learn(habit, again, LONDON) is habit


@given(st.lists(st.integers(0, 200), max_size=30), st.data())
def test_duplicates_and_late_copies_change_nothing(hours: list[int], data: st.DataObject) -> None:
    sessions = [session(MONDAY + timedelta(hours=hour)) for hour in sorted(set(hours))]
    once = habit = Habit()
    for n, one in enumerate(sessions):
        once, habit = learn(once, one, LONDON), learn(habit, one, LONDON)
        habit = learn(habit, data.draw(st.sampled_from(sessions[: n + 1])), LONDON)
    assert habit == once


DST = {
    "the clock goes forward": (datetime(2026, 3, 27, 18, tzinfo=LONDON), datetime(2026, 3, 30, 18, tzinfo=LONDON)),
    "the clock goes back": (datetime(2026, 10, 23, 18, tzinfo=LONDON), datetime(2026, 10, 26, 18, tzinfo=LONDON)),
}


@pytest.mark.parametrize(("before", "after"), DST.values(), ids=DST)
def test_six_in_the_evening_stays_six_in_the_evening(before: datetime, after: datetime) -> None:
    assert habit_of(before).working_days == habit_of(after).working_days == (36,)
    assert before.astimezone(UTC).time() != after.astimezone(UTC).time()


@given(
    st.integers(0, 365 * 24 * 3600).map(lambda seconds: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)),
    st.sampled_from(["Europe/London", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns"]),
)
def test_a_half_hour_ends_at_the_next_half_hour_on_the_wall(at: datetime, name: str) -> None:
    end = half_hour_end(at, ZoneInfo(name))
    wall = end.astimezone(ZoneInfo(name))
    assert at < end <= at + timedelta(minutes=30)
    assert (wall.minute % 30, wall.second, wall.microsecond) == (0, 0, 0)


@given(st.lists(st.integers(0, 47), max_size=30))
def test_a_days_looks_are_as_many_as_the_mean_allows(halves: list[int]) -> None:
    habit = Habit(working_days=tuple(halves))
    day = (MONDAY.astimezone(UTC) + timedelta(minutes=30 * n) for n in range(48))
    looks = sum(timedelta(minutes=30) / look_interval(habit, at, LONDON, MEAN) for at in day)
    assert looks == pytest.approx(timedelta(days=1) / MEAN, rel=1e-6)
