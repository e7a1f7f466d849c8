"""The sources of prices but ENTSO-E: what each answer means."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.feeds.source import Denied, Refused
from agents.feeds.sources import SOURCES
from agents.feeds.sources.curves import joined
from tests.feed_answers import (
    CET_DAY,
    DAY,
    HALF,
    HOUR,
    QUARTER,
    TODAY,
    dataset,
    delivery,
    dutch,
    home,
    market,
    page,
    parse,
    priced,
    rate,
    record,
    values,
    viewer,
)


def test_octopus_rates_are_pence_newest_first_with_vat_or_without() -> None:
    body = page(rate(DAY + HALF, -2), rate(DAY, 20))
    assert values(parse("octopus", body)) == [0.21, -0.021]
    without = parse("octopus", body, {"vat": "exc"})
    assert (without.unit, values(without)) == ("GBP/kWh", [0.2, -0.02])


def test_an_octopus_rate_without_an_end_holds_to_the_end_of_what_was_asked() -> None:
    open_rate = rate(DAY - 400 * HOUR, 24.5, valid_to=None)
    read = parse("octopus", page(open_rate), {"vat": "exc"}, start=DAY, end=DAY + 24 * HOUR)
    assert [(slot.start, slot.end, slot.value) for slot in read.slots] == [(DAY, DAY + 24 * HOUR, 0.245)]
    with pytest.raises(Refused, match=r"results\[0\].valid_to"):
        parse("octopus", page(open_rate))
    later = rate(DAY + 48 * HOUR, 30, valid_to=None)
    read = parse("octopus", page(later, rate(DAY, 20)), {"vat": "exc"}, start=DAY, end=DAY + 24 * HOUR)
    assert values(read) == [0.2]


@pytest.mark.parametrize(("payment", "expected"), [("DIRECT_DEBIT", 0.2), ("NON_DIRECT_DEBIT", 0.22)])
def test_of_two_ways_to_pay_the_chosen_one_counts(payment: str, expected: float) -> None:
    debit, other = rate(DAY, 20, payment_method="DIRECT_DEBIT"), rate(DAY, 22, payment_method="NON_DIRECT_DEBIT")
    for rows in ([debit, other], [other, debit]):
        assert values(parse("octopus", page(*rows), {"payment": payment, "vat": "exc"})) == [expected]


def following(body: bytes, base: str = "https://api.octopus.energy") -> str | None:
    return SOURCES["octopus"].following(body, base)


def test_the_next_page_is_followed_as_it_is_but_only_on_the_same_host() -> None:
    path = "/v1/products/P/electricity-tariffs/T/standard-unit-rates/?page=2&page_size=1500&period_from=2026-03-10"
    for base in ("https://api.octopus.energy", "http://127.0.0.1:8123"):
        assert following(json.dumps(page(following=base + path)).encode(), base) == base + path
    assert following(json.dumps(page()).encode()) is None


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/v1/products/",
        "http://api.octopus.energy/v1/products/",
        "https://api.octopus.energy@evil.example/v1/products/",
        "https://api.octopus.energy:444/v1/products/",
        "https://api.octopus.energy/v1/accounts/",
        "//evil.example/v1/products/",
        "/v1/products/",
        "https://[bad/v1/products/",
        "file:///etc/passwd",
    ],
)
def test_a_next_page_elsewhere_is_refused(address: str) -> None:
    with pytest.raises(Refused, match="next"):
        following(json.dumps(page(following=address)).encode())


@given(st.lists(st.integers(-1000, 9000), min_size=1, max_size=120), st.integers(1, 50), st.integers(0, 3))
def test_pages_of_any_size_make_the_curve_of_one_page(pence: list[int], size: int, overlap: int) -> None:
    rates = [rate(DAY + n * HALF, value / 100) for n, value in enumerate(pence)][::-1]
    whole = parse("octopus", page(*rates))
    cuts = [rates[max(0, n - overlap) : n + size] for n in range(0, len(rates), size)]
    assert joined([parse("octopus", page(*cut)) for cut in cuts]) == whole


def test_danish_times_are_utc_though_they_do_not_say_so() -> None:
    rows = [
        record(DAY + n * QUARTER, 10.0 * n, DayAheadPriceDKK=74.6 * n, TimeDK="2026-03-10T01:00:00") for n in (1, 0)
    ]
    euros = parse("energidataservice", dataset(*rows), {"currency": "EUR"})
    assert [(slot.start, slot.end, slot.value) for slot in euros.slots] == [
        (DAY, DAY + QUARTER, 0.0),
        (DAY + QUARTER, DAY + 2 * QUARTER, 0.01),
    ]
    crowns = parse("energidataservice", dataset(*rows))
    assert (crowns.unit, values(crowns)) == ("DKK/kWh", [0.0, 0.0746])


def test_a_danish_price_that_is_null_is_a_gap() -> None:
    rows = [record(DAY + n * QUARTER, None if n == 1 else 10.0) for n in range(3)]
    read = parse("energidataservice", dataset(*rows), {"currency": "EUR"})
    assert [slot.start for slot in read.slots] == [DAY, DAY + 2 * QUARTER]


def test_awattar_tells_time_in_milliseconds() -> None:
    read = parse("awattar-de", {"object": "list", "data": [market(DAY, 85.3), market(DAY + HOUR, -0.01)]})
    assert [(slot.start, slot.end, slot.value) for slot in read.slots] == [
        (DAY, DAY + HOUR, 0.0853),
        (DAY + HOUR, DAY + 2 * HOUR, -0.00001),
    ]
    assert read.unit == "EUR/kWh"


@pytest.mark.parametrize(
    ("states", "final", "notes"),
    [
        ([{"state": "Final", "areas": ["SE3", "SE4"]}], True, ()),
        ([{"state": "Preliminary", "areas": ["SE3"]}], False, ()),
        ([{"state": "Final", "areas": ["SE4"]}, {"state": "Preliminary", "areas": ["SE3"]}], False, ()),
        ([{"state": "Postponed", "areas": ["SE3"]}], False, ("state not known to us",)),
        ([{"state": "Final", "areas": ["SE4"]}], False, ("no state is given",)),
        ([], False, ("no state is given",)),
    ],
)
def test_nord_pool_is_final_only_where_it_says_so(states: object, final: bool, notes: tuple[str, ...]) -> None:
    read = parse("nordpool", delivery(10.0, areaStates=states))
    assert (read.final, read.notes) == (final, notes)
    assert read.issued_at == datetime(2026, 3, 9, 12, 8, 18, 489419, UTC)


def test_a_nord_pool_price_that_is_null_is_a_gap() -> None:
    assert [slot.start for slot in parse("nordpool", delivery(10.0, None, 30.0)).slots] == [
        CET_DAY,
        CET_DAY + 2 * HOUR,
    ]


def test_tibber_prices_hold_everything_or_the_exchange_part_alone() -> None:
    tomorrow = [priced("2026-03-11T00:00:00.000+01:00", 1.75)]
    read = parse("tibber", viewer(home(TODAY, tomorrow)))
    assert [(slot.start, slot.end) for slot in read.slots][:2] == [
        (CET_DAY, CET_DAY + QUARTER),
        (CET_DAY + QUARTER, CET_DAY + HALF),
    ]
    assert (read.unit, values(read)) == ("NOK/kWh", [1.25, 1.5, 1.75])
    assert values(parse("tibber", viewer(home(TODAY)), {"part": "energy"})) == [0.8, 0.9]


def test_an_account_with_several_homes_must_say_which() -> None:
    two = viewer(home(TODAY), home([priced("2026-03-10T00:00:00+01:00", 9.0)], id_="h2"))
    assert values(parse("tibber", two, {"home": "h2"})) == [9.0]
    for settings in ({}, {"home": "h3"}):
        with pytest.raises(Denied, match="homes that fit"):
            parse("tibber", two, settings)


AMSTERDAM = ZoneInfo("Europe/Amsterdam")


def walls_of(day: date, step: timedelta) -> list[str]:
    """The wall times of a Dutch day, as a clock on the wall shows them."""
    at, end = (
        datetime(day.year, day.month, day.day, tzinfo=AMSTERDAM).astimezone(UTC),
        datetime(day.year, day.month, day.day + 1, tzinfo=AMSTERDAM).astimezone(UTC),
    )
    return [f"{(at + n * step).astimezone(AMSTERDAM):%Y-%m-%dT%H:%M}" for n in range(round((end - at) / step))]


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 4, 19), 24)])
@pytest.mark.parametrize(("granularity", "step"), [("hour", HOUR), ("quarter", QUARTER)])
def test_wall_times_without_a_zone_fill_days_of_a_clock_change(
    day: date, hours: int, granularity: str, step: timedelta
) -> None:
    read = parse("easyenergy", dutch(walls_of(day, step), granularity), {"part": "price"})
    first = datetime(day.year, day.month, day.day, tzinfo=AMSTERDAM).astimezone(UTC)
    count = round(hours * HOUR / step)
    assert [(slot.start, slot.end) for slot in read.slots] == [
        (first + n * step, first + (n + 1) * step) for n in range(count)
    ]
    assert values(read) == [n / 100 for n in range(count)]


def test_a_doubled_hour_that_is_told_once_is_the_first_one() -> None:
    read = parse("easyenergy", dutch(["2026-10-25T01:00", "2026-10-25T02:00", "2026-10-25T03:00"]), {"part": "price"})
    assert [slot.start.hour for slot in read.slots] == [23, 0, 2]
