"""What is no curve ends by what to do next, and says in one line which field is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from agents.feeds.source import Denied, Down, FeedError, NotPublished, Refused, Slow
from tests.feed_answers import (
    DAY,
    ERROR,
    HALF,
    HOUR,
    NONE,
    TODAY,
    dataset,
    delivery,
    dutch,
    half_hours,
    home,
    market,
    moer,
    page,
    parse,
    priced,
    rate,
    record,
    region,
    viewer,
    z,
    zone,
)


class End(NamedTuple):
    """An answer, and the words with which it is refused, or another end."""

    about: str
    body: object
    why: str
    kind: type[FeedError] = Refused
    status: int = 200
    settings: Mapping[str, str] = NONE


EUR = {"currency": "EUR"}
BARE = {"part": "price"}
LONDON = {"region": "13"}


def octopus(**more: Any) -> dict[str, Any]:
    return page(rate(DAY, 1, **more))


def danish(**more: Any) -> dict[str, Any]:
    return dataset(record(DAY, 1.0, **more))


def awattar(**more: Any) -> dict[str, Any]:
    return {"data": [market(DAY, 1.0, **more)]}


def zero(value: object) -> dict[str, Any]:
    return {"all_in_with_vat": [{"start": z(DAY), "end": z(DAY + HOUR), "price": {"value": value}}]}


def easy(**row: Any) -> dict[str, Any]:
    return {"prices": [{"from": "2026-03-10T00:00:00", "unit": "kWh", "granularity": "hour", **row}]}


def tibber(*starts: str, **more: Any) -> dict[str, Any]:
    return viewer(home([priced(f"2026-03-10T{start}:00+01:00", 1.0, **more) for start in starts]))


def life_cycle() -> dict[str, Any]:
    body = zone(1)
    body["forecast"][0]["emissionFactorType"] = "lifecycle"
    return body


ENDS: dict[str, list[End]] = {
    "octopus": [
        End("nothing", page(), "time asked", NotPublished),
        End("no such product", {"detail": "Not found."}, "HTTP 404", status=404),
        End("null value", octopus(value_inc_vat=None), "results[0].value_inc_vat is missing"),
        End("text value", octopus(value_inc_vat="5"), "results[0].value_inc_vat must be a finite number"),
        End("true value", octopus(value_inc_vat=True), "value_inc_vat"),
        End("NaN", b'{"results":[{"value_inc_vat":NaN}]}', "NaN"),
        End("infinite", b'{"results":[{"value_inc_vat":1e999}]}', "value_inc_vat"),
        End("absurd", octopus(value_inc_vat=1e6), "2026-03-10T00:00Z is absurd"),
        End("no start", octopus(valid_from=None), "valid_from is missing"),
        End("local start", octopus(valid_from="2026-03-10T00:00:00"), "valid_from must be a time with its offset"),
        End("year 1", octopus(valid_from="0001-01-01T00:00:00+14:00"), "this century"),
        End("end before start", octopus(valid_to=z(DAY - HALF)), "does not end after its start"),
        End("contradiction", page(rate(DAY, 1), rate(DAY, 2)), "two values for 2026-03-10T00:00Z"),
        End("overlap", page(rate(DAY, 1, DAY + HOUR), rate(DAY + HALF, 1)), "two slots hold 2026-03-10T00:30Z"),
        End("a web page", b"<html>", "not JSON"),
        End("empty", b"", "not JSON"),
        End("a list", [], "the answer must be an object"),
        End("no list", {"results": {}}, "results must be a list"),
        End("deep", b"[" * 100_000, "not JSON"),
        End("down", b"oops", "502", Down, 502),
        End("too slow", b"", "408", Down, 408),
        End("elsewhere", b"", "HTTP 301", status=301),
    ],
    "energidataservice": [
        End("nothing", dataset(), "no records", NotPublished),
        End("cut off", dataset(record(DAY, 1.0), total=192), "cut off", settings=EUR),
        End("another area", danish(PriceArea="DK2"), "records[0].PriceArea must be the area asked", settings=EUR),
        End("another dataset", {**danish(), "dataset": "Elspotprices"}, "dataset must be DayAheadPrices"),
        End("hours", dataset(record(DAY, 1.0), record(DAY + HOUR, 1.0)), "60 minutes apart, not 15", settings=EUR),
        End("all null", dataset(record(DAY, None)), "time asked", NotPublished, settings=EUR),
    ],
    "awattar-at": [
        End("nothing", {"data": []}, "time asked", NotPublished),
        End("another unit", awattar(unit="Eur/kWh"), "data[0].unit must be Eur/MWh"),
        End("seconds", awattar(start_timestamp=1773100800), "data[0].start_timestamp must be a time of this century"),
        End("null", awattar(marketprice=None), "data[0].marketprice is missing"),
    ],
    "nordpool": [
        End("not yet", b"", "204", NotPublished, 204),
        End("no entries", delivery(), "time asked", NotPublished),
        End("another currency", delivery(1.0, currency="SEK"), "currency must be EUR"),
        End("another day", delivery(1.0, deliveryDateCET="2026-03-11"), "deliveryDateCET is not the day"),
        End("the day before", delivery(1.0, deliveryDateCET="2026-03-09"), "deliveryDateCET is not the day"),
        End("no day", delivery(1.0, deliveryDateCET="soon"), "deliveryDateCET must be a day"),
        End("last of days", delivery(1.0, deliveryDateCET="9999-12-31"), "deliveryDateCET must be a day"),
        End("another area", delivery(1.0), "multiAreaEntries[0].entryPerArea", settings={"area": "FI"}),
        End("no states", delivery(1.0, areaStates=None), "areaStates is missing"),
    ],
    "tibber": [
        End("not yet", viewer(home([], [])), "no prices yet", NotPublished),
        End("bad token with 200", {"errors": [ERROR], "data": None}, "token", Denied),
        End("bad token with 400", {"errors": [ERROR]}, "token", Denied, 400),
        End("bad token with 401", b"", "401", Denied, 401),
        End("another error", {"errors": [{"message": "Cannot query field x"}]}, "Cannot query field x", status=400),
        End("an error beside data", {**tibber("00:00"), "errors": [{"message": "partial"}]}, "partial"),
        End("empty errors", {"errors": []}, "errors"),
        End("400 without errors", {}, "HTTP 400", status=400),
        End("no contract", viewer({"id": "h1", "currentSubscription": None}), "subscription", Denied),
        End("no home", viewer(), "0 homes that fit", Denied),
        End("hours", tibber("00:00", "01:00"), "60 minutes apart, not 15"),
        End("two currencies", viewer(home([TODAY[0], {**TODAY[1], "currency": "SEK"}])), "currency differs"),
        End("no currency", tibber("00:00", currency=""), "currency must be a text"),
        End("a long currency", tibber("00:00", currency="CROWNS"), "three letters"),
        End("null price", viewer(home([{**TODAY[0], "total": None}])), "time asked", NotPublished),
        End("no tomorrow", viewer(home(TODAY, None)), "priceInfo.tomorrow is missing"),
    ],
    "energyzero": [
        End("not yet", {"error": "no data"}, "404", NotPublished, 404),
        End("a number, not a text", zero(0.1), "all_in_with_vat[0].price.value"),
        End("nan", zero("nan"), "price.value must be a finite number"),
        End("digits of another script", zero("٠.١"), "price.value must be a finite number"),
        End("null", zero(None), "price.value"),
        End("no such list", {"base": []}, "all_in_with_vat is missing"),
    ],
    "easyenergy": [
        End("nothing", dutch([]), "no prices yet", NotPublished),
        End("a zone", easy(**{"from": "2026-03-10T00:00:00Z"}), "prices[0].from must be a time without a zone"),
        End("an hour left out", dutch(["2026-03-29T02:30"]), "clock change", settings=BARE),
        End("told twice", dutch(["2026-03-10T02:00"] * 2), "two values", settings=BARE),
        End("another unit", easy(unit="m3"), "prices[0].unit must be kWh"),
        End("another length", easy(granularity="day"), "granularity must be one of hour, quarter"),
        End("no such zone", dutch(["2026-03-10T02:00"]), "zone", settings={"zone": "Mars/Olympus"}),
        End("a zone outside", dutch(["2026-03-10T02:00"]), "zone", settings={"zone": "../../etc/passwd"}),
    ],
    "neso": [
        End("nothing", {"data": []}, "time asked", NotPublished),
        End("all null", {"data": half_hours(None)}, "time asked", NotPublished),
        End("an error", {"error": {"code": "400 Bad Request", "message": "Bad date"}}, "Bad date", status=400),
        End("an error without words", {"error": {}}, "error.message is missing", status=400),
        End("down", {"error": {"code": "500", "message": "x"}}, "500", Down, 500),
        End("below zero", {"data": half_hours(-1)}, "absurd"),
        End("absurd", {"data": half_hours(100, 90_000)}, "2026-03-10T00:30Z is absurd"),
        End("a text", {"data": [{**half_hours(1)[0], "intensity": "low"}]}, "intensity must be an object"),
        End("two values", {"data": half_hours(1) + half_hours(2)}, "two values"),
    ],
    "neso-regional": [
        End("nothing", {"data": []}, "no data for the region", NotPublished, settings={"postcode": "ZZ9"}),
        End("nothing inside", {"data": region(13)}, "time asked", NotPublished, settings=LONDON),
        End("another region", {"data": region(12, 5)}, "data.regionid must be the region asked", settings=LONDON),
        End("two regions", {"data": [region(13, 5), region(14, 5)]}, "holds 2 regions", settings=LONDON),
        End("another postcode", {"data": region(11, 5, postcode="BH1")}, "postcode", settings={"postcode": "E1"}),
        End("not among all", {"data": [{**half_hours(1)[0], "regions": []}]}, "data[0].regions", settings=LONDON),
    ],
    "watttime": [
        End("nothing", moer(), "time asked", NotPublished),
        End("token out of date", b"", "401", Denied, 401),
        End("no access to the region", b"", "403", Denied, 403),
        End("another unit", moer(1.0, meta={"units": "kg_co2_per_mwh"}), "meta.units must be lbs_co2_per_mwh"),
        End("no unit", moer(1.0, meta={"units": None}), "meta.units is missing"),
        End("another signal", moer(1.0, meta={"signal_type": "co2_aoer"}), "meta.signal_type must be the one asked"),
        End("another region", moer(1.0, meta={"region": "PJM"}), "meta.region must be the one asked"),
        End("another length", moer(1.0, 2.0, meta={"data_point_period_seconds": 3600}), "5 minutes apart, not 60"),
        End("no length", moer(1.0, meta={"data_point_period_seconds": 0}), "data_point_period_seconds"),
        End("below zero", moer(-1.0), "absurd"),
    ],
    "electricitymaps": [
        End("all null", zone(None), "time asked", NotPublished),
        End("bad key", {"error": "x"}, "401", Denied, 401),
        End("another zone", {**zone(1), "zone": "FR"}, "zone must be the zone asked"),
        End("no list", {"zone": "DE"}, "one of forecast, history, data"),
        End("two lists", zone(1, history=[]), "one of forecast, history, data"),
        End("minutes", zone(1, 2), "60 minutes apart, not 15", settings={"granularity": "15_minutes"}),
        End("other factors", life_cycle(), "emissionFactorType must be direct", settings={"factors": "direct"}),
    ],
}


@pytest.mark.parametrize(
    ("name", "end"), [pytest.param(name, end, id=f"{name}, {end.about}") for name, ends in ENDS.items() for end in ends]
)
def test_what_is_no_curve_ends_by_what_to_do_next(name: str, end: End) -> None:
    with pytest.raises(FeedError) as trouble:
        parse(name, end.body, end.settings, end.status)
    assert type(trouble.value) is end.kind
    assert end.why in str(trouble.value)
    assert "\n" not in str(trouble.value)


@pytest.mark.parametrize(
    ("name", "status"), [("octopus", 429), ("tibber", 429), ("tibber", 428), ("nordpool", 429), ("watttime", 429)]
)
def test_how_long_to_wait_is_the_word_of_the_source(name: str, status: int) -> None:
    for wait in (timedelta(seconds=90), None):
        with pytest.raises(Slow) as trouble:
            parse(name, b"slow down", status=status, retry_after=wait)
        assert trouble.value.retry_after == wait
