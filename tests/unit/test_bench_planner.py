"""The planner bench's summary: every bar is there with its figure, a missed one says so, a missing judge is named."""

from __future__ import annotations

from typing import Any

import pytest

from deploy.bench import blocks, make_extracts, one_car, planner


def figures(**other: Any) -> dict[str, Any]:
    """A result in which every bar is just met, with changes."""
    met = {
        bar.key: bar.at_most if bar.at_most is not None else bar.at_least if bar.at_least is not None else 1.5
        for bar in planner.BARS
    }
    return {**met, "exact_problems": 700, "highs_us": 1000.0, "fleet_cars": 1000, **other}


def test_bars_are_met_up_to_the_bar_and_no_further() -> None:
    assert all(bar.met(figures()[bar.key]) in {True, None} for bar in planner.BARS)
    by_key = {bar.key: bar for bar in planner.BARS}
    assert by_key["planner_us_p99"].met(20.1) is False
    assert by_key["highs_over_planner_ratio"].met(199.9) is False
    assert by_key["planner_us_p50"].met(1e9) is None


def test_every_figure_has_a_line_with_its_bar_and_what_it_is_beside() -> None:
    lines = planner.text(figures(planner_us_p99=31.25)).splitlines()[1:]
    assert len(lines) == len(planner.BARS)
    (line,) = [line for line in lines if "any blocks: us, 99th" in line]
    assert line.split()[-5:] == ["31.25", "at", "most", "20", "MISSED"]
    (line,) = [line for line in lines if line.startswith("HiGHS")]
    assert line.endswith("at least 200  met     highs_us 1,000")


def test_without_scipy_the_judges_are_named_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planner, "find_spec", lambda name: None)
    monkeypatch.setattr(one_car, "find_spec", lambda name: None)
    found = planner.exactness(1)
    assert set(found.values()) == {"scipy is not installed: make setup-dev"}
    result = one_car.measure(100)
    assert result["highs_over_planner_ratio"] == "scipy is not installed: make setup-dev"
    assert "scipy is not installed: make setup-dev" in planner.text({**figures(), **found, **result})


def test_too_little_to_measure_is_refused() -> None:
    for cars, problems in ((999, 1), (1000, 0)):
        with pytest.raises(ValueError, match="give at least"):
            planner.run(cars, problems)


def test_fewer_blocks_keep_less_of_the_saving() -> None:
    nights = list(blocks.half_hours())[:3]
    asked = [request for night in nights for request in blocks.requests(*night, 40)]
    kept = blocks.shares(asked)
    assert len(asked) > 60
    assert 0.8 < kept["one"] < kept["live"] <= kept["two"] <= 1


def test_making_the_price_extracts_without_the_recordings_says_what_is_missing(
    tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path.name: path.read_bytes() for path in make_extracts.DATA.glob("*.csv")}
    assert make_extracts.main([str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(f"{tmp_path}: prices/gb_agile")
    assert {path.name: path.read_bytes() for path in make_extracts.DATA.glob("*.csv")} == before
