"""The sources of carbon: what each answer means, average or marginal, and never a 0 for what is unknown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agents.feeds.source import Answer, Denied
from agents.feeds.sources import SOURCES
from agents.feeds.sources.neso import ZERO_NOTE
from streams.contracts.forecast import ForecastKind
from tests.feed_answers import DAY, HALF, HOUR, half_hours, moer, parse, region, values, zone

FIVE = timedelta(minutes=5)


def test_the_national_forecast_is_average_by_the_half_hour() -> None:
    read = parse("neso", {"data": half_hours(266, 250.5)})
    assert (read.kind, read.unit, read.basis) == (ForecastKind.CARBON, "gCO2/kWh", "average")
    assert [(slot.start, slot.end, slot.value) for slot in read.slots] == [
        (DAY, DAY + HALF, 266),
        (DAY + HALF, DAY + HOUR, 250.5),
    ]


def test_an_actual_that_is_null_or_zero_is_unknown() -> None:
    rows = half_hours(None, 263, 0, 250, key="actual")
    read = parse("neso", {"data": rows}, {"value": "actual"})
    assert [slot.start for slot in read.slots] == [DAY + HALF, DAY + 3 * HALF]
    assert read.notes == (ZERO_NOTE,)
    assert parse("neso", {"data": half_hours(263, key="actual")}, {"value": "actual"}).notes == ()


def test_a_forecast_of_zero_is_true_of_a_region() -> None:
    read = parse("neso-regional", {"data": region(1, 0, 5)}, {"region": "1"})
    assert (values(read), read.notes) == ([0, 5], ())


ALL = [
    {**row, "regions": [{"regionid": n, "intensity": {"forecast": 10 * n + k}} for n in (12, 13, 14)]}
    for k, row in enumerate(half_hours(0, 0))
]


@pytest.mark.parametrize(
    "body",
    [{"data": region(13, 130, 131)}, {"data": [region(13, 130, 131)]}, {"data": ALL}],
    ids=["an object", "a list of one", "all regions"],
)
def test_a_region_comes_in_three_shapes(body: dict[str, Any]) -> None:
    assert values(parse("neso-regional", body, {"region": "13"})) == [130, 131]


def test_the_slot_that_ends_where_we_asked_is_clipped_away() -> None:
    read = parse("neso", {"data": half_hours(1, 2, 3)}, start=DAY + HALF, end=DAY + 2 * HALF)
    assert [(slot.start, slot.value) for slot in read.slots] == [(DAY + HALF, 2)]


def test_pounds_per_megawatt_hour_become_grams_per_kilowatt_hour() -> None:
    read = parse("watttime", moer(1000.0, None, 870.0))
    assert [(slot.start, slot.end, slot.value) for slot in read.slots] == [
        (DAY, DAY + FIVE, 453.59237),
        (DAY + 2 * FIVE, DAY + 3 * FIVE, 394.6253619),
    ]
    assert (read.unit, read.basis, read.issued_at) == ("gCO2/kWh", "marginal", datetime(2026, 3, 9, 23, 55, tzinfo=UTC))


def test_the_average_signal_is_told_apart_from_the_marginal_one() -> None:
    body = moer(800.0, meta={"signal_type": "co2_aoer"})
    assert parse("watttime", body, {"signal_type": "co2_aoer"}).basis == "average"


def test_warnings_are_kept_as_notes() -> None:
    warnings = [{"type": "EXTENDED_FORECAST", "message": "model  is\nold"}]
    assert parse("watttime", moer(1.0, meta={"warnings": warnings})).notes == ("EXTENDED_FORECAST: model is old",)
    assert parse("watttime", moer(1.0, meta={"warnings": []})).notes == ()


def test_the_login_gives_a_token_for_the_other_requests() -> None:
    login = SOURCES["watttime"].login
    assert login is not None
    assert login.request.path == "/login"
    assert login.lasts == timedelta(minutes=30)
    assert login.token(Answer(b'{"token": "abc"}')) == "abc"
    with pytest.raises(Denied):
        login.token(Answer(b"", 401))


@pytest.mark.parametrize("key", ["forecast", "history", "data"])
def test_electricity_maps_says_null_where_it_does_not_know(key: str) -> None:
    read = parse("electricitymaps", zone(300, None, 280.5, key=key))
    assert [(slot.start, slot.end, slot.value) for slot in read.slots] == [
        (DAY, DAY + HOUR, 300),
        (DAY + 2 * HOUR, DAY + 3 * HOUR, 280.5),
    ]
    assert (read.basis, read.issued_at) == ("average", datetime(2026, 3, 9, 22, 10, tzinfo=UTC))


def test_estimated_values_are_noted() -> None:
    body = zone(300, 290, 280, key="history")
    for row in body["history"][1:]:
        row["isEstimated"] = True
    assert parse("electricitymaps", body).notes == ("2 values are estimated",)


def test_danish_emissions_come_every_five_minutes() -> None:
    rows = [
        {"Minutes5UTC": f"{DAY + n * FIVE:%Y-%m-%dT%H:%M:%S}", "PriceArea": "DK1", "CO2Emission": value}
        for n, value in enumerate((55.0, None, 60.0))
    ]
    body = {"total": 3, "dataset": "CO2EmisProg", "records": rows}
    read = parse("energidataservice-carbon", body)
    assert [(slot.start, slot.end, slot.value) for slot in read.slots] == [
        (DAY, DAY + FIVE, 55),
        (DAY + 2 * FIVE, DAY + 3 * FIVE, 60),
    ]
    assert read.basis == "average"


@pytest.mark.parametrize(("first", "count"), [("2026-03-29T00:00", 46), ("2025-10-25T23:00", 50)])
def test_british_days_of_a_clock_change_have_as_many_half_hours_as_they_last(first: str, count: int) -> None:
    start = datetime.fromisoformat(f"{first}Z")
    read = parse("neso", {"data": half_hours(*range(1, count + 1), start=start)})
    assert len(read.slots) == count
    assert read.slots[-1].end == start + count * HALF
