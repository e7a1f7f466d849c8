"""ENTSO-E: what a position left out means, which series counts, and XML that nobody may send us."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.feeds.source import Answer, Asked, Curve, Denied, Down, FeedError, NotPublished, Refused, Slow
from agents.feeds.sources import SOURCES

SOURCE = SOURCES["entsoe"]
BE = "10YBE----------2"
ASKED = SOURCE.asked({"area": BE})
DAY = datetime(2025, 10, 1, 22, tzinfo=UTC)
HOUR, QUARTER = timedelta(hours=1), timedelta(minutes=15)
RESOLUTION = {QUARTER: "PT15M", timedelta(minutes=30): "PT30M", HOUR: "PT60M"}


def period(
    points: Mapping[int, float] | list[tuple[int, Any]], count: int, step: timedelta, start: datetime = DAY
) -> str:
    listed = list(points.items()) if isinstance(points, Mapping) else points
    inner = "".join(
        f"<Point><position>{position}</position><price.amount>{price}</price.amount></Point>"
        for position, price in listed
    )
    end = start + count * step
    return (
        f"<Period><timeInterval><start>{start:%Y-%m-%dT%H:%MZ}</start><end>{end:%Y-%m-%dT%H:%MZ}</end></timeInterval>"
        f"<resolution>{RESOLUTION[step]}</resolution>{inner}</Period>"
    )


def series(*periods: str, curve: str = "A03", sequence: str = "", **other: str) -> str:
    told = {
        "in_Domain.mRID": BE,
        "contract_MarketAgreement.type": "A01",
        "currency_Unit.name": "EUR",
        "price_Measure_Unit.name": "MWH",
        "curveType": curve,
        "classificationSequence_AttributeInstanceComponent.position": sequence,
        **{name.replace("__", "."): value for name, value in other.items()},
    }
    return f"<TimeSeries>{''.join(f'<{k}>{v}</{k}>' for k, v in told.items() if v)}{''.join(periods)}</TimeSeries>"


def document(*all_series: str, version: str = "7:3", type_: str = "A44") -> bytes:
    space = f"urn:iec62325.351:tc57wg16:451-3:publicationdocument:{version}"
    return (
        f'<?xml version="1.0" encoding="utf-8"?><Publication_MarketDocument xmlns="{space}"><type>{type_}</type>'
        f"{''.join(all_series)}</Publication_MarketDocument>"
    ).encode()


def acknowledgement(text: str, code: str = "999") -> bytes:
    return (
        '<Acknowledgement_MarketDocument xmlns="urn:iec62325.351:tc57wg16:451-1:acknowledgementdocument:7:0">'
        f"<Reason><code>{code}</code><text>{text}</text></Reason></Acknowledgement_MarketDocument>"
    ).encode()


def parse(body: bytes, status: int = 200, asked: Asked = ASKED) -> Curve:
    return SOURCE.parse(Answer(body, status), asked)


def values(curve: Curve) -> dict[datetime, float]:
    return {slot.start: slot.value for slot in curve.slots}


def slow_a03(points: Mapping[int, float], count: int) -> list[float | None]:
    """The obvious model: walk over the positions and remember the last price."""
    said: list[float | None] = []
    for position in range(1, count + 1):
        before = said[-1] if said else None
        said.append(points.get(position, before))
    return said


amounts = st.integers(-50_000, 400_000).map(lambda cents: cents / 100)


@st.composite
def blocks(draw: st.DrawFn) -> tuple[dict[int, float], int, timedelta]:
    """A Period of a day of 23, 24 or 25 hours, with some of its positions, in any order."""
    step = draw(st.sampled_from(list(RESOLUTION)))
    count = draw(st.sampled_from([23, 24, 25])) * (HOUR // step)
    positions = draw(st.lists(st.integers(1, count), unique=True, min_size=1, max_size=count))
    return {position: draw(amounts) for position in positions}, count, step


@given(blocks(), st.sampled_from(["A01", "A03"]))
def test_positions_left_out_repeat_in_a03_and_are_gaps_in_a01(
    block: tuple[dict[int, float], int, timedelta], curve: str
) -> None:
    points, count, step = block
    said = slow_a03(points, count) if curve == "A03" else [points.get(n) for n in range(1, count + 1)]
    expected = {DAY + n * step: round(price / 1000, 9) for n, price in enumerate(said) if price is not None}
    read = parse(document(series(period(points, count, step), curve=curve)))
    assert values(read) == expected
    assert {slot.end - slot.start for slot in read.slots} == {step}


def test_what_is_left_out_at_the_end_repeats_to_the_end_of_the_interval() -> None:
    read = parse(document(series(period({1: 10, 93: 20}, 96, QUARTER))))
    assert len(read.slots) == 96
    assert [slot.value for slot in read.slots[-5:]] == [0.01, 0.02, 0.02, 0.02, 0.02]
    assert read.slots[-1].end == DAY + 24 * HOUR


SPRING, AUTUMN = datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2025, 10, 25, 22, tzinfo=UTC)


@pytest.mark.parametrize(("count", "start"), [(92, SPRING), (100, AUTUMN)])
def test_days_of_a_clock_change_have_as_many_quarters_as_they_last(count: int, start: datetime) -> None:
    read = parse(document(series(period({1: 5}, count, QUARTER, start))))
    assert len(read.slots) == count
    assert read.slots[-1].end == start + count * QUARTER


def test_the_first_auction_counts_where_there_are_two() -> None:
    first, second = period({1: 10}, 24, HOUR), period({1: 99}, 96, QUARTER)
    both = document(series(second, sequence="2"), series(first, sequence="1"))
    assert {slot.value for slot in parse(both).slots} == {0.01}
    other = SOURCE.asked({"area": BE, "sequence": "2"})
    assert {slot.value for slot in parse(both, asked=other).slots} == {0.099}
    with pytest.raises(NotPublished):
        parse(document(series(second, sequence="2")))


def test_the_finer_resolution_counts_where_two_hold_the_same_time() -> None:
    hours = period(dict.fromkeys(range(1, 5), 40.0), 4, HOUR)
    quarters = period(dict.fromkeys(range(1, 6), 50.0), 5, QUARTER, DAY + HOUR)
    for order in ((hours, quarters), (quarters, hours)):
        read = parse(document(*(series(one) for one in order)))
        quarter_hours = {DAY + HOUR + n * QUARTER: 0.05 for n in range(5)}
        assert values(read) == {DAY: 0.04, **quarter_hours, DAY + 3 * HOUR: 0.04}


def test_resolution_may_change_inside_a_document() -> None:
    read = parse(document(series(period({1: 1, 2: 2}, 2, HOUR), period({1: 3}, 4, QUARTER, DAY + 2 * HOUR))))
    assert [(slot.end - slot.start, slot.value) for slot in read.slots] == [
        (HOUR, 0.001), (HOUR, 0.002), *[(QUARTER, 0.003)] * 4,
    ]  # fmt: skip


def test_other_contracts_than_day_ahead_are_left_out() -> None:
    day_ahead, intraday = period({1: 10}, 24, HOUR), period({1: 99}, 24, HOUR)
    read = parse(document(series(intraday, contract_MarketAgreement__type="A07"), series(day_ahead)))
    assert {slot.value for slot in read.slots} == {0.01}


def test_the_version_of_the_namespace_does_not_matter() -> None:
    inner = series(period({1: 10}, 24, HOUR))
    assert parse(document(inner, version="7:0")) == parse(document(inner))
    assert parse(document(inner).replace(b' xmlns="', b' xmlns:x="')) == parse(document(inner))


def test_more_days_than_asked_are_clipped() -> None:
    asked = SOURCE.asked({"area": BE}, DAY + 3 * HOUR, DAY + 5 * HOUR)
    read = parse(document(series(period({1: 10}, 48, HOUR))), asked=asked)
    assert [slot.start for slot in read.slots] == [DAY + 3 * HOUR, DAY + 4 * HOUR]


ONE = period({1: 10}, 24, HOUR)
BAD: list[tuple[str, bytes, str]] = [
    ("a position past the end", document(series(period({25: 1}, 24, HOUR))), "position must be within 1 to 24"),
    ("position zero", document(series(period({0: 1}, 24, HOUR))), "position"),
    ("no position", document(series(ONE.replace("<position>1</position>", ""))), "position"),
    ("a position that is no number", document(series(ONE.replace(">1<", ">one<"))), "position"),
    ("two prices for a position", document(series(period([(1, 1), (1, 2)], 24, HOUR))), "position 1 has two prices"),
    ("not a number", document(series(period([(1, "NaN")], 24, HOUR))), "price.amount must be a finite number"),
    ("infinite", document(series(period([(1, "1e999")], 24, HOUR))), "price.amount"),
    ("no price", document(series(period([(1, "")], 24, HOUR))), "price.amount"),
    ("an absurd price", document(series(period([(1, "2000000")], 24, HOUR))), "absurd"),
    ("another unit", document(series(ONE, price_Measure_Unit__name="KWH")), "price_Measure_Unit.name"),
    ("no unit", document(series(ONE, price_Measure_Unit__name="")), "price_Measure_Unit.name"),
    ("no currency", document(series(ONE, currency_Unit__name="")), "currency"),
    ("two currencies", document(series(ONE), series(ONE, currency_Unit__name="PLN")), "currency_Unit.name differs"),
    ("another area", document(series(ONE, in_Domain__mRID="10YNL----------L")), "in_Domain.mRID"),
    ("another curve", document(series(ONE, curve="A04")), "curveType"),
    ("another resolution", document(series(ONE.replace("PT60M", "P1D"))), "resolution"),
    ("no resolution", document(series(ONE.replace("<resolution>PT60M</resolution>", ""))), "resolution"),
    ("no whole number of slots", document(series(ONE.replace("T22:00Z</end>", "T22:10Z</end>"))), "timeInterval"),
    ("an end before the start", document(series(ONE.replace("2025-10-02T", "2025-09-02T"))), "timeInterval"),
    ("a time without a zone", document(series(ONE.replace("T22:00Z</st", "T22:00</st"))), "timeInterval.start"),
    ("no end", document(series(ONE.replace("<end>2025-10-02T22:00Z</end>", ""))), "timeInterval.end"),
    ("two ends", document(series(ONE.replace("<end>", "<end/><end>"))), "end 2 times"),
    ("another document", document(series(ONE), type_="A65"), "type"),
    ("contradicting periods", document(series(ONE), series(period({1: 11}, 24, HOUR))), "two values"),
    ("eighty years", document(series(ONE.replace("2025-10-02T", "2095-10-02T"))), "more than a year"),
    ("not XML", b"<html><body>Bad gateway", "not XML"),
    ("a web page", b"<html><body>maintenance</body></html>", "neither a publication nor"),
    ("nothing", b"", "not XML"),
    ("an archive", b"PK\x03\x04zip", "not XML"),
    ("cut off", document(series(ONE))[:-30], "not XML"),
    ("too deep", b"<a>" * 40 + b"</a>" * 40, "nested too deeply"),
    ("an entity", b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "document type"),
    ("a document type", b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "document type"),
    ("an unknown encoding", b'<?xml version="1.0" encoding="nonsense"?><a/>', "not XML"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "why"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_a_bad_document_is_refused_by_name(body: bytes, why: str) -> None:
    with pytest.raises(Refused) as trouble:
        parse(body)
    assert why in str(trouble.value)


def test_a_bomb_of_entities_is_refused_before_it_grows() -> None:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    bomb = f'<?xml version="1.0"?><!DOCTYPE z [<!ENTITY l0 "lol">{laughs}]><z>&l9;</z>'.encode()
    with pytest.raises(Refused, match="document type"):
        parse(bomb)


def test_a_document_of_endless_elements_is_refused_before_it_fills_the_memory() -> None:
    with pytest.raises(Refused, match="too many elements"):
        parse(b"<a>" + b"<b/>" * 250_000 + b"</a>")


def test_many_long_periods_are_refused_before_they_are_expanded() -> None:
    year = period({1: 1}, 365 * 96, QUARTER)
    with pytest.raises(Refused, match="more than a year"):
        parse(document(series(*[year] * 500)))


NO_DATA = "No matching data found for Data item Day-ahead Prices [12.1.D] (10YBE----------2, 10YBE----------2)"
ENDS: list[tuple[bytes, int, type[FeedError], str]] = [
    (acknowledgement(NO_DATA), 200, NotPublished, "no matching data"),
    (acknowledgement(NO_DATA), 400, NotPublished, "no matching data"),
    (acknowledgement("The amount of requested data exceeds allowed limit"), 400, Refused, "exceeds allowed limit"),
    (acknowledgement("Unauthorized. Invalid security token."), 400, Denied, "token"),
    (acknowledgement(""), 200, Refused, "no reason given"),
    (document(series(ONE)), 400, Refused, "HTTP 400"),
    (b"Unauthorized", 401, Denied, "401"),
    (b"", 403, Denied, "403"),
    (b"", 429, Slow, "429"),
    (b"<html>", 503, Down, "503"),
    (b"", 204, NotPublished, "204"),
    (b"", 302, Refused, "302"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "status", "kind", "why"), ENDS)
def test_what_is_no_publication_ends_by_what_to_do_next(
    body: bytes, status: int, kind: type[FeedError], why: str
) -> None:
    with pytest.raises(kind) as trouble:
        parse(body, status)
    assert type(trouble.value) is kind
    assert why in str(trouble.value)


def test_what_could_be_a_key_is_not_repeated() -> None:
    key = "1d9cd4bd-f8aa-476c-8cc1-3442dc91506d"
    with pytest.raises(Refused) as trouble:
        parse(acknowledgement(f"Bad query securityToken={key} in the request"), 400)
    assert key not in str(trouble.value)
    assert "Bad query" in str(trouble.value)


def test_the_request_asks_for_the_time_in_utc_with_the_key_as_a_name() -> None:
    (request,) = SOURCE.requests(SOURCE.asked({"area": BE}, DAY, DAY + 24 * HOUR))
    assert request.path == "/api"
    assert request.query == {
        "securityToken": "{api_key}",
        "documentType": "A44",
        "in_Domain": BE,
        "out_Domain": BE,
        "periodStart": "202510012200",
        "periodEnd": "202510022200",
    }
