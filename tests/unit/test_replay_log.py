"""What may lie on a log besides a clean day: two currencies, repeats, other tariffs, old prices, unpublished plans."""

import gzip
import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.replay.changes import changes
from deploy.replay.curves import came_true
from deploy.replay.log import Log, from_file
from deploy.replay.plans import reproduce
from deploy.replay.report import replayed, rows, said
from deploy.replay.stays import settled
from streams.contracts.forecast import Forecast, ForecastKind, Slot
from streams.domain.case import PlanRules
from streams.domain.forecasts import merge
from streams.topics import CARBON, PRICE, REGISTRATION, SCHEDULE, SESSION, VEHICLE
from tests.replayed import LINES, Row, day_rows, log_of, log_with

RULES = PlanRules()
AS_IS = changes(RULES, ())
FORECASTS = (PRICE.name, CARBON.name)
START = datetime(2023, 3, 24, tzinfo=UTC)


def of(topic: str) -> list[Row]:
    return [row for row in day_rows() if row["topic"] == topic]


def moved(row: Row, days: int) -> Row:
    """A forecast of other days."""

    def later(text: str) -> str:
        return (datetime.fromisoformat(text) + timedelta(days=days)).isoformat()

    value = row["value"]
    slots = [{**slot, "start": later(slot["start"]), "end": later(slot["end"])} for slot in value["slots"]]
    dates = {name: later(value[name]) for name in ("issued_at", "known_until")}
    return {**row, "offset": row["offset"] + 1000 + days, "value": {**value, **dates, "slots": slots}}


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Log:
    return log_of(tmp_path_factory.mktemp("day"))


@pytest.fixture(scope="module")
def driven(day: Log) -> list[str]:
    """The sessions of the day that can be driven again, by plug-in."""
    return [one.session.session_id for one in settled(day, None, None)[0]]


def a_car(day: Log) -> str:
    return settled(day, None, None)[0][0].session.car


def test_plans_that_nobody_published_are_counted(tmp_path: Path) -> None:
    gone = {row["offset"] for row in of(SCHEDULE.name)[-3:]}
    found = reproduce(
        log_of(tmp_path, lambda row: None if row["topic"] == SCHEDULE.name and row["offset"] in gone else row), RULES
    )
    assert found.same == found.of > 0
    assert found.unpublished == len(gone)
    assert found.first_unpublished is not None


def test_two_currencies_are_never_added(tmp_path: Path, day: Log) -> None:
    car = a_car(day)
    pounds = [
        {**row, "key": "GB-pounds", "offset": row["offset"] + 1000,
         "value": {**row["value"], "key": "GB-pounds", "unit": "GBP/kWh"}}
        for row in of(PRICE.name)
    ]  # fmt: skip

    def paid_in_pounds(row: Row) -> Row:
        if row["key"] == car and row["topic"] == REGISTRATION.name:
            row["value"]["tariff"] = "GB-pounds"
        if row["key"] == car and row["topic"] == SESSION.name:
            row["value"]["currency"] = "GBP"
        return row

    log = log_with(tmp_path, [*map(paid_in_pounds, day_rows()), *pounds])
    found = replayed(log, AS_IS, AS_IS, None, None)
    for currency in ("EUR", "GBP"):
        cost = sum(row["as_is"]["cost"] for row in found["sessions"] if row["currency"] == currency)
        assert found["totals"][currency]["as_is"]["cost"] == pytest.approx(cost)
        assert cost > 0
    _, *body = rows(found)
    assert [row[1].split()[1] for row in body] == ["EUR"] * 3 + ["GBP"] * 3


@pytest.mark.parametrize("currency", ["EUR", "GBP"])
def test_a_car_without_prices_of_its_own_ends_nothing(
    currency: str, tmp_path: Path, day: Log, driven: list[str]
) -> None:
    """No tariff of that name; or only one in another currency."""
    car = a_car(day)

    def elsewhere(row: Row) -> Row:
        if row["key"] == car and row["topic"] == REGISTRATION.name and currency == "EUR":
            row["value"]["tariff"] = "nowhere"
        if row["key"] == car and row["topic"] == SESSION.name:
            row["value"]["currency"] = currency
        return row

    found = replayed(log_of(tmp_path, elsewhere), AS_IS, AS_IS, None, None)
    assert 0 < len(found["sessions"]) < len(driven)
    name = "nowhere" if currency == "EUR" else "GB"
    assert any(f"the prices or carbon of then are not kept ({name})" in line for line in said(found))


def test_the_registration_in_force_at_plug_in_counts(tmp_path: Path, day: Log, driven: list[str]) -> None:
    last = max(row["time"] for row in day_rows())
    later = [
        {**row, "offset": row["offset"] + 1000, "time": last, "value": {**row["value"], "tariff": "nowhere"}}
        for row in of(REGISTRATION.name)
    ]
    found, _ = settled(log_with(tmp_path, [*day_rows(), *later]), None, None)
    assert [one.session.session_id for one in found] == driven
    assert {one.stay.registration.tariff for one in found} == {"GB"}


def test_where_the_registration_of_then_was_compacted_away_the_oldest_counts(tmp_path: Path, driven: list[str]) -> None:
    last = max(row["time"] for row in day_rows())
    log = log_of(tmp_path, lambda row: {**row, "time": last} if row["topic"] == REGISTRATION.name else row)
    assert [one.session.session_id for one in settled(log, None, None)[0]] == driven


def test_an_erased_car_is_not_driven_again(tmp_path: Path, driven: list[str]) -> None:
    erased = [{**row, "offset": row["offset"] + 1000, "value": None} for row in of(REGISTRATION.name)]
    found, left_out = settled(log_with(tmp_path, [*day_rows(), *erased]), None, None)
    assert found == []
    assert left_out["the car is no longer enrolled"] >= len(driven)


@pytest.mark.parametrize(
    "how", ["the same line", "the same line with headers", "written again", "written again, by its ce_id"]
)
def test_a_record_that_is_there_twice_counts_once(how: str, tmp_path: Path, day: Log) -> None:
    """A record that a worker wrote again lies behind all that was there; its `ce_time` may be another."""
    once, again = day_rows(), day_rows()
    for n, (first, second) in enumerate(zip(once, again, strict=True)):
        if how.endswith("headers"):
            second["headers"] = {"ce_id": f"planning-{n}"}
        if how.startswith("written"):
            second["offset"] += 1 + max(row["offset"] for row in once)
        if how.endswith("ce_id"):
            first["headers"] = second["headers"] = {"ce_id": f"planning-{n}"}
            second["time"] = (datetime.fromisoformat(second["time"]) + timedelta(seconds=7)).isoformat()
    twice = log_with(tmp_path, [*again, *once] if how.startswith("the same") else [*once, *again])
    assert reproduce(twice, RULES) == reproduce(day, RULES)
    assert settled(twice, None, None)[1] == settled(day, None, None)[1]
    if how.startswith("the same"):
        assert twice.missing(VEHICLE.name) == day.missing(VEHICLE.name)


def test_old_sessions_are_driven_on_the_prices_that_are_still_there(tmp_path: Path, driven: list[str]) -> None:
    """Twenty days of newer prices are on the log: a worker's curve would have forgotten those of the day."""
    newer = [moved(row, days) for topic in FORECASTS for row in of(topic) for days in (10, 20)]
    found, _ = settled(log_with(tmp_path, [*day_rows(), *newer]), None, None)
    assert [one.session.session_id for one in found] == driven


@pytest.mark.parametrize("topic", FORECASTS)
def test_a_session_over_a_hole_in_its_prices_or_carbon_is_left_out(
    topic: str, tmp_path: Path, day: Log, driven: list[str]
) -> None:
    first = settled(day, None, None)[0][0].session
    middle = first.plugged_at + (first.ended_at - first.plugged_at) / 2

    def holed(row: Row) -> Row:
        if row["topic"] == topic:
            row["value"]["slots"] = [
                slot
                for slot in row["value"]["slots"]
                if not datetime.fromisoformat(slot["start"]) <= middle < datetime.fromisoformat(slot["end"])
            ]
        return row

    found, left_out = settled(log_of(tmp_path, holed), None, None)
    assert first.session_id not in {one.session.session_id for one in found}
    assert len(found) + left_out["the prices or carbon of then are not kept (GB)"] == len(driven)


def forecast(issued_hour: int, slots: list[tuple[int, int, float]]) -> Forecast:
    made = tuple(
        Slot(start=START + timedelta(hours=start), end=START + timedelta(hours=start + length), value=value)
        for start, length, value in slots
    )
    return Forecast(
        kind=ForecastKind.PRICE, key="GB", unit="EUR/kWh", issued_at=START + timedelta(hours=issued_hour),
        source="", known_until=made[-1].end, slots=made,
    )  # fmt: skip


@st.composite
def vintages(draw: st.DrawFn) -> list[Forecast]:
    """Up to five, of slots of one to three hours with gaps, within four days."""
    made = []
    for issued in range(draw(st.integers(1, 5))):
        at, slots = draw(st.integers(0, 48)), []
        for gap, length, value in draw(
            st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3), st.integers(0, 9)), min_size=1, max_size=8)
        ):
            slots.append((at + gap, length, float(value)))
            at += gap + length
        made.append(forecast(issued, slots))
    return made


def by_hour(slots: tuple[Slot, ...]) -> dict[datetime, float]:
    hours: dict[datetime, float] = {}
    for slot in slots:
        at = slot.start
        while at < slot.end:
            assert at not in hours
            hours[at] = slot.value
            at += timedelta(hours=1)
    return hours


@given(vintages())
def test_what_came_true_is_what_a_worker_would_know_while_it_forgets_nothing(issued: list[Forecast]) -> None:
    known: Forecast | None = None
    for one in issued:
        known = merge(known, one)
    assert known is not None
    assert by_hour(came_true(issued)) == by_hour(known.slots)


def test_a_file_may_be_gzipped_and_in_any_order(tmp_path: Path, day: Log) -> None:
    lines = [*LINES]
    random.Random(7).shuffle(lines)
    file = tmp_path / "day.jsonl.gz"
    file.write_bytes(gzip.compress("\n".join(lines).encode()))
    assert reproduce(from_file(file), RULES) == reproduce(day, RULES)


@pytest.mark.parametrize(
    "damaged",
    [b"no gzip", gzip.compress("\n".join(LINES).encode(), mtime=0)[:2000], gzip.compress(b"\xff\xfe", mtime=0)],
    ids=["no gzip", "cut", "no text"],
)
def test_a_damaged_file_is_one_line(damaged: bytes, tmp_path: Path) -> None:
    file = tmp_path / "day.jsonl.gz"
    file.write_bytes(damaged)
    with pytest.raises(ValueError, match=r"day\.jsonl\.gz: cannot be read"):
        from_file(file)


def test_other_topics_in_a_file_are_passed_over(tmp_path: Path, day: Log) -> None:
    value: dict[str, Any] = {"anything": 1}
    other = {"topic": "d2ev.plug.event.v1", "partition": 9, "offset": 5, "key": "x", "time": START.isoformat()}
    log = log_with(tmp_path, [*day_rows(), {**other, "value": value}])
    assert log.partitions == day.partitions
    assert json.loads(LINES[0])["topic"].startswith("d2ev.")
