"""The retail formula: fees, VAT both ways, bands by wall time on every kind of day, and one currency only."""

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts.forecast import Slot
from streams.domain.retail import Amount, Band, CannotPrice, Formula, amount_at, by_table, retail, uncovered

BERLIN, LONDON = ZoneInfo("Europe/Berlin"), ZoneInfo("Europe/London")
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
NIGHT = Band(0.05, start=time(22), end=time(6))
DAY_AND_NIGHT: Amount = (NIGHT, Band(0.20))
WORKDAYS = frozenset(range(5))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def slot(text: str, value: float, length: timedelta = HOUR) -> Slot:
    return Slot(start=utc(text), end=utc(text) + length, value=value)


@pytest.mark.parametrize(
    ("formula", "energy", "price"),
    [
        (Formula("EUR", BERLIN), 0.1, 0.1),
        (Formula("EUR", BERLIN, fees=(0.05, 0.02)), 0.1, 0.17),
        (Formula("EUR", BERLIN, fees=(0.05,), vat=0.2), 0.1, 0.18),
        (Formula("EUR", BERLIN, fees=(0.05,), vat=0.2, source_vat=0.2), 0.12, 0.18),
        (Formula("GBP", LONDON, source_vat=0.05), 0.21, 0.2),
        (Formula("EUR", BERLIN, multiplier=1.1, fees=(0.01,)), 0.1, 0.12),
        (Formula("EUR", BERLIN, fees=(0.05,), vat=0.2), -0.1, -0.06),
        (Formula("EUR", BERLIN, fees=(-0.02,)), 0.0, -0.02),
    ],
)
def test_energy_then_fees_then_vat(formula: Formula, energy: float, price: float) -> None:
    (found,) = retail([slot("2023-05-01T12:00", energy)], formula.unit, formula)
    assert found == slot("2023-05-01T12:00", price)


@pytest.mark.parametrize("unit", ["GBP/kWh", "EUR/MWh", "EUR", "eur/kWh", "gCO2/kWh"])
def test_another_currency_or_unit_is_refused(unit: str) -> None:
    with pytest.raises(CannotPrice, match="the tariff is in EUR/kWh"):
        retail([slot("2023-05-01T12:00", 0.1)], unit, Formula("EUR", BERLIN))


def test_gaps_stay_gaps() -> None:
    slots = [slot("2023-05-01T12:00", 0.1), slot("2023-05-01T15:00", 0.2)]
    assert retail(slots, "EUR/kWh", Formula("EUR", BERLIN, fees=((Band(0.0),),))) == tuple(slots)


def test_a_slot_is_cut_where_a_fee_changes() -> None:
    formula = Formula("EUR", BERLIN, fees=((Band(0.05, start=time(22, 10), end=time(6)), Band(0.2)),))
    found = retail([slot("2023-05-01T20:00", 0.1), slot("2023-05-01T21:00", 0.3)], "EUR/kWh", formula)
    ten = timedelta(minutes=10)
    assert found == (
        slot("2023-05-01T20:00", 0.3, ten), slot("2023-05-01T20:10", 0.15, 5 * ten), slot("2023-05-01T21:00", 0.35),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("day", "first_utc", "hours", "cheap"),
    [
        ("2023-03-25", "2023-03-24T23:00", 24, 8),
        ("2023-03-26", "2023-03-25T23:00", 23, 7),  # 02:00 to 03:00 is skipped
        ("2023-10-29", "2023-10-28T22:00", 25, 9),  # 02:00 to 03:00 comes twice
    ],
)
def test_bands_hold_by_the_wall_on_days_of_23_24_and_25_hours(day: str, first_utc: str, hours: int, cheap: int) -> None:
    start = utc(first_utc)
    found = by_table(DAY_AND_NIGHT, Formula("EUR", BERLIN), start, start + hours * HOUR)
    walls = [(f"{one.start.astimezone(BERLIN):%d %H:%M}", one.value) for one in found]
    assert walls == [(f"{day[-2:]} 00:00", 0.05), (f"{day[-2:]} 06:00", 0.2), (f"{day[-2:]} 22:00", 0.05)]
    assert sum((one.end - one.start for one in found if one.value == 0.05), timedelta()) == cheap * HOUR


def test_a_band_inside_the_hour_that_is_skipped_or_repeated() -> None:
    twice: Amount = (Band(1.0, start=time(2), end=time(3)), Band(0.0))
    spring = by_table(twice, Formula("EUR", BERLIN), utc("2023-03-25T23:00"), utc("2023-03-26T22:00"))
    autumn = by_table(twice, Formula("EUR", BERLIN), utc("2023-10-28T22:00"), utc("2023-10-29T23:00"))
    assert [one.value for one in spring] == [0.0]
    assert [(one.start, one.end) for one in autumn if one.value == 1.0] == [
        (utc("2023-10-29T00:00"), utc("2023-10-29T02:00"))
    ]


@pytest.mark.parametrize(
    ("first", "hours", "inside"),
    [
        ("2023-03-25T23:00", 23, [("2023-03-26T01:00", "2023-03-26T02:00")]),  # half past two is skipped
        (
            "2023-10-28T22:00", 25,
            [("2023-10-29T00:30", "2023-10-29T01:00"), ("2023-10-29T01:30", "2023-10-29T03:00")],  # and comes twice
        ),
    ],
)  # fmt: skip
def test_a_band_that_begins_inside_the_hour_of_the_clock_change(
    first: str, hours: int, inside: list[tuple[str, str]]
) -> None:
    from_half_past_two: Amount = (Band(1.0, start=time(2, 30), end=time(4)), Band(0.0))
    found = by_table(from_half_past_two, Formula("EUR", BERLIN), utc(first), utc(first) + hours * HOUR)
    assert [(one.start, one.end) for one in found if one.value] == [(utc(a), utc(b)) for a, b in inside]


def test_a_band_past_midnight_is_of_the_day_on_which_it_began() -> None:
    friday: Amount = (Band(1.0, frozenset({4}), time(22), time(6)), Band(0.0))
    found = by_table(friday, Formula("EUR", BERLIN), utc("2023-05-03T22:00"), utc("2023-05-07T22:00"))
    assert [(one.start, one.end) for one in found if one.value] == [(utc("2023-05-05T20:00"), utc("2023-05-06T04:00"))]


def test_weekdays_by_the_wall() -> None:
    amount: Amount = (Band(0.3, WORKDAYS), Band(0.1))
    # Sunday 22:30Z is Monday 00:30 in Berlin.
    assert amount_at(amount, utc("2023-05-07T21:30"), BERLIN) == 0.1
    assert amount_at(amount, utc("2023-05-07T22:30"), BERLIN) == 0.3


def test_of_two_bands_the_first_counts() -> None:
    assert amount_at((Band(1.0, start=time(2), end=time(4)), Band(2.0)), utc("2023-05-07T01:00"), BERLIN) == 1.0


@pytest.mark.parametrize(
    ("amount", "hole"),
    [
        (0.1, None),
        (DAY_AND_NIGHT, None),
        ((NIGHT,), "Mon 06:00"),
        ((Band(0.1, WORKDAYS),), "Sat 00:00"),
        ((Band(0.1, frozenset({4}), time(22), time(6)), Band(0.2, WORKDAYS | {6})), "Sat 06:00"),
        ((), "Mon 00:00"),
    ],
)
def test_a_table_with_a_hole_says_where(amount: Amount, hole: str | None) -> None:
    assert uncovered(amount) == hole


def test_a_time_without_a_band_has_no_price() -> None:
    with pytest.raises(CannotPrice, match="no band covers Mon 06:00"):
        by_table((NIGHT,), Formula("EUR", BERLIN), utc("2023-05-01T00:00"), utc("2023-05-01T12:00"))


_times = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 20, 30]))
_bands = st.builds(Band, st.integers(0, 9).map(float), st.frozensets(st.integers(0, 6), min_size=1), _times, _times)
_starts = st.sampled_from(["2023-03-24T00:00", "2023-10-27T11:15", "2023-07-01T07:40"]).map(utc)


@given(
    st.lists(_bands, max_size=4).map(lambda bands: (*bands, Band(100.0))),
    _starts,
    st.integers(1, 100),
    st.sampled_from([BERLIN, LONDON, ZoneInfo("America/New_York"), ZoneInfo("Australia/Lord_Howe")]),
)
def test_every_minute_costs_what_the_table_says_of_its_wall_time(
    amount: Amount, start: datetime, hours: int, zone: ZoneInfo
) -> None:
    found = by_table(amount, Formula("EUR", zone), start, start + hours * HOUR)
    assert found[0].start == start
    assert found[-1].end == start + hours * HOUR
    assert all(before.end == after.start and before.value != after.value for before, after in pairwise(found))
    for one in found:
        at = one.start
        while at < one.end:
            assert amount_at(amount, at, zone) == one.value
            at += 5 * MINUTE


@given(st.floats(-1, 5), st.floats(0, 0.3), st.floats(0, 1))
def test_vat_both_ways_cancels(energy: float, vat: float, fee: float) -> None:
    gross, net = Formula("EUR", BERLIN, (fee,), vat, source_vat=vat), Formula("EUR", BERLIN, (fee,), vat)
    at = utc("2023-05-01T12:00")
    assert gross.price(energy * (1 + vat), at) == pytest.approx(net.price(energy, at), abs=1e-8)
