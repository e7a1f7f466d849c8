"""No plan is cheaper: the planner beside HiGHS, and beside every way to charge where power falls as the car fills.

Fixed seeds, and one fresh seed per run. What differs is printed as lines that `d2ev plan` can be given.
"""

import json
import random
from itertools import product

import pytest

from deploy.bench import brute, highs
from deploy.bench.exactness import verdict
from deploy.bench.problems import PRICES, VARIANTS, problem
from deploy.bench.statement import Statement, hours_of, soc_after
from deploy.plan_lines import read

#: Mixed-integer programmes take their time.
PROBLEMS = {"C": 100, "D": 150}
FRESH = 20


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_plan_is_cheaper(variant: str) -> None:
    found = verdict(variant, range(PROBLEMS.get(variant, 300)))
    assert found.mismatches == []


def test_no_plan_is_cheaper_in_a_fresh_problem() -> None:
    first = random.SystemRandom().randrange(1 << 48)
    found = [line for variant in VARIANTS for line in verdict(variant, range(first, first + FRESH)).mismatches]
    assert found == [], f"seeds from {first} on"


def test_a_worse_plan_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The judges can say no: of a planner that knows nothing of carbon and of starts."""

    def blind(line: bytes) -> object:
        given = json.loads(line)
        given["policy"] |= {"carbon_price_per_tonne": 0, "start_penalty": 0}
        return read(json.dumps(given).encode())

    monkeypatch.setattr("deploy.bench.exactness.read", blind)
    for variant in ("A", "C"):
        found = verdict(variant, range(40)).mismatches
        assert found
        assert json.loads(found[0].split(": ", 1)[1])["id"].startswith(f"{variant}-")


@pytest.mark.parametrize("seed", range(40))
def test_the_judges_agree_with_each_other(seed: int) -> None:
    """Short windows on minutes, where every way to charge can be tried: the grid of HiGHS says the same."""
    line = problem("E", seed)
    line["vehicle"]["taper"] = [[0, 1000]]  # never above the car's own power: none
    line["vehicle"]["target_soc_pct"] = 100
    minutes = round(Statement.of(line).deadline * 60)
    line["vehicle"]["usable_kwh"] = line["vehicle"]["power_kw"] * (1 + seed % minutes) / 60
    stated = Statement.of(line)
    least = brute.least_cost_of_all(stated)
    assert highs.least_cost_on_a_grid(stated, 1 / 60) == pytest.approx(least, abs=1e-7)
    assert highs.least_cost_of_blocks(stated) == pytest.approx(least, abs=1e-7)


def test_the_problems_are_of_every_kind() -> None:
    """What the judges never see is not proven."""
    lines = [problem(variant, seed) for variant, seed in product("AC", range(300))]
    lengths = {len(line["slots"]) for line in lines}
    assert {46, 50} <= lengths
    assert {line["slots"][0]["start"][:10] for line in lines} == {"2023-05-14", "2023-03-26", "2023-10-28"}
    assert any(line["now"] not in {slot["start"] for slot in line["slots"]} for line in lines)
    assert {line["vehicle"]["charging_now"] for line in lines} == {True, False}
    assert {line["policy"].get("max_blocks", 0) for line in lines} == {0, 1, 2, 3, None}
    prices = [{slot["price_per_kwh"] for slot in line["slots"]} for line in lines]
    assert any(len(of_line) == 1 for of_line in prices)
    assert any(max(of_line) < 0 for of_line in prices)
    assert len(PRICES) == 6


def test_time_and_charge_are_each_others_inverse() -> None:
    vehicle = {
        "soc_pct": 30, "usable_kwh": 60, "efficiency": 0.9, "power_kw": 11, "taper": [[50, 12], [80, 4], [95, 4]]
    }  # fmt: skip
    for minutes in (1, 60, 150, 240, 400):
        reached = soc_after(vehicle, minutes)
        assert hours_of(vehicle, (reached - 30) * 60 / 0.9 / 100) * 60 == pytest.approx(minutes, abs=1e-6)
    assert soc_after(vehicle, 60) == pytest.approx(30 + 11 * 0.9 / 60 * 100)
