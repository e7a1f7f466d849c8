"""Ready-by is a wall time at home, and becomes exactly one instant on every night of the year."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts.preference import Preference
from streams.domain.ready import local_instant, ready_by

ZONES = [
    "Europe/London", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC",
    "America/St_Johns", "Pacific/Apia", "Pacific/Chatham", "Africa/Casablanca",
]  # fmt: skip


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


case = pytest.param


def preference(clock: str, **days: str) -> Preference:
    return Preference(car="a.b", ready_by=clock, ready_by_days=days, updated_at=at("2023-01-01T00:00Z"))


@pytest.mark.parametrize(
    ("zone", "clock", "after", "expected"),
    [
        case("Europe/London", "07:00", "2023-05-14T18:00Z", "2023-05-15T06:00Z", id="summer"),
        case("Europe/London", "07:00", "2023-05-15T05:59Z", "2023-05-15T06:00Z", id="same morning"),
        case("Europe/London", "07:00", "2023-05-15T06:00Z", "2023-05-16T06:00Z", id="strictly after"),
        case("Europe/London", "07:00", "2023-03-25T20:00Z", "2023-03-26T06:00Z", id="London, 23 h"),
        case("Europe/London", "07:00", "2023-10-28T20:00Z", "2023-10-29T07:00Z", id="London, 25 h"),
        case("Europe/London", "01:30", "2023-03-25T20:00Z", "2023-03-26T01:00Z", id="London, skipped"),
        case("Europe/London", "01:30", "2023-10-28T20:00Z", "2023-10-29T00:30Z", id="London, first"),
        case("Europe/London", "01:30", "2023-10-29T00:30Z", "2023-10-30T01:30Z", id="London, not second"),
        case("Europe/Berlin", "07:00", "2023-03-25T20:00Z", "2023-03-26T05:00Z", id="Berlin, 23 h"),
        case("Europe/Berlin", "07:00", "2023-10-28T20:00Z", "2023-10-29T06:00Z", id="Berlin, 25 h"),
        case("Europe/Berlin", "02:30", "2023-03-25T20:00Z", "2023-03-26T01:00Z", id="Berlin, skipped"),
        case("Europe/Berlin", "02:30", "2023-10-28T20:00Z", "2023-10-29T00:30Z", id="Berlin, first"),
        case("Pacific/Apia", "07:00", "2011-12-29T20:00Z", "2011-12-30T10:00Z", id="day skipped"),
    ],
)  # fmt: skip
def test_ready_by_is_the_next_local_wall_time(zone: str, clock: str, after: str, expected: str) -> None:
    assert ready_by(preference(clock), zone, at(after)) == at(expected)


def test_a_weekday_may_have_its_own_time() -> None:
    wish = preference("07:00", sat="09:30")
    friday_evening = at("2023-05-19T18:00Z")
    saturday = ready_by(wish, "Europe/London", friday_evening)
    assert saturday == at("2023-05-20T08:30Z")
    assert ready_by(wish, "Europe/London", saturday) == at("2023-05-21T06:00Z")


def first_instant_showing(clock: time, day: date, zone: ZoneInfo) -> datetime:
    """By walking: the first minute of real time at which the wall clock stands at or past (day, clock)."""
    instant = datetime.combine(day, clock, UTC) - timedelta(hours=30)
    while instant.astimezone(zone).replace(tzinfo=None) < datetime.combine(day, clock):
        instant += timedelta(minutes=1)
    return instant


@given(
    zone=st.sampled_from(ZONES),
    day=st.one_of(
        st.dates(date(2005, 1, 1), date(2035, 1, 1)),
        st.sampled_from([date(2023, 3, 26), date(2023, 10, 29), date(2023, 4, 2), date(2011, 12, 30)]),
    ),
    clock=st.times().map(lambda t: t.replace(second=0, microsecond=0)),
)
def test_an_instant_is_the_first_at_which_the_clock_shows_it(zone: str, day: date, clock: time) -> None:
    assert local_instant(day, clock, ZoneInfo(zone)) == first_instant_showing(clock, day, ZoneInfo(zone))


@given(
    zone=st.sampled_from(ZONES),
    clock=st.times(),
    after=st.datetimes(datetime(2005, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_ready_by_lies_ahead_and_within_two_days(zone: str, clock: time, after: datetime) -> None:
    wish = Preference(car="a.b", ready_by=clock, updated_at=after)
    assert timedelta(0) < ready_by(wish, zone, after) - after <= timedelta(hours=49)
