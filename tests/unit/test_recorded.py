"""Recorded prices and carbon arrive as the vintages known at the time, through clock changes too."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from deploy.demo.recorded import WINDOWS, carbon, prices, settlement_slots, window

LONDON = ZoneInfo("Europe/London")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_the_default_window_is_five_nights_around_the_clock_change() -> None:
    default = window()
    assert (default.start, default.end) == (utc("2023-03-24T12:00"), utc("2023-03-29T11:00"))
    assert default.end - default.start == timedelta(hours=119)


def test_the_day_of_the_clock_change_has_46_settled_half_hours() -> None:
    for slots in settlement_slots(window()):
        halves = Counter(slot.start.astimezone(LONDON).date() for slot in slots)
        assert halves[date(2023, 3, 26)] == 46
        assert halves[date(2023, 3, 25)] == halves[date(2023, 3, 27)] == 48


def test_a_delivery_day_of_the_clock_change_has_23_hours() -> None:
    by_day = {forecast.known_until: len(forecast.slots) for forecast in prices(window())}
    assert by_day[utc("2023-03-26T22:00")] == 23
    assert by_day[utc("2023-03-25T23:00")] == by_day[utc("2023-03-27T22:00")] == 24


@pytest.mark.parametrize("name", WINDOWS)
def test_prices_are_published_at_11_utc_the_day_before_and_follow_each_other(name: str) -> None:
    vintages = prices(window(name))
    for vintage in vintages:
        assert vintage.unit == "EUR/kWh"
        assert vintage.issued_at.hour == 11
        assert timedelta(hours=11) <= vintage.slots[0].start - vintage.issued_at <= timedelta(hours=12)
    for earlier, later in pairwise(vintages):
        assert later.slots[0].start == earlier.known_until
    assert vintages[0].issued_at <= window(name).start


def test_tomorrow_is_not_known_before_its_auction() -> None:
    known = [v for v in prices(window()) if v.issued_at <= utc("2023-03-25T10:59")]
    assert max(v.known_until for v in known) == utc("2023-03-25T23:00")


@pytest.mark.parametrize("name", WINDOWS)
def test_carbon_is_issued_every_six_hours_and_reaches_48_hours(name: str) -> None:
    vintages = carbon(window(name))
    assert vintages[0].issued_at <= window(name).start
    assert vintages[-1].issued_at >= window(name).end
    for earlier, later in pairwise(vintages):
        assert later.issued_at - earlier.issued_at == timedelta(hours=6)
    for vintage in vintages:
        assert vintage.known_until - vintage.issued_at == timedelta(hours=48)
        assert vintage.slots[-1].end == vintage.known_until


def test_the_future_is_forecast_and_the_past_is_outturn() -> None:
    at = utc("2023-03-25T00:00")
    before, after = (
        {slot.start: slot.value for slot in vintage.slots}
        for vintage in carbon(window())
        if vintage.issued_at in (utc("2023-03-25T00:00"), utc("2023-03-25T06:00"))
    )
    settled = {slot.start: slot.value for slot in settlement_slots(window())[1]}
    night = [at + n * timedelta(minutes=30) for n in range(12)]
    assert [after[half] for half in night] == [settled[half] for half in night]
    assert [before[half] for half in night] != [settled[half] for half in night]


@pytest.mark.parametrize("name", WINDOWS)
def test_settled_slots_are_aligned_half_hours_without_gaps_to_a_day_past_the_end(name: str) -> None:
    price, actual = settlement_slots(window(name))
    assert [(s.start, s.end) for s in price] == [(s.start, s.end) for s in actual]
    assert price[0].start == window(name).start
    assert price[-1].end == window(name).end + timedelta(days=1)
    assert all(earlier.end == later.start for earlier, later in pairwise(price))


@pytest.mark.parametrize("name", WINDOWS)
def test_settled_prices_are_the_forecast_ones(name: str) -> None:
    forecast = {slot.start: slot.value for vintage in prices(window(name)) for slot in vintage.slots}
    for slot in settlement_slots(window(name))[0]:
        assert slot.value == forecast[slot.start.replace(minute=0)]


def test_the_spike_window_holds_the_spike_and_the_negative_one_its_trough() -> None:
    spike = {slot.start: slot.value for slot in settlement_slots(window("price-spike"))[0]}
    trough = {slot.start: slot.value for slot in settlement_slots(window("negative-prices"))[0]}
    assert max(spike.values()) == spike[utc("2023-01-23T17:00")] == 0.29601
    assert min(trough.values()) == trough[utc("2023-07-02T13:00")] == -0.0882


def test_a_shorter_window_keeps_the_first_days() -> None:
    assert window(days=2).end == utc("2023-03-26T11:00")
    assert window(days=2).days == 2
    assert window(days=5) == window()


@pytest.mark.parametrize(
    ("name", "days", "says"),
    [("summer", None, "there are: default"), ("default", 0, "1 to 5 days"), ("default", 6, "1 to 5 days")],
)
def test_a_window_that_was_not_recorded_is_refused(name: str, days: int | None, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        window(name, days)
