"""Whatever a source answers, reading ends with a curve that holds its promises, or with a feed error of one line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC
from functools import cache
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.feeds.source import Answer, Asked, Curve, FeedError, Source
from agents.feeds.sources import SOURCES
from agents.feeds.sources.curves import LIMITS
from tests.feed_answers import (
    CET_DAY,
    DAY,
    HOUR,
    NEEDED,
    QUARTER,
    TODAY,
    dataset,
    delivery,
    dutch,
    half_hours,
    home,
    market,
    moer,
    page,
    rate,
    record,
    region,
    viewer,
    z,
    zone,
)

DATA = Path(__file__).parents[1] / "data" / "feeds"
END = CET_DAY + 48 * HOUR
SETTINGS = {**NEEDED, "entsoe": {"area": "10YBE----------2"}, "neso-regional": {"region": "13"}}
CARBON_RECORDS = [{"Minutes5UTC": "2026-03-10T00:00:00", "PriceArea": "DK1", "CO2Emission": 55.0}]
PRICE = {"start": z(DAY), "end": z(DAY + HOUR), "price": {"value": "0.1"}}
#: A small good answer of each source that speaks JSON.
GOOD: dict[str, Any] = {
    "octopus": page(rate(DAY, 20), rate(DAY + HOUR, 21, payment_method="DIRECT_DEBIT")),
    "energidataservice": dataset(*(record(DAY + n * QUARTER, 1.0, DayAheadPriceDKK=7.0) for n in range(2))),
    "energidataservice-carbon": {"total": 1, "dataset": "CO2EmisProg", "records": CARBON_RECORDS},
    "awattar-de": {"data": [market(DAY, 85.3), market(DAY + HOUR, 1.0)]},
    "nordpool": delivery(10.0, 20.0),
    "tibber": viewer(home(TODAY)),
    "energyzero": {"all_in_with_vat": [PRICE]},
    "easyenergy": {"prices": [{**row, "invoicePrice": 0.2} for row in dutch(["2026-03-10T00:00"])["prices"]]},
    "neso": {"data": half_hours(100, None, 120)},
    "neso-regional": {"data": region(13, 100, 110)},
    "watttime": moer(800.0, None, 870.0),
    "electricitymaps": zone(300, None, 280),
}
#: Small recorded files for those that do not.
FILES = {
    "entsoe": "prices/entsoe_A44_BE_60M.xml",
    "recorded-prices": "prices/dayahead_hourly_GB_2023-07-02_negative.csv",
    "recorded-carbon": "carbon/gb_national_2023-01-26_01-31.csv",
}
ODDITIES: list[Any] = [
    None, True, 0, -1, 1e308, 10**400, "", "x", "2026-03-10T00:00", "0001-01-01T00:00+14:00", [], {}, [None], [[]]
]  # fmt: skip
PIECES = st.one_of(st.binary(max_size=6), st.sampled_from([b"<", b"&#0;", b"1e999", b",", b"-", b"\n"]))
ODD = st.sampled_from(
    [None, True, 0, -1, 1e308, -1e308, 10**400, 3.5, "", "x", "NaN", "2026-03-10T00:00", "9999-12-31T23:59:59+00:00"]
)
ODDER = st.one_of(ODD, st.lists(ODD, max_size=2), st.dictionaries(st.sampled_from(["id", "value", "data"]), ODD))


@cache
def recorded(name: str) -> bytes:
    return (DATA / FILES[name]).read_bytes()


def read(name: str, body: bytes, status: int = 200) -> bool:
    """What reading promises for any answer, whether or not the time asked is open; True where it is a curve."""
    source = SOURCES[name]
    asked = source.asked(SETTINGS.get(name, {}))
    ends = [ending(source, Answer(body, status), one) for one in (asked, replace(asked, start=CET_DAY, end=END))]
    for end in ends:
        if isinstance(end, Curve):
            check(end, source)
        else:
            assert 0 < len(end) < 300
            assert end.isprintable()
    return any(isinstance(end, Curve) for end in ends)


def ending(source: Source, answer: Answer, asked: Asked) -> Curve | str:
    try:
        return source.parse(answer, asked)
    except FeedError as trouble:
        return str(trouble)


def check(curve: Curve, source: Source) -> None:
    low, high = LIMITS[curve.kind]
    assert curve.kind is source.kind
    assert curve.slots
    assert all(isfinite(slot.value) and low <= slot.value <= high for slot in curve.slots)
    assert all(slot.start < slot.end for slot in curve.slots)
    assert all(before.end <= after.start for before, after in pairwise(curve.slots))
    assert all(slot.start.tzinfo is UTC and slot.end.tzinfo is UTC for slot in curve.slots)


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    if isinstance(value, list):
        for n, inner in enumerate(value):
            yield from places(inner, (*path, n))


def changed(value: Any, path: tuple[str | int, ...], new: Any) -> Any:
    if not path:
        return new
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(value[path[0]], path[1:], new)
    return copy


@pytest.mark.parametrize("name", GOOD)
def test_the_answers_to_be_broken_are_good_ones(name: str) -> None:
    assert read(name, json.dumps(GOOD[name]).encode())


@pytest.mark.parametrize("name", GOOD)
def test_any_part_may_be_missing_or_odd(name: str) -> None:
    """Every place of the answer, every odd value: no crash; what is missing is never read as a 0."""
    for path in places(GOOD[name]):
        for new in ODDITIES:
            read(name, json.dumps(changed(GOOD[name], path, new)).encode())


@pytest.mark.parametrize("name", GOOD)
@settings(max_examples=60)
@given(data=st.data())
def test_several_parts_may_be_odd_at_once(name: str, data: st.DataObject) -> None:
    body = GOOD[name]
    for _ in range(data.draw(st.integers(1, 4))):
        body = changed(body, data.draw(st.sampled_from(list(places(body)))), data.draw(ODDER))
    read(name, json.dumps(body).encode(), data.draw(st.sampled_from([200, 200, 400, 201, 404, 429, 503])))


@pytest.mark.parametrize("name", sorted(SOURCES))
@settings(max_examples=60)
@given(body=st.binary(max_size=200), status=st.integers(100, 599))
def test_any_bytes_end_well(name: str, body: bytes, status: int) -> None:
    read(name, body, status)
    read(name, body)


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=120)
@given(data=st.data())
def test_any_bytes_of_a_file_may_be_others(name: str, data: st.DataObject) -> None:
    body = bytearray(recorded(name))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(body)))
        piece = data.draw(PIECES)
        body[start : start + data.draw(st.integers(0, 6))] = piece
    read(name, bytes(body))


@pytest.mark.parametrize("name", FILES)
@given(data=st.data())
def test_a_file_that_is_cut_off_is_read_or_refused(name: str, data: st.DataObject) -> None:
    read(name, recorded(name)[: data.draw(st.integers(0, len(recorded(name))))])


@settings(max_examples=200)
@given(st.binary(max_size=120) | st.text(max_size=80).map(lambda text: json.dumps({"next": text}).encode()))
def test_no_next_page_leads_away(body: bytes) -> None:
    try:
        found = SOURCES["octopus"].following(body, "https://api.octopus.energy")
    except FeedError:
        return
    assert found is None or found.startswith("https://api.octopus.energy/v1/products/")
