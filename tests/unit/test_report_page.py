"""The page of the report: what it tells to type, what it must not do, and that it is there whole or not at all."""

import json
import re
import shlex
from collections.abc import Iterator
from datetime import timedelta
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

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
from tables.store import Store
from tests.nights import NIGHTS, ZONE, Row, at, cars, report, rounded, sessions

HALF = timedelta(minutes=30)


@pytest.fixture(scope="module")
def opened() -> Iterator[Store]:
    with store(load(), NIGHTS) as nights:
        yield nights


@pytest.fixture
def found() -> Row:
    return report()


def test_what_the_page_tells_to_type_gives_its_figures(opened: Store, found: Row) -> None:
    page = html(found)
    asked = [shlex.split(text) for text in _texts(page, "pre")]
    assert len(asked) == sum(len(several) for several in questions.SECTIONS.values())
    for (_, _, question, *more), name in zip(asked, ("money", "carbon", "load", "thirds"), strict=False):
        given = asking.parameters(more[1::2])
        with opened.ask(question, given) as answer:
            told = list(rows(answer))
        expected = found[name] if isinstance(found[name], list) else [found[name]]
        assert rounded(told) == rounded([{key: row[key] for key in told[0]} for row in expected])


def test_d2ev_sql_reads_all_that_these_questions_need(opened: Store) -> None:
    needed = {one.full_name for question in questions.SECTIONS["load"] for one in opened.needs(question)}
    assert needed == {f"topics.{name.replace('.', '_')}" for name in RELATIONS if name != "command.event"}
    assert {one.name for one in opened.needs(questions.COMMANDS)} == {"command_event", "registration_state"}


def test_what_was_exported_gives_the_same_report(found: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "fill", _from_nights)
    for name in RELATIONS:
        export(name, tmp_path / "lake", None, load())
    monkeypatch.undo()
    with store(load(), tmp_path / "lake") as lake:
        again = figures(lake, period(lake, None, None, ZONE))
    assert json.dumps(rounded(again)) == json.dumps(rounded(found))


def _from_nights(made: Store, settings: Settings, wanted: Any, progress: Any = None) -> None:
    load_lines(made, wanted, NIGHTS)


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
    with pytest.raises(UnicodeEncodeError):
        write(found | {"promises": [found["promises"][0] | {"oem": "\ud800"}]}, path)
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
    assert rounded(json.loads(done.stdout)) == rounded(found)
    assert path.read_text(encoding="utf-8") == html(found)
    assert "less" in lead(found)


def test_the_example_of_the_docs_is_what_the_extract_gives(found: Row) -> None:
    page = (Path(__file__).parents[2] / "docs" / "reporting.md").read_text(encoding="utf-8")
    assert lead(found).replace(NARROW, " ") in page.replace(NARROW, " ")


def test_a_line_that_is_none_is_named(tmp_path: Path) -> None:
    whole = {
        "topic": "d2ev.plug.event.v1",
        "partition": 0,
        "offset": 0,
        "key": "a.b",
        "time": "2026-01-01",
        "value": None,
    }
    (tmp_path / "tail.jsonl").write_text(f"{json.dumps(whole)}\nnonsense\n")
    with pytest.raises(ValueError, match=r"tail\.jsonl:2: not a line"), store(load(), tmp_path):
        pass
    with pytest.raises(ValueError, match="no such file"), store(load(), tmp_path / "none"):
        pass
