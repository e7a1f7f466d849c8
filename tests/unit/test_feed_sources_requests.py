"""What each source is asked: path, query, headers; keys only as names in braces."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from agents.feeds.source import Denied, Request
from agents.feeds.sources import SOURCES
from tests.feed_answers import DAY, HOUR, NEEDED, NONE

NEXT = DAY + 24 * HOUR


def ask(
    name: str, settings: Mapping[str, str] = NONE, start: datetime = DAY, end: datetime = NEXT
) -> tuple[Request, ...]:
    source = SOURCES[name]
    return source.requests(source.asked({**NEEDED.get(name, {}), **settings}, start, end))


def test_octopus_is_asked_in_utc_with_the_largest_page() -> None:
    path = "/v1/products/AGILE-24-10-01/electricity-tariffs/E-1R-AGILE-24-10-01-C/standard-unit-rates/"
    query = {"period_from": "2026-03-10T00:00:00Z", "period_to": "2026-03-11T00:00:00Z", "page_size": "1500"}
    assert ask("octopus") == (Request(path, query),)
    (night,) = ask("octopus", {"rates": "night-unit-rates", "product": "a/../b"})
    assert night.path == "/v1/products/a%2F..%2Fb/electricity-tariffs/E-1R-AGILE-24-10-01-C/night-unit-rates/"


def test_danish_days_are_local_and_the_limit_is_told() -> None:
    (request,) = ask("energidataservice", start=DAY - 2 * HOUR)
    assert request.path == "/dataset/DayAheadPrices"
    assert json.loads(request.query["filter"]) == {"PriceArea": ["DK1"]}
    assert {name: request.query[name] for name in ("start", "end", "sort", "limit")} == {
        "start": "2026-03-09",
        "end": "2026-03-12",
        "sort": "TimeUTC asc",
        "limit": "10000",
    }
    (co2,) = ask("energidataservice-carbon")
    assert (co2.path, co2.query["sort"]) == ("/dataset/CO2EmisProg", "Minutes5UTC asc")


def test_awattar_is_asked_in_milliseconds() -> None:
    query = {"start": "1773100800000", "end": "1773187200000"}
    assert ask("awattar-de") == ask("awattar-at") == (Request("/v1/marketdata", query),)
    assert (SOURCES["awattar-de"].host, SOURCES["awattar-at"].host) == ("api.awattar.de", "api.awattar.at")


def test_nord_pool_is_asked_by_the_delivery_day() -> None:
    common = {"market": "DayAhead", "currency": "EUR"}
    assert ask("nordpool") == tuple(
        Request("/api/DayAheadPrices", {**common, "date": day, "deliveryArea": "SE3"})
        for day in ("2026-03-10", "2026-03-11")
    )
    start = datetime(2026, 3, 9, 23, tzinfo=UTC)
    (index,) = ask("nordpool", {"index": "15", "currency": "SEK"}, start, start + 24 * HOUR)
    assert index == Request(
        "/api/DayAheadPriceIndices",
        {
            "market": "DayAhead",
            "currency": "SEK",
            "date": "2026-03-10",
            "indexNames": "SE3",
            "resolutionInMinutes": "15",
        },
    )


def test_tibber_is_asked_by_graphql() -> None:
    (request,) = ask("tibber", {"resolution": "HOURLY"})
    assert (request.path, request.method) == ("/v1-beta/gql", "POST")
    assert request.headers["Authorization"] == "Bearer {api_key}"
    query = request.body["query"]
    assert "priceInfo(resolution:HOURLY)" in query
    assert query.count("{") == query.count("}")


def test_dutch_days_are_asked_one_by_one() -> None:
    assert [request.query["date"] for request in ask("energyzero")] == ["10-03-2026", "11-03-2026"]
    (first, _) = ask("energyzero", {"interval": "INTERVAL_HOUR"})
    assert first.query["interval"] == "INTERVAL_HOUR"
    with pytest.raises(Denied, match="set path"):
        ask("easyenergy")
    assert [request.path for request in ask("easyenergy", {"path": "/api/{day}?x=1"})] == [
        "/api/2026-03-10?x=1",
        "/api/2026-03-11?x=1",
    ]


def test_neso_is_asked_ahead_or_in_pieces_of_a_fortnight() -> None:
    ahead = Request("/intensity/2026-03-10T00:00Z/fw48h")
    assert ask("neso") == ask("neso", end=DAY + 48 * HOUR) == (ahead,)
    assert ask("neso", end=DAY + 49 * HOUR) == (Request("/intensity/2026-03-10T00:00Z/2026-03-12T01:00Z"),)
    assert [request.path for request in ask("neso", end=DAY + timedelta(days=20))] == [
        "/intensity/2026-03-10T00:00Z/2026-03-24T00:00Z",
        "/intensity/2026-03-24T00:00Z/2026-03-30T00:00Z",
    ]
    assert ask("neso-regional", {"region": "13"}) == (
        Request("/regional/intensity/2026-03-10T00:00Z/fw48h/regionid/13"),
    )
    assert ask("neso-regional", {"postcode": "BH1/x"})[0].path.endswith("/postcode/BH1%2Fx")


@pytest.mark.parametrize("settings", [{}, {"region": "13", "postcode": "BH1"}])
def test_a_region_is_named_in_one_way(settings: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="either region or postcode"):
        ask("neso-regional", settings)


@pytest.mark.parametrize(("hours", "horizon"), [(1, "1"), (23.5, "24"), (72, "72"), (100, "72")])
def test_watttime_is_asked_for_whole_hours_ahead(hours: float, horizon: str) -> None:
    (request,) = ask("watttime", end=DAY + hours * HOUR)
    assert request.query == {"region": "CAISO_NORTH", "signal_type": "co2_moer", "horizon_hours": horizon}
    assert request.headers == {"Authorization": "Bearer {token}"}


@pytest.mark.parametrize(("hours", "horizon"), [(1, "6"), (7, "24"), (48, "48"), (100, "72")])
def test_electricity_maps_is_asked_for_a_horizon_that_it_knows(hours: float, horizon: str) -> None:
    (request,) = ask("electricitymaps", {"factors": "direct"}, end=DAY + hours * HOUR)
    assert request.path == "/v3/carbon-intensity/forecast"
    assert request.query == {
        "zone": "DE",
        "horizonHours": horizon,
        "temporalGranularity": "hourly",
        "emissionFactorType": "direct",
    }
    assert request.headers == {"auth-token": "{api_key}"}


def test_a_recording_is_asked_from_nobody() -> None:
    assert ask("recorded-prices") == ask("recorded-carbon") == ()
