"""Curves: sorted, disjoint, clipped, joined; days of any zone; settings that are checked before anybody is asked."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.feeds.source import Asked, Curve, NotPublished, Refused
from agents.feeds.sources import SOURCES
from agents.feeds.sources.curves import Piece, carbon, days, disjoint, joined, midnight, prices, scaled, span, stepped
from agents.feeds.sources.reading import said
from tests.feed_answers import DAY, HOUR, QUARTER

ZONES = ["Europe/London", "Europe/Berlin", "Europe/Oslo", "America/Los_Angeles", "Asia/Kolkata", "Australia/Lord_Howe"]
instants = st.integers(0, 3 * 365 * 96).map(lambda n: datetime(2025, 1, 1, tzinfo=UTC) + n * QUARTER)


def pieces(*spans: tuple[int, int, float]) -> list[Piece]:
    """Pieces of [start, end) in quarter hours of the day."""
    return [Piece(DAY + start * QUARTER, DAY + end * QUARTER, value) for start, end, value in spans]


grids = st.lists(st.tuples(st.integers(0, 40), st.integers(-1, 8), st.sampled_from([0.0, 0.1, 0.2])), max_size=8)


@given(grids)
def test_pieces_are_kept_whole_or_refused(spans: list[tuple[int, int, float]]) -> None:
    """Against quarter hours painted one by one: refused when a piece is empty or two that differ share a quarter."""
    told = set(pieces(*[(start, start + length, value) for start, length, value in spans]))
    painted: dict[datetime, list[Piece]] = {}
    for piece in told:
        for n in range((piece.end - piece.start) // QUARTER):
            painted.setdefault(piece.start + n * QUARTER, []).append(piece)
    bad = any(piece.end <= piece.start for piece in told) or any(len(by) > 1 for by in painted.values())
    if bad:
        with pytest.raises(Refused):
            disjoint(told)
    else:
        kept = disjoint([*told, *told])
        assert kept == sorted(told)


@given(grids, st.integers(0, 40), st.integers(1, 20))
def test_what_was_not_asked_is_clipped_and_the_rest_is_as_it_was(
    spans: list[tuple[int, int, float]], first: int, length: int
) -> None:
    try:
        told = disjoint(pieces(*[(start, start + size, value) for start, size, value in spans]))
    except Refused:
        return
    start, end = DAY + first * QUARTER, DAY + (first + length) * QUARTER

    def painted(found: list[Piece] | list[tuple[datetime, datetime, float]]) -> dict[datetime, float]:
        return {
            a + n * QUARTER: value
            for a, b, value in found
            for n in range((b - a) // QUARTER)
            if start <= a + n * QUARTER < end
        }

    expected = painted(told)
    if not expected:
        with pytest.raises(NotPublished):
            prices(told, "EUR", Asked({}, start, end))
        return
    read = prices(told, "EUR", Asked({}, start, end))
    assert painted([(slot.start, slot.end, slot.value) for slot in read.slots]) == expected
    assert start <= read.slots[0].start < read.slots[-1].end <= end


@pytest.mark.parametrize("currency", ["", "EU", "EURO", "eur", "E1R", "ÄÖÜ"])
def test_a_currency_is_a_code_of_three_letters(currency: str) -> None:
    with pytest.raises(Refused, match="three letters"):
        prices(pieces((0, 1, 0.1)), currency, Asked())


@pytest.mark.parametrize("value", [1000.1, -1000.1, float("inf"), float("nan")])
def test_absurd_prices_are_refused(value: float) -> None:
    with pytest.raises(Refused, match="absurd"):
        prices(pieces((0, 1, value)), "EUR", Asked())


@pytest.mark.parametrize("value", [-0.1, 5000.1, float("nan")])
def test_absurd_carbon_is_refused(value: float) -> None:
    with pytest.raises(Refused, match="absurd"):
        carbon(pieces((0, 1, value)), "average", Asked())


def test_zero_is_a_value() -> None:
    assert [slot.value for slot in prices(pieces((0, 1, 0.0)), "EUR", Asked()).slots] == [0.0]


def part(
    hours: tuple[int, int, float], issued: int | None = None, final: bool = True, notes: tuple[str, ...] = ()
) -> Curve:
    at = None if issued is None else DAY + issued * HOUR
    return prices(pieces(hours), "EUR", Asked(), issued_at=at, final=final, notes=notes)


def test_parts_join_into_one_curve() -> None:
    whole = joined([part((4, 8, 0.2), 1, True, ("a", "b")), part((0, 4, 0.1), 2, False, ("b",)), part((8, 9, 0.3))])
    assert [slot.value for slot in whole.slots] == [0.1, 0.2, 0.3]
    assert (whole.issued_at, whole.final, whole.notes) == (DAY + 2 * HOUR, False, ("a", "b"))
    assert joined([part((0, 4, 0.1))]) == part((0, 4, 0.1))


def test_parts_that_contradict_or_differ_do_not_join() -> None:
    with pytest.raises(Refused, match="two values"):
        joined([part((0, 4, 0.1)), part((0, 4, 0.2))])
    with pytest.raises(Refused, match="two slots"):
        joined([part((0, 4, 0.1)), part((3, 5, 0.1))])
    average = carbon(pieces((0, 1, 5.0)), "average", Asked())
    marginal = carbon(pieces((1, 2, 5.0)), "marginal", Asked())
    with pytest.raises(Refused, match="basis"):
        joined([average, marginal])
    with pytest.raises(Refused, match="unit"):
        joined([part((0, 4, 0.1)), prices(pieces((4, 5, 0.1)), "GBP", Asked())])


def test_rows_of_a_start_alone_last_one_step() -> None:
    rows = [(DAY, 1.0), (DAY + HOUR, None), (DAY + 2 * HOUR, 3.0)]
    assert stepped(rows, HOUR) == [Piece(DAY, DAY + HOUR, 1.0), Piece(DAY + 2 * HOUR, DAY + 3 * HOUR, 3.0)]
    assert stepped([(DAY, 1.0)], QUARTER) == [Piece(DAY, DAY + QUARTER, 1.0)]
    assert stepped([], QUARTER) == []


@pytest.mark.parametrize(
    "apart", [timedelta(minutes=30), timedelta(minutes=61), timedelta(hours=2), timedelta(seconds=1)]
)
def test_rows_of_another_distance_are_refused(apart: timedelta) -> None:
    with pytest.raises(Refused, match="minutes apart, not 60"):
        stepped([(DAY, 1.0), (DAY + apart, 2.0)], HOUR)


def test_one_row_off_the_grid_is_refused() -> None:
    with pytest.raises(Refused, match="minutes apart"):
        stepped([(DAY, 1.0), (DAY + HOUR, 2.0), (DAY + 2.5 * HOUR, 2.0)], HOUR)


@given(instants, st.integers(1, 6 * 96), st.sampled_from(ZONES))
def test_the_days_asked_are_those_that_the_time_touches(start: datetime, quarters: int, zone: str) -> None:
    end = start + quarters * QUARTER
    walked = sorted({(start + n * QUARTER).astimezone(ZoneInfo(zone)).date() for n in range(quarters)})
    found = days(Asked({}, start, end), zone)
    assert found == walked
    assert midnight(found[0], zone) <= start
    assert midnight(found[-1] + timedelta(days=1), zone) >= end


@pytest.mark.parametrize(
    ("day", "zone", "hours"),
    [
        (date(2026, 3, 29), "Europe/London", 23),
        (date(2026, 10, 25), "Europe/Oslo", 25),
        (date(2026, 3, 10), "Europe/Oslo", 24),
    ],
)
def test_a_day_lasts_as_long_as_its_zone_says(day: date, zone: str, hours: int) -> None:
    assert midnight(day + timedelta(days=1), zone) - midnight(day, zone) == hours * HOUR


@pytest.mark.parametrize("asked", [Asked(), Asked({}, DAY), Asked({}, None, DAY), Asked({}, DAY, DAY)])
def test_a_request_needs_a_time(asked: Asked) -> None:
    with pytest.raises(ValueError, match="start to end"):
        span(asked)


@given(st.integers(-10_000_000, 10_000_000))
def test_pence_and_megawatt_hours_leave_no_dust(cents: int) -> None:
    assert scaled(cents / 100, 0.01) == float(f"{cents}e-4")
    assert scaled(cents / 100, 0.001) == float(f"{cents}e-5")


def test_settings_are_checked_by_name() -> None:
    octopus = SOURCES["octopus"]
    with pytest.raises(ValueError, match="octopus has no setting colour; it has: product"):
        octopus.asked({"colour": "red"})
    with pytest.raises(ValueError, match="octopus needs tariff"):
        octopus.asked({"product": "P"})
    with pytest.raises(ValueError, match="vat must be one of inc, exc"):
        octopus.asked({"product": "P", "tariff": "T", "vat": "both"})
    assert octopus.asked({"product": "P", "tariff": "T"}).params["vat"] == "inc"


def test_every_source_is_told_by_its_name_and_its_licence() -> None:
    for name, source in SOURCES.items():
        assert source.name == name
        assert source.licence
        assert source.title
        assert ZoneInfo(source.zone).key == source.zone
        assert bool(source.host) != name.startswith("recorded-")
        assert "/" not in source.host


def test_what_a_source_says_becomes_one_short_line_without_keys() -> None:
    assert said("a\n b\t c") == "a b c"
    assert len(said("word " * 100)) <= 160
    assert said("key eyJhbGciOiJIUzI1NiIsInR5cCI6 is bad") == "key … is bad"
