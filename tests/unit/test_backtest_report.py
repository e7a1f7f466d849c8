"""The summary keeps its contract; the page is strict, says everything in words too, and has its pictures."""

import json
import re
from datetime import time
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.backtest.job import Job, run
from deploy.backtest.report import write
from deploy.backtest.report.charts import charts
from deploy.backtest.report.findings import caveats, lead
from deploy.backtest.report.page import html
from deploy.backtest.stays import Wishes
from deploy.cli import app
from deploy.demo.recorded import DATA
from deploy.pages.svg import ticks
from deploy.pages.words import NARROW, percent

FOUR = {"managed", "unmanaged", "timer", "oracle"}


@cache
def summary() -> dict[str, Any]:
    return run(Job(most=40), lambda *_: None)


@cache
def page() -> str:
    return html(summary(), charts(summary()))


def test_the_summary_has_the_documented_keys() -> None:
    one = summary()
    assert set(one["commands"]) >= {"sent", "confirmed", "failed", "unknown", "duplicate_effective"}
    assert set(one["ready_by"]) >= {"met", "missed", "unreachable"}
    assert set(one["events"]) == {"in", "out", "filtered", "dead_letters", "lost"}
    assert all(set(one[name]) >= FOUR for name in ("energy_kwh", "cost", "carbon_kg"))
    single = ["vehicles", "sessions", "schedules", "announced_start_changes_per_session", "blocks_per_session"]
    assert all(isinstance(one[name], int | float) for name in [*single, "wall_seconds"])
    assert {"plug_events", "notifications", "currency", "tariffs", "more"} <= set(one)
    json.dumps(one, allow_nan=False)


def test_what_came_in_went_out_or_is_accounted_for() -> None:
    events = summary()["events"]
    assert events["in"] == events["out"] + events["filtered"] + events["dead_letters"]
    assert events["filtered"] > 0


def test_regret_adds_up_to_what_managed_cost_more_than_the_oracle() -> None:
    more = summary()["more"]
    gap = more["objective"]["managed"] - more["objective"]["oracle"]
    assert sum(more["regret"].values()) == pytest.approx(gap, abs=1e-3)


def test_hours_hold_all_the_energy_of_both_ways() -> None:
    hours = summary()["more"]["by_hour"]
    assert sum(managed for _, _, managed, _ in hours) == pytest.approx(summary()["energy_kwh"]["managed"], abs=0.01)
    assert sum(at_once for *_, at_once in hours) == pytest.approx(summary()["energy_kwh"]["managed"], abs=0.01)


def test_the_page_needs_nothing_but_itself() -> None:
    assert "<script" not in page()
    assert "default-src 'none'; style-src 'sha256-" in page()
    assert not re.search(r'(?:src|href)="(?!data:|#)', page())
    assert 'style="' not in page()
    assert "http://" not in page().replace("http://www.w3.org", "")


def test_every_plot_has_a_name_for_the_blind_and_a_table() -> None:
    plots = page().count("<svg")
    assert plots == page().count('role="img" aria-label="') == page().count("<details>") == 5


def test_what_is_read_from_files_is_escaped() -> None:
    text = html({**summary(), "tariff": "<b>&"}, charts(summary()))
    assert "<b>&" not in text
    assert "&lt;b&gt;&amp;" in text


def test_pictures_lie_beside_the_page(tmp_path: Path) -> None:
    written = write(summary(), tmp_path / "made" / "here")
    pictures = sorted(written.parent.glob("*.png"))
    assert written.name == "report.html"
    assert len(pictures) == 5
    assert all(one.read_bytes().startswith(b"\x89PNG") and one.stat().st_size > 5_000 for one in pictures)


def test_the_headline_names_money_share_interval_and_denominator() -> None:
    saving = summary()["more"]["saving"]["cost"]["managed"]
    said = lead(summary()).replace(NARROW, " ")
    assert f"{saving['part']:.2f} EUR of" in said
    assert percent(saving["value"]).replace(NARROW, " ") in said
    assert "95 % interval over days" in said


def test_a_loss_is_called_a_loss() -> None:
    worse = json.loads(json.dumps(summary()))
    worse["more"]["saving"]["cost"]["managed"] |= {"part": -12.0, "value": -0.1}
    assert "lost 12.00 EUR" in lead(worse)
    assert f"−10.0{NARROW}%" in lead(worse)
    charts(worse)


def test_caveats_name_what_flatters_and_what_was_assumed() -> None:
    said = " ".join(caveats(summary()))
    for words in (
        "average intensity, not marginal",
        "moved by whole weeks",
        "flatter",
        "true departure",
        "not sessions",
    ):
        assert words in said


def test_without_carbon_nothing_is_said_about_it_and_several_tariffs_stand_beside_one_another(tmp_path: Path) -> None:
    job = Job(prices=[DATA / "prices_gb.csv"] * 2, zone="Europe/London", most=8, wishes=Wishes(ready_at=time(7)))
    one = run(job, lambda *_: None)
    assert set(one["carbon_kg"].values()) == {None}
    assert [tariff["sessions"] for tariff in one["tariffs"]] == [8, 8]
    text = html(one, charts(one))
    assert "Tariffs beside one another" in text
    assert "ready by 07:00" in text


@pytest.mark.parametrize(("low", "high"), [(0, 15), (-4.2, 3.1), (0, 0.004), (0, 0), (5300, 5400), (-0.2, -0.1)])
def test_ticks_cover_what_they_must_in_round_steps(low: float, high: float) -> None:
    marks = ticks(low, high)
    assert marks[0] <= low + 1e-12
    assert marks[-1] >= high - 1e-12
    assert 2 <= len(marks) <= 8


def test_the_command_prints_one_object_and_bad_input_is_an_error(tmp_path: Path) -> None:
    ran = CliRunner().invoke(app(), ["backtest", "--most", "4", "--days", "3", "--json", "--out", str(tmp_path)])
    assert ran.exit_code == 0, ran.output
    assert json.loads(ran.stdout)["sessions"] == 4
    assert (tmp_path / "report.html").exists()
    missing = CliRunner().invoke(app(), ["backtest", "--prices", str(tmp_path / "none.csv")])
    assert isinstance(missing.exception, ValueError)
