"""The report's figures against other folds of the same records; its page against what it must not do."""

import gzip
import json
import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from agents.settings import Settings, load
from deploy.analysis import asking, tables
from deploy.analysis.export import export
from deploy.analysis.output import rows
from deploy.cli import app
from deploy.pages.words import NARROW
from deploy.report import charts, questions
from deploy.report.figures import figures, period
from deploy.report.page import html, write
from deploy.report.source import RELATIONS, load_lines, store
from deploy.report.words import lead
from streams.contracts.session import Promise
from tables.store import Store

NIGHTS = Path(__file__).parent.parent / "data" / "nights" / "nights.jsonl.gz"
ZONE = "Europe/London"
HALF = timedelta(minutes=30)
Row = dict[str, Any]


@pytest.fixture(scope="module")
def opened() -> Iterator[Store]:
    with store(load(), NIGHTS) as nights:
        yield nights


@pytest.fixture(scope="module")
def found(opened: Store) -> Row:
    return figures(opened, period(opened, None, None, ZONE))


@cache
def lines() -> dict[str, list[Row]]:
    by_topic: defaultdict[str, list[Row]] = defaultdict(list)
    with gzip.open(NIGHTS, "rt", encoding="utf-8") as text:
        for line in text:
            row = json.loads(line)
            by_topic[row["topic"]].append(row["value"])
    return by_topic


@cache
def sessions() -> list[Row]:
    """Each in its newest account."""
    newest: dict[str, Row] = {}
    for one in lines()["d2ev.session.event.v1"]:
        if one["revision"] >= newest.get(one["session_id"], one)["revision"]:
            newest[one["session_id"]] = one
    return list(newest.values())


@cache
def cars() -> dict[str, Row]:
    return {one["car"]: one for one in lines()["d2ev.registration.state.v1"]}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


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


def test_what_the_page_tells_to_type_gives_its_figures(opened: Store, found: Row) -> None:
    page = html(found)
    asked = [shlex.split(text) for text in _texts(page, "pre")]
    assert len(asked) == sum(len(several) for several in questions.SECTIONS.values())
    for (_, _, question, *more), name in zip(asked, ("money", "carbon", "load", "thirds"), strict=False):
        given = asking.parameters(more[1::2])
        with opened.ask(question, given) as answer:
            told = list(rows(answer))
        expected = found[name] if isinstance(found[name], list) else [found[name]]
        assert _rounded(told) == _rounded([{key: row[key] for key in told[0]} for row in expected])


def test_what_was_exported_gives_the_same_report(found: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "fill", _from_nights)
    for name in RELATIONS:
        export(name, tmp_path / "lake", None, load())
    monkeypatch.undo()
    with store(load(), tmp_path / "lake") as lake:
        again = figures(lake, period(lake, None, None, ZONE))
    assert json.dumps(_rounded(again)) == json.dumps(_rounded(found))


def _from_nights(made: Store, settings: Settings, wanted: Any, progress: Any = None) -> None:
    load_lines(made, wanted, NIGHTS)


def _rounded(value: Any) -> Any:
    """Sums differ in their last digits by the order of their parts."""
    if isinstance(value, dict):
        return {name: _rounded(below) for name, below in value.items()}
    if isinstance(value, list):
        return [_rounded(below) for below in value]
    return round(value, 6) if isinstance(value, float) else value


class _Reader(HTMLParser):
    def __init__(self, tag: str) -> None:
        super().__init__()
        self._tag, self._inside = tag, False
        self.texts: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == self._tag:
            self._inside = True
            self.texts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != self._tag

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts[-1] += data


def _texts(page: str, tag: str) -> list[str]:
    reader = _Reader(tag)
    reader.feed(page)
    return reader.texts


def test_the_page_is_strict_and_says_every_plot_in_words(found: Row) -> None:
    reader = _Reader("h2")
    reader.feed(html(found))
    names = [tag for tag, _ in reader.tags]
    assert "script" not in names
    assert "link" in names
    assert all(attrs["href"] == "data:," for tag, attrs in reader.tags if tag == "link")
    assert not [attrs for _, attrs in reader.tags if attrs.get("src") or "style" in attrs]
    drawn = [attrs for tag, attrs in reader.tags if tag == "svg"]
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in drawn)
    followed = [name for name in names if name in {"svg", "table"}]
    assert names.count("svg") == 5
    assert all(after == "table" for name, after in pairwise([*followed, ""]) if name == "svg")
    assert len([text for text in _texts(html(found), "p") if text.endswith(".")]) > 2 * len(drawn)


def test_nobody_is_named(found: Row) -> None:
    shown = html(found) + json.dumps(found)
    names = {name for car in cars().values() for name in (car["car"], car["driver"], car["vehicle"])}
    names |= {one["session_id"] for one in sessions()}
    assert not [name for name in names if name in shown]
    assert not re.search(r"acct-|veh-|driver-", shown)


def test_names_from_outside_are_text(found: Row) -> None:
    evil = '<img src=x onerror="alert(1)">'
    told = json.loads(json.dumps(found))
    told["commands"][0] |= {"oem": evil, "model": evil}
    told["promises"][0]["oem"] = told["by_oem"][0]["name"] = told["not_kept"][0]["model"] = evil
    assert "<img" not in html(told)


def test_a_long_period_is_drawn_as_its_mean_day() -> None:
    start = at("2023-06-01T00:00:00Z")
    alike = {"carbon_g_per_kwh": None, "cheapest": 1.0}
    told = [
        alike | {"half_hour": (start + n * HALF).isoformat(), "energy_kwh": n % 48, "price": n % 48 / 100}
        for n in range(48 * 20)
    ]
    shown, mean = charts.points(told, "UTC")
    assert mean
    assert [f"{point.at:%H:%M}" for point in shown[:2]] == ["12:00", "12:30"]
    assert [point.kw for point in shown] == [2 * (n % 48) for n in range(24, 72)]
    assert [point.price for point in shown] == pytest.approx([n % 48 / 100 for n in range(24, 72)])
    assert not charts.points(told[: 48 * 14], "UTC")[1]


def test_a_page_is_written_whole_or_not_at_all(found: Row, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("before")
    with pytest.raises(KeyError):
        write({}, path)
    assert path.read_text() == "before"
    with pytest.raises(ValueError, match="there is no folder"):
        write(found, tmp_path / "nowhere" / "report.html")
    write(found, path)
    assert path.read_text().startswith("<!doctype html>")
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]


def test_the_command_writes_the_page_and_prints_its_figures(found: Row, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    given = ["report", "--from", str(NIGHTS), "--zone", ZONE, "--to", str(path)]
    done = CliRunner().invoke(app(), [*given, "--json"])
    assert done.exit_code == 0, done.output
    assert _rounded(json.loads(done.stdout)) == _rounded(found)
    assert path.read_text(encoding="utf-8") == html(found)
    assert "less" in lead(found)


def test_the_example_of_the_docs_is_what_the_extract_gives(found: Row) -> None:
    page = (Path(__file__).parents[2] / "docs" / "reporting.md").read_text(encoding="utf-8")
    assert lead(found).replace(NARROW, " ") in page.replace(NARROW, " ")


def test_a_line_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "tail.jsonl").write_text('{"topic": "d2ev.plug.event.v1"}\nnonsense\n')
    with pytest.raises(ValueError, match=r"tail\.jsonl:2: not a line"), store(load(), tmp_path):
        pass
    with pytest.raises(ValueError, match="no such file"), store(load(), tmp_path / "none"):
        pass
