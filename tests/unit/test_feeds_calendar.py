"""When a source is asked: from its publication until the day is whole, and less often in trouble."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.feeds.calendar import Calendar, Daily, Rolling, after_error, daily
from agents.feeds.source import Denied, Down, FeedError, NotPublished, Refused, Slow

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
CET = Daily(ZoneInfo("Europe/Berlin"), time(12, 45))
AGILE = daily("octopus", "Europe/London")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("calendar", "now", "until"),
    [
        (CET, "2026-03-27T11:44", "2026-03-27T23:00"),
        (CET, "2026-03-27T11:45", "2026-03-28T23:00"),
        (CET, "2026-03-27T22:59", "2026-03-28T23:00"),
        (CET, "2026-03-27T23:00", "2026-03-28T23:00"),
        (CET, "2026-03-28T11:45", "2026-03-29T22:00"),  # the day of 23 hours
        (CET, "2026-10-24T10:45", "2026-10-25T23:00"),  # the day of 25 hours
        (AGILE, "2026-03-27T15:59", "2026-03-27T23:00"),
        (AGILE, "2026-03-27T16:00", "2026-03-28T23:00"),
        (AGILE, "2026-03-27T23:30", "2026-03-28T23:00"),
        (AGILE, "2026-03-28T16:00", "2026-03-29T22:00"),
        (Rolling(), "2026-03-27T11:44", "2026-03-27T11:44"),
    ],
)
def test_how_far_prices_should_be_known(calendar: Calendar, now: str, until: str) -> None:
    assert calendar.wanted_until(utc(now)) == utc(until)


@pytest.mark.parametrize(
    ("calendar", "now", "start", "end"),
    [
        (CET, "2026-03-27T09:00", "2026-03-26T23:00", "2026-03-28T23:00"),
        (CET, "2026-03-28T09:00", "2026-03-27T23:00", "2026-03-29T22:00"),
        (AGILE, "2026-03-27T23:30", "2026-03-26T23:00", "2026-03-28T23:00"),
        (Rolling(ahead=24 * HOUR), "2026-03-27T09:41", "2026-03-27T09:00", "2026-03-28T09:00"),
    ],
)
def test_what_is_asked_for(calendar: Calendar, now: str, start: str, end: str) -> None:
    assert calendar.stretch(utc(now)) == (utc(start), utc(end))


@pytest.mark.parametrize(
    ("now", "known", "earliest", "latest"),
    [
        ("2026-03-27T09:00", "2026-03-27T23:00", "2026-03-27T11:45", "2026-03-27T11:46"),  # whole: the publication
        ("2026-03-27T01:00", "2026-03-27T23:00", "2026-03-27T06:24", "2026-03-27T07:36"),  # whole: corrections
        ("2026-03-27T11:50", "2026-03-27T23:00", "2026-03-27T11:54", "2026-03-27T11:56"),  # late: soon again
        ("2026-03-27T14:44", "2026-03-27T23:00", "2026-03-27T14:48", "2026-03-27T14:50"),
        ("2026-03-27T14:45", "2026-03-27T23:00", "2026-03-27T15:09", "2026-03-27T15:21"),  # very late: more seldom
        ("2026-03-27T08:00", "2026-03-27T20:00", "2026-03-27T08:24", "2026-03-27T08:36"),  # a hole of today
        ("2026-03-27T20:00", "2026-03-28T23:00", "2026-03-28T01:24", "2026-03-28T02:36"),
        ("2026-03-28T08:00", "2026-03-28T23:00", "2026-03-28T11:45", "2026-03-28T11:46"),
        ("2026-03-29T08:00", "2026-03-29T22:00", "2026-03-29T10:45", "2026-03-29T10:46"),  # summer time
    ],
)
@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
def test_when_a_daily_source_is_asked_again(now: str, known: str, earliest: str, latest: str, chance: float) -> None:
    assert utc(earliest) <= CET.after_success(utc(now), utc(known), chance) <= utc(latest)


ERRORS: list[tuple[FeedError, list[float]]] = [
    (Down("x"), [1, 2, 4, 8, 16, 30, 30]),
    (Slow("x"), [1, 2, 4, 8, 16, 30, 30]),
    (Refused("x"), [5, 10, 20, 40, 60, 60]),
    (Denied("x"), [15, 30, 60, 120, 240, 360, 360]),
]


@pytest.mark.parametrize(("error", "minutes"), ERRORS)
def test_trouble_waits_longer_each_time(error: FeedError, minutes: list[float]) -> None:
    now = utc("2026-03-27T09:00")
    for tries, pause in enumerate(minutes, 1):
        waits = [(after_error(CET, error, tries, now, chance) - now) / MINUTE for chance in (0.0, 0.5, 0.999)]
        assert waits[0] == pytest.approx(0.75 * pause)
        assert waits[1] == pytest.approx(pause)
        assert waits[0] < waits[1] < waits[2] < 1.25 * pause


@pytest.mark.parametrize("tries", [1, 3])
@pytest.mark.parametrize(("wish", "least"), [(1 * HOUR, 1 * HOUR), (timedelta(days=9), 24 * HOUR), (None, None)])
def test_the_wish_of_the_source_is_kept_within_a_day(
    tries: int, wish: timedelta | None, least: timedelta | None
) -> None:
    now = utc("2026-03-27T09:00")
    wait = after_error(CET, Slow("x", wish), tries, now, 0.5) - now
    assert wait <= 27 * HOUR
    assert wait >= (least or MINUTE)


def test_not_published_is_no_failure_of_the_source() -> None:
    now = utc("2026-03-27T11:50")
    assert after_error(CET, NotPublished("x"), 9, now, 0.5) == now + 5 * MINUTE
    assert after_error(Rolling(), NotPublished("x"), 9, now, 0.5) == now + 30 * MINUTE


def test_an_end_of_a_delivery_day_is_found() -> None:
    assert CET.day_end_at_or_after(utc("2026-03-28T23:00")) == utc("2026-03-28T23:00")
    assert CET.day_end_at_or_after(utc("2026-03-28T23:01")) == utc("2026-03-29T22:00")
    assert AGILE.day_end_at_or_after(utc("2026-03-28T23:01")) == utc("2026-03-29T22:00")


_now = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 30)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001


@given(
    st.sampled_from([CET, AGILE, daily("tibber", "Europe/Oslo"), Rolling()]),
    _now,
    st.integers(-99, 99),
    st.floats(0, 0.99),
)
def test_every_source_is_asked_again_within_a_day_and_not_at_once(
    calendar: Calendar, now: datetime, known_hours: int, chance: float
) -> None:
    again = calendar.after_success(now, now + known_hours * HOUR, chance)
    assert now < again <= now + 24 * HOUR
    for error in (Down("x"), Slow("x"), Refused("x"), Denied("x")):
        assert now + 40 * timedelta(seconds=1) < after_error(calendar, error, 1, now, chance) <= now + 24 * HOUR


@given(_now)
def test_a_delivery_day_has_23_24_or_25_hours_and_now_is_in_the_stretch(now: datetime) -> None:
    for calendar in (CET, AGILE):
        start, end = calendar.stretch(now)
        assert (end - start) / HOUR in {47, 48, 49}
        assert start <= now < end
        assert now < calendar.wanted_until(now) <= end or calendar is AGILE
