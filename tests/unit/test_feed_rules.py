"""The rules for what sources say, as tables: whole days, absurd, duplicated, corrected and older words."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts.forecast import Forecast, ForecastKind, Slot
from streams.domain.feed_rules import (
    Absurd,
    Coverage,
    bounds,
    coverage,
    has_spike,
    hourly,
    is_news,
    issued,
    known_until,
    needs_renewal,
    refuse_absurd,
    usual_length,
)

PRICE, CARBON = ForecastKind.PRICE, ForecastKind.CARBON
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
NOW = datetime(2023, 5, 1, 12, tzinfo=UTC)


def row(values: list[float | None], start: datetime = NOW, length: timedelta = HOUR) -> tuple[Slot, ...]:
    return tuple(
        Slot(start=start + n * length, end=start + (n + 1) * length, value=v)
        for n, v in enumerate(values)
        if v is not None
    )


def vintage(values: list[float | None], **said: Any) -> Forecast:
    slots = row(values)
    told: dict[str, Any] = {"kind": CARBON, "key": "GB", "unit": "gCO2/kWh", "source": "test", "issued_at": NOW} | said
    return Forecast(known_until=slots[-1].end, slots=slots, **told)


@pytest.mark.parametrize(
    ("zone", "day", "minutes", "want"),
    [
        ("Europe/Berlin", date(2023, 3, 25), 60, 24),
        ("Europe/Berlin", date(2023, 3, 26), 60, 23),
        ("Europe/Berlin", date(2023, 3, 26), 15, 92),
        ("Europe/Berlin", date(2023, 10, 29), 60, 25),
        ("Europe/Berlin", date(2023, 10, 29), 15, 100),
        ("Europe/London", date(2023, 3, 26), 30, 46),
        ("Europe/London", date(2023, 10, 29), 30, 50),
        ("UTC", date(2023, 3, 26), 5, 288),
    ],
)
def test_a_day_has_as_many_slots_as_it_really_has(zone: str, day: date, minutes: int, want: int) -> None:
    start, end = (
        datetime(d.year, d.month, d.day, tzinfo=ZoneInfo(zone)).astimezone(UTC) for d in (day, day + 24 * HOUR)
    )
    length = minutes * MINUTE
    slots = row([1.0] * (want + 3), start - length, length)
    assert coverage(slots, start, end, length) == Coverage(want, want)
    assert coverage(slots[: want // 2], start, end, length) == Coverage(want // 2 - 1, want)
    assert not coverage([*slots[:5], *slots[6:]], start, end, length).whole


def test_one_long_slot_covers_what_it_covers() -> None:
    assert coverage(row([0.3], NOW, 90 * HOUR), NOW, NOW + 24 * HOUR, HOUR / 2) == Coverage(48, 48)
    assert coverage(row([0.3], NOW, 11.75 * HOUR), NOW, NOW + 24 * HOUR, HOUR / 2) == Coverage(23, 48)
    assert usual_length(row([0.3], NOW, 90 * HOUR)) == HOUR
    assert usual_length([*row([1.0]), *row([1.0], NOW + HOUR, HOUR / 4)]) == HOUR / 4


@given(st.lists(st.tuples(st.integers(1, 300), st.integers(0, 90), st.integers(0, 9)), min_size=1, max_size=5))
def test_long_slots_are_cut_at_full_hours_and_say_the_same(told: list[tuple[int, int, int]]) -> None:
    slots, at = [], NOW + 20 * MINUTE
    for minutes, gap, value in told:
        slots.append(Slot(start=at, end=at + minutes * MINUTE, value=value))
        at += (minutes + gap) * MINUTE
    cut = list(hourly(slots))
    assert all(one.end - one.start <= HOUR for one in cut)

    def minute_by_minute(some: list[Slot]) -> dict[datetime, float]:
        return {one.start + n * MINUTE: one.value for one in some for n in range((one.end - one.start) // MINUTE)}

    assert minute_by_minute(cut) == minute_by_minute(slots)
    edges = {one.start for one in slots} | {one.end for one in slots}
    assert all(one.end.minute == 0 for one in cut if one.end not in edges)
    assert [one for one in slots if one.end - one.start <= HOUR] == [one for one in cut if one in slots]


@pytest.mark.parametrize(
    ("values", "until"),
    [
        ([1.0, 2.0, 3.0], 3),
        ([1.0, None, 3.0], 1),
        ([None, None, 3.0, 4.0, None, 5.0], 4),
    ],
)
def test_known_until_ends_at_the_first_hole_ahead(values: list[float | None], until: int) -> None:
    assert known_until(row(values), NOW + MINUTE) == NOW + until * HOUR
    past = row([1.0, None, 1.0], NOW - 3 * HOUR)
    assert known_until([*past, *row(values)], NOW + MINUTE) == NOW + until * HOUR, "a hole in the past is no matter"


def test_of_the_past_alone_the_last_end_is_known() -> None:
    assert known_until(row([1.0], NOW - 5 * HOUR), NOW) == NOW - 4 * HOUR


WEEK = row([0.05, 0.1, 0.2, 0.3] * 42, NOW - 168 * HOUR)
GRID = row([80.0, 150.0, 220.0] * 56, NOW - 168 * HOUR)


@pytest.mark.parametrize(
    ("kind", "unit", "values", "past", "why"),
    [
        (PRICE, "EUR/kWh", [0.1, -0.5, 4.0], WEEK, None),
        (PRICE, "EUR/kWh", [0.0, 0.0], WEEK, None),
        (PRICE, "EUR/kWh", [0.1, 10.1], WEEK, "10.1 EUR/kWh at 2023-05-01T13:00Z is not within -2 to 10"),
        (PRICE, "GBP/kWh", [-2.5], (), "-2.5 GBP/kWh"),
        (PRICE, "SEK/kWh", [40.0], (), None),
        (PRICE, "SEK/kWh", [150.0], (), "not within"),
        (PRICE, "JPY/kWh", [60.0], (), None),
        (PRICE, "JPY/kWh", [1001.0], (), "not within"),
        (PRICE, "JPY/kWh", [300.0] * 24, row([30.0] * 48, NOW - 48 * HOUR), None),
        (PRICE, "EUR/kWh", [7.0] * 24, row([0.01] * 48, NOW - 48 * HOUR), "another unit"),
        (PRICE, "EUR/kWh", [7.0] * 24, row([0.15] * 48, NOW - 48 * HOUR), None),
        (PRICE, "EUR/kWh", [7.6] * 24, row([0.15] * 48, NOW - 48 * HOUR), "50.7 times"),
        (PRICE, "EUR/kWh", [7.6] * 24, row([0.15] * 23, NOW - 23 * HOUR), None),
        (PRICE, "EUR/kWh", [0.0001] * 24, WEEK, None),
        (CARBON, "gCO2/kWh", [0.0, 500.0, 2000.0], (), None),
        (CARBON, "gCO2/kWh", [-1.0], (), "not within 0 to 2000"),
        (CARBON, "gCO2/kWh", [2001.0], GRID, "not within"),
        (CARBON, "gCO2/kWh", [0.15] * 24, row([250.0] * 48, NOW - 48 * HOUR), "another unit"),
        (CARBON, "gCO2/kWh", [20.0] * 24, GRID, None),
    ],
)
def test_what_nobody_should_plan_with_is_refused(
    kind: ForecastKind, unit: str, values: list[float | None], past: tuple[Slot, ...], why: str | None
) -> None:
    if why is None:
        refuse_absurd(kind, unit, row(values), past)
    else:
        with pytest.raises(Absurd, match=why):
            refuse_absurd(kind, unit, row(values), past)


@pytest.mark.parametrize("unit", ["EUR", "GBP", "CHF", "USD", "DKK", "SEK", "NOK", "PLN", "AUD"])
def test_a_price_per_mwh_is_never_taken_for_one_per_kwh(unit: str) -> None:
    """A usual price of 40 to 100 EUR/MWh, in the currency's own size, lies out of bounds or leaps."""
    size = {"DKK": 7.5, "SEK": 11, "NOK": 11, "PLN": 4.5}.get(unit, 1)
    assert not bounds(PRICE, f"{unit}/kWh")[0] <= 60 * size <= bounds(PRICE, f"{unit}/kWh")[1]


def test_a_spike_is_flagged_where_there_is_a_past() -> None:
    assert not has_spike(row([0.1, 0.3, 1.0]), WEEK)
    assert has_spike(row([0.1, 1.1]), WEEK)
    assert has_spike(row([-0.8]), WEEK)
    assert not has_spike(row([5.0]), WEEK[:23])


@pytest.mark.parametrize(
    ("values", "said", "news"),
    [
        ([1.0, 2.0, 3.0], {}, False),
        ([None, 2.0], {}, False),
        ([1.0, 2.5, 3.0], {}, True),
        ([1.0, 2.0, 3.0, 4.0], {}, True),
        ([1.0, 2.0, 3.0], {"issued_at": NOW + HOUR, "source": "other"}, False),
        ([1.0, 2.0, 3.0], {"basis": "marginal"}, True),
        ([1.0, 2.0, 3.0], {"flags": ("preliminary",)}, True),
    ],
)
def test_a_duplicate_is_no_news(values: list[float | None], said: dict[str, Any], news: bool) -> None:
    known = vintage([1.0, 2.0, 3.0])
    assert is_news(vintage(values, **said), known) is news
    assert is_news(vintage(values, **said), None)


def test_a_value_for_a_hole_is_news_and_a_finer_cut_is_not() -> None:
    known = vintage([1.0, None, 3.0, 3.0])
    assert is_news(vintage([1.0, 2.0, 3.0]), known)
    long = vintage([1.0]).model_copy(update={"slots": row([1.0], NOW, 3 * HOUR)})
    assert is_news(long, vintage([1.0, None, 1.0])), "the same value on both sides of a hole is not one in it"
    assert not is_news(long, vintage([1.0, 1.0, 1.0]))
    finer = known.model_copy(update={"slots": row([3.0] * 4, NOW + 2 * HOUR, HOUR / 2)})
    assert not is_news(finer, known)


@pytest.mark.parametrize(
    ("said", "newest", "at"),
    [
        (None, None, 0),
        (-10, None, -10),
        (-10, -20, -10),
        (None, -20, 0),
        (90, None, 0),  # from the future
        (-10, -12, -10),
        (-12, -10, None),  # an older copy
    ],
)
def test_issued_when_the_source_says_or_we_first_saw(said: int | None, newest: int | None, at: int | None) -> None:
    found = issued(
        None if said is None else NOW + said * MINUTE, None if newest is None else NOW + newest * MINUTE, NOW
    )
    assert found == (None if at is None else NOW + at * MINUTE)


def test_another_word_under_the_same_date_comes_just_after() -> None:
    first = issued(NOW - HOUR, NOW - HOUR, NOW)
    assert first is not None
    assert timedelta() < first - (NOW - HOUR) < timedelta(seconds=1)
    second = issued(NOW - HOUR, first, NOW)
    assert second is not None
    assert second > first


_minutes = st.integers(-10_000, 10_000).map(lambda n: NOW + n * MINUTE)


@given(st.one_of(st.none(), _minutes), _minutes, _minutes)
def test_what_is_issued_is_always_after_what_was(said: datetime | None, newest: datetime, now: datetime) -> None:
    at = issued(said, newest, now)
    assert at is None or at > newest
    assert at is not None or (said is not None and said < newest)


def test_the_same_word_is_renewed_at_half_its_time() -> None:
    age = 12 * HOUR
    assert not needs_renewal(vintage([1.0]), age, NOW + 99 * HOUR)
    assert not needs_renewal(vintage([1.0], good_until=NOW + 7 * HOUR), age, NOW)
    assert needs_renewal(vintage([1.0], good_until=NOW + 6 * HOUR), age, NOW)
