"""The page of a long run of kills says what happened, and what must not have."""

from dataclasses import replace
from typing import Any

import pytest

from agents.failpoints import FAILPOINTS
from tests.faults.supervised import ANY_MOMENT, Death, Kill, kills
from tests.faults.tally import Tally, page, quantile
from tests.faults.verdict import Verdict

CLEAN = Verdict(7, ("acct-1",), (), (), (), (), (), (), (), (), ())


@pytest.mark.parametrize(
    ("seconds", "share", "expected"),
    [([], 0.5, None), ([3.0], 0.99, 3.0), ([1, 2, 3, 4], 0.5, 2), ([4, 1, 3, 2], 0.99, 4), ([1, 2, 3], 0.5, 2)],
)
def test_quantiles_are_values_that_were_seen(seconds: list[float], share: float, expected: float | None) -> None:
    assert quantile(seconds, share) == expected


def test_a_clean_run_says_so_with_its_figures() -> None:
    tally = Tally(vehicles=10, seed=3)
    tally.add(3, [Death(Kill("chunk.sent", 4), 0.0, 2.5), Death(Kill(ANY_MOMENT, 4), 0.0, None)], CLEAN)
    text = page(tally)
    assert tally.clean
    assert "2 kills in 1 evenings of 10 cars" in text
    assert "Clean." in text
    assert "| chunk.sent | 1 |" in text
    assert "| recovery p50, seconds | 2.5 |" in text
    assert "| consent needed | 1 |" in text, "the driver is asked: that is no fault"


@pytest.mark.parametrize("fault", ["effective_twice", "outdated", "missed", "shown_twice", "unfinished", "lost"])
def test_any_fault_makes_a_run_unclean_and_is_named_with_its_seed(fault: str) -> None:
    tally = Tally(vehicles=10, seed=3)
    tally.add(3, [], CLEAN)
    found: dict[str, Any] = {fault: ("acct-9.veh-9",)}
    tally.add(4, [], replace(CLEAN, **found))
    assert not tally.clean
    assert "Clean." not in page(tally)
    assert f"Evening of seed 4:\n\n- {fault}: 1: acct-9.veh-9" in page(tally)


def test_a_seed_gives_the_same_kills_and_every_failpoint_comes_before_any_comes_twice() -> None:
    assert kills(40, 5) == kills(40, 5) != kills(40, 6)
    plan = kills(40, 5)
    assert {kill.place for kill in plan[: len(FAILPOINTS)]} == set(FAILPOINTS)
    assert all(kill.turn >= 1 for kill in plan)
    assert ANY_MOMENT in {kill.place for kill in plan}
