"""The report's figures against other folds of the same records; its page against what it must not do."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agents.settings import load
from deploy.report.figures import figures, period
from deploy.report.source import store
from streams.contracts.session import Promise
from tables.store import Store
from tests.nights import NIGHTS, ZONE, Row, at, cars, lines, report, sessions

HALF = timedelta(minutes=30)


@pytest.fixture(scope="module")
def opened() -> Iterator[Store]:
    with store(load(), NIGHTS) as nights:
        yield nights


@pytest.fixture
def found() -> Row:
    return report()


def test_money_and_carbon_are_those_of_the_settled_sessions(found: Row) -> None:
    (euros,) = found["money"]
    assert (found["sessions"], found["cars"]) == (len(sessions()), len({one["car"] for one in sessions()}))
    for name, way in (
        ("cost", "managed"),
        ("cost_at_once", "unmanaged"),
        ("cost_timer", "timer"),
        ("cost_oracle", "oracle"),
    ):
        assert euros[name] == pytest.approx(sum(one["cost"][way] for one in sessions()))
    saved = sum(one["cost"]["unmanaged"] - one["cost"]["managed"] for one in sessions())
    assert euros["saving"] == pytest.approx(saved) == pytest.approx(euros["saved"]["part"])
    grams = sum(one["carbon_g"]["unmanaged"] - one["carbon_g"]["managed"] for one in sessions())
    assert found["carbon"]["carbon_saved_kg"] == pytest.approx(grams / 1000)
    assert found["energy_kwh"] == pytest.approx(sum(one["energy_kwh"] for one in sessions()))


def test_the_load_is_what_went_in_half_hour_by_half_hour(found: Row) -> None:
    energy: defaultdict[datetime, float] = defaultdict(float)
    for one in sessions():
        for slot in one["slots"]:
            start, end = at(slot["start"]), at(slot["end"])
            for minute in range(int((end - start) / timedelta(minutes=1))):
                when = start + timedelta(minutes=minute)
                energy[when.replace(minute=when.minute // 30 * 30)] += slot["energy_kwh"] / (
                    (end - start) / timedelta(minutes=1)
                )
    told = {at(row["half_hour"]): row["energy_kwh"] for row in found["load"]}
    assert set(energy) <= set(told)
    assert told == pytest.approx({when: energy[when] for when in told})
    assert min(told) == at("2023-03-24T12:30:00Z")
    assert len(told) == (max(told) - min(told)) / HALF + 1


def newest(topic: str) -> dict[datetime, float]:
    """Value by half hour, of the newest vintage that has it."""
    known: dict[datetime, float] = {}
    for vintage in sorted(lines()[topic], key=lambda one: at(one["issued_at"])):
        for slot in vintage["slots"]:
            when = at(slot["start"])
            while when < at(slot["end"]):
                known[when] = slot["value"]
                when += HALF
    return known


@pytest.mark.parametrize(
    ("topic", "value", "third"),
    [("d2ev.forecast.price.v1", "price", "cheapest"), ("d2ev.forecast.carbon.v1", "carbon_g_per_kwh", "cleanest")],
)
def test_the_third_is_that_of_every_day_noon_to_noon(found: Row, topic: str, value: str, third: str) -> None:
    known = newest(topic)
    days: defaultdict[Any, list[Row]] = defaultdict(list)
    for row in found["load"]:
        assert row[value] == pytest.approx(known[at(row["half_hour"])])
        wall = at(row["half_hour"]).astimezone(ZoneInfo(ZONE)).replace(tzinfo=None)
        days[(wall - timedelta(hours=12)).date()].append(row)
    inside = 0.0
    for day in days.values():
        left = len(day) / 3
        for level in sorted({row[value] for row in day}):
            alike = [row for row in day if row[value] == level]
            part = max(0.0, min(1.0, left / len(alike)))
            inside += part * sum(row["energy_kwh"] for row in alike)
            left -= len(alike)
    assert found["thirds"][0][f"{third}_kwh"] == pytest.approx(inside)


def test_the_ledger_adds_up_and_lists_every_miss(found: Row) -> None:
    *makers, every = found["promises"]
    kinds = [str(kind) for kind in Promise]
    assert every["oem"] == "all"
    assert {kind: every[kind] for kind in kinds} == {kind: sum(row[kind] for row in makers) for kind in kinds}
    assert all(sum(row[kind] for kind in kinds) == row["sessions"] for row in found["promises"])
    counted = Counter((cars()[one["car"]]["oem"], one["promise"]) for one in sessions())
    assert {(row["oem"], kind): row[kind] for row in makers for kind in kinds if row[kind]} == counted
    missed = [one for one in sessions() if one["promise"] in {"missed", "unreachable"}]
    assert [row["reason"] for row in found["not_kept"]] == [one["reason"] for one in missed]


def test_commands_are_judged_by_what_telemetry_proved(found: Row) -> None:
    steps: defaultdict[str, dict[str, Row]] = defaultdict(dict)
    for one in lines()["d2ev.command.event.v1"]:
        steps[one["id"]][one["phase"]] = one
    expected: defaultdict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    took: defaultdict[tuple[str, str, str], list[float]] = defaultdict(list)
    for phases in steps.values():
        car = cars()[phases["intent"]["car"]]
        kind = (car["oem"], car["model"], phases["intent"]["action"])
        expected[kind]["asked"] += 1
        if "confirmed" in phases:
            expected[kind]["confirmed"] += 1
            took[kind].append((at(phases["confirmed"]["at"]) - at(phases["sent"]["at"])).total_seconds())
        elif "failed" in phases:
            expected[kind]["contradicted" if "sent" in phases else "refused"] += 1
        else:
            expected[kind]["unproven"] += "unknown" in phases
    names = ("asked", "confirmed", "contradicted", "refused", "unproven")
    told = {(row["oem"], row["model"], row["action"]): row for row in found["commands"]}
    assert {kind: [row[name] for name in names] for kind, row in told.items()} == {
        kind: [counts[name] for name in names] for kind, counts in expected.items()
    }
    assert {kind: row["median_seconds"] for kind, row in told.items() if row["confirmed"]} == {
        kind: pytest.approx(median(seconds)) for kind, seconds in took.items()
    }
    assert all(row["median_seconds"] <= row["p95_seconds"] for row in told.values() if row["confirmed"])


@pytest.mark.parametrize(("name", "key"), [("by_oem", "oem"), ("by_tariff", "tariff")])
def test_groups_hold_all_that_was_saved_and_only_enough_days_have_intervals(found: Row, name: str, key: str) -> None:
    days: defaultdict[str, set[Any]] = defaultdict(set)
    for one in sessions():
        days[cars()[one["car"]][key]].add(at(one["ended_at"]).astimezone(ZoneInfo(ZONE)).date())
    assert {row["name"]: row["saved"]["money"]["days"] for row in found[name]} == {
        group: len(several) for group, several in days.items()
    }
    assert sum(row["saved"]["money"]["part"] for row in found[name]) == pytest.approx(found["money"][0]["saving"])
    for row in found[name]:
        share = row["saved"]["money"]
        assert share["low"] is None or (share["days"] >= found["fewest_days"])
        assert share["low"] is None or share["low"] <= share["value"] <= share["high"]
    assert [row for row in found[name] if row["saved"]["money"]["low"] is not None]


def test_a_shorter_period_is_a_part_of_the_longer(opened: Store, found: Row) -> None:
    cut = at("2023-03-26T00:00:00+00:00")
    first, second = (
        figures(opened, period(opened, since, until, ZONE))
        for since, until in ((None, "2023-03-26"), ("2023-03-26", None))
    )
    assert first["sessions"] + second["sessions"] == found["sessions"]
    assert first["sessions"] == sum(at(one["ended_at"]) < cut for one in sessions())
    assert [*first["load"][-1:], *second["load"][:1]][0]["half_hour"] == "2023-03-25T23:30:00Z"
    assert second["load"][0]["half_hour"] == "2023-03-26T00:00:00Z"
    assert len(first["load"]) + len(second["load"]) == len(found["load"])


@pytest.mark.parametrize(
    ("since", "until", "zone", "complaint"),
    [
        ("2024-01-01", None, ZONE, "the period is empty"),
        ("2024-01-01", "2024-02-01", ZONE, "nothing to report: no session ended"),
        ("soon", None, ZONE, "--since soon"),
        (None, "later", ZONE, "--until later"),
        ("2023-03-26", "2023-03-26", ZONE, "the period is empty"),
        (None, None, "Mars/Olympus", "--zone Mars/Olympus"),
    ],
)
def test_a_period_with_nothing_in_it_is_one_clear_line(
    opened: Store, since: str | None, until: str | None, zone: str, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint) as told:
        figures(opened, period(opened, since, until, zone))
    assert "\n" not in str(told.value)
