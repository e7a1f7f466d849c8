"""The time machine, on a recorded day of four cars under a cap: it makes the same plans, and notices others."""

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from deploy.replay.changes import changes
from deploy.replay.log import Log
from deploy.replay.otherwise import otherwise, totals
from deploy.replay.plans import reproduce
from deploy.replay.report import replayed, rows, said
from deploy.replay.stays import settled
from streams.domain.case import PlanRules
from streams.topics import PREFERENCE, REPLAN, SCHEDULE, SESSION, VEHICLE
from tests.command_line import run
from tests.replayed import LINES, log_of

ROOT = Path(__file__).parents[2]
RULES = PlanRules()
AS_IS = changes(RULES, ())


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Log:
    return log_of(tmp_path_factory.mktemp("day"))


def test_every_plan_of_the_day_is_made_again_value_for_value(day: Log) -> None:
    found = reproduce(day, RULES)
    assert found.of == len(list(day.everywhere(SCHEDULE.name))) > 20
    assert found == (found.of, found.of, None, 0, None)


@pytest.mark.parametrize("rule", ["max_blocks=1", "min_block_minutes=90", "min_pause_minutes=240"])
def test_another_planner_makes_other_plans(day: Log, rule: str) -> None:
    found = reproduce(day, changes(RULES, [rule]).rules)
    assert 0 < found.same < found.of
    assert found.first_other is not None


def test_a_plan_that_was_never_made_is_found(tmp_path: Path) -> None:
    def dearer(row: dict[str, Any]) -> dict[str, Any]:
        if row["topic"] == SCHEDULE.name and row["value"] and row["value"]["blocks"]:
            row["value"]["cost"] += 0.01
        return row

    found = reproduce(log_of(tmp_path, dearer), RULES)
    assert found.same < found.of


@pytest.mark.parametrize("topic", [PREFERENCE.name, REPLAN.name, VEHICLE.name])
def test_what_is_gone_from_the_log_makes_other_plans(tmp_path: Path, topic: str) -> None:
    found = reproduce(log_of(tmp_path, lambda row: None if row["topic"] == topic else row), RULES)
    assert found.same < found.of


def test_what_is_gone_from_the_log_is_counted(tmp_path: Path, day: Log) -> None:
    offsets = [entry.offset for entry in day.of(VEHICLE.name, 0)]
    gone = log_of(tmp_path, lambda row: None if (row["topic"], row["offset"]) == (VEHICLE.name, offsets[5]) else row)
    assert gone.missing(VEHICLE.name) in {day.missing(VEHICLE.name) + 1, day.missing(VEHICLE.name) + 2}


def test_unchanged_rules_change_nothing_and_others_do(day: Log) -> None:
    sessions, _ = settled(day, None, None)
    assert len(sessions) >= 3
    same = totals(otherwise(sessions, AS_IS, AS_IS))["EUR"]
    assert same["as_is"] == same["changed"]
    late = totals(otherwise(sessions, AS_IS, changes(RULES, ["margin_minutes=240"])))["EUR"]
    assert late["as_is"] == same["as_is"]
    assert late["changed"]["cost"] > late["as_is"]["cost"]


def test_what_is_driven_again_takes_what_was_taken(day: Log) -> None:
    sessions, _ = settled(day, None, None)
    found = totals(otherwise(sessions, AS_IS, AS_IS))["EUR"]
    assert found["as_is"]["energy_kwh"] == pytest.approx(found["settled"]["energy_kwh"], rel=0.1)


def test_a_session_of_before_the_prices_that_are_kept_is_left_out_and_counted(tmp_path: Path, day: Log) -> None:
    def sooner(row: dict[str, Any]) -> dict[str, Any]:
        if row["topic"] == SESSION.name:
            for name in ("plugged_at", "ended_at", "settled_at"):
                at = datetime.fromisoformat(row["value"][name]) - timedelta(days=20)
                row["value"][name] = at.isoformat()
        return row

    every, left_out = settled(day, None, None)
    none, told = settled(log_of(tmp_path, sooner), None, None)
    assert none == []
    assert told["the prices or carbon of then are not kept (GB)"] == len(every)
    assert told.total() == len(every) + left_out.total()


def test_a_period_takes_the_sessions_that_ended_in_it(day: Log) -> None:
    every, _ = settled(day, None, None)
    middle = sorted(one.session.ended_at for one in every)[1]
    early, _ = settled(day, None, middle)
    late, _ = settled(day, middle, None)
    assert {one.session.session_id for one in early}.isdisjoint(one.session.session_id for one in late)
    assert len(early) + len(late) == len(every)


def test_a_correction_takes_the_place_of_what_it_corrects(tmp_path: Path, day: Log) -> None:
    every, _ = settled(day, None, None)
    corrected = every[0].session.session_id

    def twice(row: dict[str, Any]) -> dict[str, Any]:
        if row["topic"] == SESSION.name and row["value"]["session_id"] == corrected:
            row["value"] |= {"revision": 2, "energy_kwh": 1.5}
        return row

    again, _ = settled(log_of(tmp_path, twice), None, None)
    assert [one.session.energy_kwh for one in again if one.session.session_id == corrected] == [1.5]


def test_sessions_that_cannot_be_driven_are_counted_with_the_reason(tmp_path: Path) -> None:
    def unknown(row: dict[str, Any]) -> dict[str, Any]:
        if row["topic"] == SESSION.name:
            row["value"]["start_soc_pct"] = None
        return row

    found = replayed(log_of(tmp_path, unknown), AS_IS, AS_IS, None, None)
    assert found["totals"] == {}
    assert any("the state of charge at plug-in is not known" in line for line in said(found))
    assert len(list(rows(found))) == 1


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("blocks=3", "write NAME=NUMBER; there are max_blocks"),
        ("max_blocks", "write NAME=NUMBER"),
        ("max_blocks=many", "'many' is no number"),
        ("max_blocks=1.5", "no whole number"),
        ("max_blocks=0", "too small"),
        ("start_penalty=-1", "too small"),
        ("worthwhile=nan", "too small, or no whole number"),
    ],
)
def test_a_change_that_means_nothing_is_refused(given: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        changes(RULES, [given])


def test_a_wish_that_no_driver_may_have_is_refused(day: Log) -> None:
    sessions, _ = settled(day, None, None)
    with pytest.raises(ValueError, match="--set margin_minutes: "):
        otherwise(sessions, AS_IS, changes(RULES, ["margin_minutes=-1"]))


def test_the_command_reads_a_file_and_says_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log_of(tmp_path)
    ended = run(capsys, "replay", "--from", str(tmp_path / "day.jsonl"), "--set", "max_blocks=1", "--json")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert found["plans"]["same"] == found["plans"]["of"]
    assert {"settled", "as_is", "changed"} <= found["sessions"][0].keys()


def test_the_page_shows_what_the_command_prints(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    page = (ROOT / "docs" / "replaying.md").read_text(encoding="utf-8")
    shown = re.search(r"\$ d2ev (replay --from .*)\n([^`]*)```", page)
    assert shown is not None
    words = [str(ROOT / word) if word.startswith("tests/") else word for word in shown[1].split()]
    assert run(capsys, *words).out == shown[2]


@pytest.mark.parametrize("line", ["{}", "no json", '{"topic": "d2ev.plug.event.v9"}'])
def test_a_file_of_something_else_is_refused_by_its_line(
    line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "other.jsonl"
    file.write_text(f"{LINES[0]}\n{line}\n")
    ended = run(capsys, "replay", "--from", str(file))
    assert (ended.code, ended.out) == (2, "")
    assert f"{file}:2: not a line of `d2ev tail --json`" in ended.err
