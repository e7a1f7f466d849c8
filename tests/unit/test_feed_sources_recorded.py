"""Recorded tables: what columns mean, one curve a vintage, and lines that are refused by their number."""

from __future__ import annotations

import gzip
from datetime import timedelta
from pathlib import Path

import pytest

from agents.feeds.source import Answer, Curve, Refused
from agents.feeds.sources import SOURCES, recorded
from agents.feeds.sources.recorded import VINTAGES
from tests.feed_answers import DAY, HALF, HOUR, parse, values

DATA = Path(__file__).parents[1] / "data" / "feeds"
FIVE = timedelta(minutes=5)


def vintages(name: str, text: str, **settings: str) -> tuple[Curve, ...]:
    return VINTAGES[name](Answer(text.encode()), SOURCES[name].asked(settings))


def prices(text: str, **settings: str) -> Curve:
    return parse("recorded-prices", text.encode(), settings)


def carbon(text: str, **settings: str) -> Curve:
    return parse("recorded-carbon", text.encode(), settings)


def spans(curve: Curve) -> list[tuple[object, object, float]]:
    return [(slot.start, slot.end, slot.value) for slot in curve.slots]


def test_every_recorded_source_tells_its_vintages() -> None:
    assert set(VINTAGES) == {name for name in SOURCES if name.startswith("recorded-")}


def test_rows_that_name_only_their_start_last_to_the_next_at_most_an_hour() -> None:
    halves = "start_utc,price_eur_mwh\n2026-03-10T00:30Z,20\n2026-03-10T00:00Z,10\n"
    assert spans(prices(halves)) == [(DAY, DAY + HALF, 0.01), (DAY + HALF, DAY + HOUR, 0.02)]
    gap = "start_utc,price_eur_mwh\n2026-03-10T00:00Z,1\n2026-03-10T01:00Z,2\n2026-03-10T05:00Z,3\n"
    assert [slot.end - slot.start for slot in prices(gap).slots] == [HOUR] * 3
    with pytest.raises(Refused, match="300 minutes apart, not 60"):
        prices("start_utc,price_eur_mwh\n2026-03-10T00:00Z,1\n2026-03-10T05:00Z,2\n")


def test_flags_become_notes() -> None:
    text = (
        "start_utc,price_eur_mwh,flag\n2026-03-10T00:00Z,1,guessed\n2026-03-10T01:00Z,2,\n2026-03-10T02:00Z,3,guessed\n"
    )
    assert prices(text).notes == ("2 slots are guessed",)


def test_slots_with_their_own_ends_and_currency() -> None:
    text = (
        "start,end,price_per_kwh,currency\n2026-03-10T00:00Z,2026-03-10T01:00Z,0.25,SEK\n"
        "2026-03-10T01:00Z,2026-03-10T03:00Z,,SEK\n2026-03-10T03:00Z,2026-03-10T04:00Z,0,SEK\n"
    )
    read = prices(text)
    assert read.unit == "SEK/kWh"
    assert spans(read) == [(DAY, DAY + HOUR, 0.25), (DAY + 3 * HOUR, DAY + 4 * HOUR, 0)]
    assert prices(text.replace(",currency", "").replace(",SEK", ""), currency="NOK").unit == "NOK/kWh"


def test_a_time_without_a_zone_is_utc_in_a_recording() -> None:
    text = "start,end,price_per_kwh\n2026-03-10 00:00,2026-03-10T02:00+01:00,0.25\n"
    assert spans(prices(text)) == [(DAY, DAY + HOUR, 0.25)]


def test_each_issue_is_a_vintage_oldest_first() -> None:
    text = (
        "issued_at,start,end,price_per_kwh\n2026-03-09T14:00Z,2026-03-10T00:00Z,2026-03-10T01:00Z,2\n"
        "2026-03-09T13:00Z,2026-03-10T00:00Z,2026-03-10T01:00Z,1\n"
    )
    found = vintages("recorded-prices", text)
    assert [(curve.issued_at, values(curve)) for curve in found] == [(DAY - 11 * HOUR, [1.0]), (DAY - 10 * HOUR, [2.0])]
    with pytest.raises(Refused, match="2 vintages, not one"):
        prices(text)


def test_vintages_of_carbon_in_both_forms() -> None:
    neso = "issued_at,from,forecast\n2026-03-09T13:01Z,2026-03-10T00:00Z,100\n2026-03-09T13:01Z,2026-03-10T00:30Z,\n"
    assert spans(carbon(neso)) == [(DAY, DAY + HALF, 100)]
    plain = "start,end,g_per_kwh\n2026-03-10T00:00Z,2026-03-10T01:00Z,90\n"
    assert carbon(plain).basis == "average"
    assert carbon(plain, basis="marginal").basis == "marginal"


def test_forecast_and_actual_stand_side_by_side() -> None:
    text = (
        "start_utc,forecast_g_per_kwh,actual_g_per_kwh,flag\n2026-03-10T00:00Z,100,90,\n2026-03-10T00:30Z,110,0,\n"
        "2026-03-10T01:00Z,120,,\n2026-03-10T01:30Z,0,80,\n"
    )
    assert values(carbon(text)) == [100, 110, 120, 0]
    actual = carbon(text, value="actual")
    assert spans(actual) == [(DAY, DAY + HALF, 90), (DAY + 3 * HALF, DAY + 4 * HALF, 80)]
    assert actual.notes == ("an actual of 0 g/kWh counts as unknown",)


def test_marginal_emissions_hold_a_forecast_of_three_hours_in_every_row() -> None:
    body = (DATA / "carbon/caiso_sce_moer_2019-05_two_hours.csv.gz").read_bytes()
    source = SOURCES["recorded-carbon"]
    found = recorded.carbon_vintages(Answer(body), source.asked({}))
    first = found[0]
    assert len(found) == 24
    assert first.issued_at is not None
    assert [slot.start - first.issued_at for slot in first.slots] == [n * FIVE for n in range(1, 37)]
    assert values(first)[:2] == [209.74421928, 211.97432014]
    assert {curve.basis for curve in found} == {"marginal"}
    assert (
        source.parse(Answer(gzip.decompress(body)), source.asked({"value": "actual"})).slots[0].value == 227.729886264
    )


HEADER = "start_utc,price_eur_mwh\n"
TWO_CURRENCIES = b"""start,end,price_per_kwh,currency
2026-03-10T00:00Z,2026-03-10T01:00Z,1,EUR
2026-03-10T01:00Z,2026-03-10T02:00Z,1,SEK
"""
BAD = [
    ("empty", b"", "no CSV table"),
    ("a header alone", HEADER.encode(), "no rows"),
    ("not text", b"\xff\xfe\x00", "no CSV table"),
    ("zeros", HEADER.encode() + b"2026-03-10T00:00Z,\x00\n", "price_eur_mwh"),
    ("an open quote", HEADER.encode() + b'"2026', "no CSV table"),
    ("a short line", HEADER.encode() + b"2026-03-10T00:00Z\n", "line 2 has 1 cells, not 2"),
    ("a long line", HEADER.encode() + b"2026-03-10T00:00Z,1,2\n", "line 2 has 3 cells, not 2"),
    ("a column twice", b"start_utc,start_utc\na,b\n", "a column is there twice"),
    ("unknown columns", b"when,what\n1,2\n", "columns not known to us: when, what"),
    ("an empty price", HEADER.encode() + b"2026-03-10T00:00Z,\n", "line 2: price_eur_mwh"),
    ("nan", HEADER.encode() + b"2026-03-10T00:00Z,nan\n", "line 2: price_eur_mwh must be a finite number"),
    ("a comma", HEADER.encode() + b'2026-03-10T00:00Z,"1,5"\n', "line 2: price_eur_mwh"),
    ("no time", HEADER.encode() + b"2026-03-10T00:00Z,1\nsoon,2\n", "line 3: start_utc"),
    ("one row", HEADER.encode() + b"2026-03-10T00:00Z,1\n", "one row alone"),
    ("told twice", HEADER.encode() + b"2026-03-10T00:00Z,1\n2026-03-10T00:00Z,2\n2026-03-10T01:00Z,3\n", "two values"),
    ("off the grid", HEADER.encode() + b"2026-03-10T00:00Z,1\n2026-03-10T01:00Z,2\n2026-03-10T02:30Z,3\n", "apart"),
    ("two currencies", TWO_CURRENCIES, "currency differs"),
    ("half a gzip", gzip.compress(HEADER.encode() * 1000)[:40], "cut off"),
    ("two gzips", gzip.compress(HEADER.encode()) * 2, "goes on after its end"),
    ("no gzip", b"\x1f\x8bnonsense", "gzip"),
]


@pytest.mark.parametrize(("body", "why"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_a_bad_table_is_refused_by_its_line(body: bytes, why: str) -> None:
    with pytest.raises(Refused) as trouble:
        parse("recorded-prices", body)
    assert why in str(trouble.value)


def test_a_bomb_of_zeros_is_refused_before_it_is_unpacked() -> None:
    with pytest.raises(Refused, match="unpacks to more than 64 MiB"):
        parse("recorded-prices", gzip.compress(bytes(80 * 2**20), 9))


def test_a_table_without_end_is_refused_before_it_fills_the_memory() -> None:
    with pytest.raises(Refused, match="more than 200000 rows"):
        parse("recorded-prices", b"a\n" + b"1\n" * 200_001)
    with pytest.raises(Refused, match="columns not known"):
        parse("recorded-prices", b"a\n" + b"1\n" * 200_000)
