"""`d2ev oem`: what is listed, what a recorded answer says, and a new folder whose promises name what is missing."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from oem_connectors.conformance import check
from oem_connectors.registry import load
from tests.command_line import run

Capture = pytest.CaptureFixture[str]
SAMPLE = Path(sys.modules["oem_connectors.registry"].__file__ or "").parent / "simulator" / "samples" / "waiting.json"
FIELDS = {
    *("car", "oem", "soc_pct", "limit_pct", "plug", "charge", "power_kw", "range_km", "odometer_km", "at_home"),
    *("car_time", "oem_time", "received_time"),
}


def test_every_connector_is_listed_with_what_it_can(capsys: Capture) -> None:
    rows = {row["name"]: row for row in json.loads(run(capsys, "oem", "list", "--json").out)}
    assert list(rows) == list(load())
    assert rows["simulator"]["capabilities"] == ["read", "start", "stop", "wake", "schedule", "limit"]
    assert rows["simulator"]["quality"]["done"]


def test_the_list_for_people_names_them_all(capsys: Capture) -> None:
    lines = run(capsys, "oem", "list").out.splitlines()
    assert {line.split()[0] for line in lines if not line.startswith(" ")} == set(load())


def test_a_recorded_answer_is_one_telemetry_object_with_null_for_what_was_not_said(
    capsys: Capture, tmp_path: Path
) -> None:
    raw = json.loads(SAMPLE.read_text("utf-8"))["raw"]
    del raw["battery"]
    file = tmp_path / "answer.json"
    file.write_text(json.dumps(raw), encoding="utf-8")
    told = run(capsys, "oem", "normalise", "simulator", str(file), "--received", "2025-01-02T00:00:00Z")
    said = json.loads(told.out)
    assert said.keys() >= FIELDS
    assert (said["soc_pct"], said["plug"], said["charge"]) == (None, "plugged", "scheduled")
    assert said["received_time"] == "2025-01-02T00:00:00Z"


def test_a_sample_of_ours_is_read_as_the_answer_in_it(capsys: Capture) -> None:
    said = json.loads(run(capsys, "oem", "normalise", "simulator", str(SAMPLE), "--car", "a.b").out)
    assert (said["car"], said["soc_pct"]) == ("a.b", 41.0)


@pytest.mark.parametrize(
    ("content", "more", "reason"),
    [
        pytest.param("<html>", [], "is not JSON", id="no JSON"),
        pytest.param("[1]", [], "no answer of D2EV simulator known to us", id="a list"),
        pytest.param("7", [], "not a JSON object", id="a number"),
        pytest.param('{"error": "asleep"}', [], "an error answer (Asleep)", id="an error"),
        pytest.param('{"vehicles": [{"id": "a"}]}', [], "a list of 1 cars", id="cars"),
        pytest.param('{"charger": {}}', [], "says nothing of the car", id="silence"),
        pytest.param('{"charger": {}}', ["--kind", "event"], "no kind 'event'; there are state", id="no such kind"),
        pytest.param('{"charger": 7}', [], "charger", id="wrong type"),
        pytest.param('{"charger": {}}', ["--received", "noon"], "--received noon: give RFC 3339", id="no time"),
    ],
)
def test_what_is_refused_is_one_line_with_the_reason(
    capsys: Capture, tmp_path: Path, content: str, more: list[str], reason: str
) -> None:
    file = tmp_path / "answer.json"
    file.write_text(content, encoding="utf-8")
    ended = run(capsys, "oem", "normalise", "simulator", str(file), *more)
    assert (ended.code, ended.out) == (2, "")
    assert reason in ended.err
    assert ended.err.count("\n") == 1


def test_a_new_folder_runs_at_once_and_its_promises_name_what_is_missing(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(capsys, "oem", "new", "borealis", "--into", str(tmp_path)).code == 0
    monkeypatch.syspath_prepend(tmp_path)
    broken = {name: said for name, said in check(__import__("borealis").CONNECTOR).items() if said}
    monkeypatch.delitem(sys.modules, "borealis")
    assert set(broken) == {"samples_normalise", "answers_are_recognised", "hosts_are_encrypted", "quality_is_told"}
    assert "at least three samples are needed" in broken["samples_normalise"][0]
    assert "host api is made up: put the maker's address" in broken["hosts_are_encrypted"]


@pytest.mark.parametrize(
    ("name", "reason"), [("Acme Motors", "is no name for a connector"), ("../up", "is no name"), ("taken", "exists")]
)
def test_a_name_that_cannot_be_is_refused(capsys: Capture, tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "taken").mkdir()
    ended = run(capsys, "oem", "new", name, "--into", str(tmp_path))
    assert (ended.code, ended.out) == (2, "")
    assert reason in ended.err


def test_check_prints_every_promise_and_ends_well_only_if_all_are_kept(capsys: Capture) -> None:
    ended = run(capsys, "oem", "check", "simulator")
    assert ended.code == 0
    assert "BROKEN" not in ended.out
    assert len(ended.out.splitlines()) == len(check(load()["simulator"]))


def test_an_unknown_maker_is_named_beside_those_that_are(capsys: Capture) -> None:
    ended = run(capsys, "oem", "check", "nobody")
    assert (ended.code, ended.out) == (2, "")
    assert "no connector 'nobody'; there are " in ended.err
