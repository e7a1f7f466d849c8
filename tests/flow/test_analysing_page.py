"""The examples of docs/analysing.md do what the page says."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.settings import load
from deploy.analysis import tables
from streams.examples import CAR
from streams.topics import TOPICS, VEHICLE
from tables import VEHICLES
from tests.analysts import DAWN, broker, told, write
from tests.command_line import run

PAGE = (Path(__file__).parents[2] / "docs" / "analysing.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True)
def _a_log(monkeypatch: pytest.MonkeyPatch, log: str, tmp_path: Path) -> None:
    monkeypatch.setenv("D2EV_BOOTSTRAP", log)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def log() -> Iterator[str]:
    """One of every published message."""
    by_car = [topic for topic in TOPICS if topic.public and topic.key == "car"]
    with broker(topic for topic in TOPICS if topic.public) as running:
        write(running.bootstrap, [told(topic, CAR, DAWN) for topic in by_car])
        write(running.bootstrap, [(VEHICLES.changelog("d2ev"), *told(VEHICLE, CAR, DAWN)[1:])])
        yield running.bootstrap


@pytest.mark.parametrize("query", blocks("sql"), ids=lambda query: query.split(maxsplit=3)[1])
def test_questions_have_answers(query: str) -> None:
    assert len(tables.ask(query)) >= 1


def test_python_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (script,) = blocks("python")
    exec(compile(script, "analysing.md", "exec"), {})
    told_back = capsys.readouterr().out
    assert "kWh" in told_back
    assert "saving" in told_back


def test_commands_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pseudonym = tables.pseudonyms(load()).of(CAR)
    for line in [line for block in blocks("sh") for line in block.splitlines()]:
        ended = run(capsys, *shlex.split(re.sub("(?<=--find )[0-9a-f]+", pseudonym, line))[1:])
        assert (ended.code, ended.err) == (0, ""), line
        assert ended.out or "--out" in line, line
    assert (tmp_path / "sessions.parquet").is_file()
    assert (tmp_path / "cars.parquet").is_file()
    assert len(list((tmp_path / "lake" / "topics").rglob("*.parquet"))) == 2


def test_a_report_comes_from_the_same_log(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    ended = run(capsys, "report", "--json", "--to", str(tmp_path / "report.html"))
    assert (ended.code, ended.err) == (0, "")
    (settled,) = tables.ask("SELECT energy_kwh, saving FROM sessions").itertuples(index=False)
    figures = json.loads(ended.out)
    assert (figures["energy_kwh"], figures["money"][0]["saving"]) == (settled.energy_kwh, settled.saving)
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    empty = run(capsys, "report", "--since", "2031-01-01", "--until", "2032-01-01", "--to", str(tmp_path / "none.html"))
    assert (empty.code, empty.err.count("\n")) == (2, 1)
    assert not (tmp_path / "none.html").exists()
