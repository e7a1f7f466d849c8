"""Adders keep a regional cap at nearly the least cost, cost nobody their target, and prove it; HiGHS is the judge."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.sparse import block_diag, csr_matrix, hstack

from deploy.bench.caps import SLOTS, capped, hours_on, measure, minute_kw, night, sessions
from deploy.bench.queue import queued
from deploy.demo.recorded import WINDOWS
from streams.domain.caps import DITHER, GROUPS, Grid, Needs, dither, dithered, group_of, relieve
from streams.domain.caps.dither import DRAWN_EVERY
from streams.domain.caps.needs import cheapest, room
from streams.domain.planner import CostSlot, Curve, PlanRequest, Policy, plan
from streams.domain.planner.curve import EPOCH
from tests.night import PLUGGED, forecast

NIGHT = night(WINDOWS["default"])
LARGEST_KW = 11.0


def needs(*rows: tuple[float, float, float, float, float], at_once: float = 0.0, curve: int = 0) -> Needs:
    """Cars as (start, end, hours, kW, group)."""
    start, end, hours, power_kw, group = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    same = np.full(len(rows), curve)
    return Needs(same, group.astype(np.int64), start, end, hours, np.full(len(rows), at_once), power_kw)


def grid(costs: list[float], cap_kw: float) -> Grid:
    """Whole hours from 0 on, without any dither."""
    n = len(costs)
    return Grid(np.arange(n + 1.0), np.array([costs]), np.full(n, cap_kw), np.zeros((GROUPS, n)))


def least_cost(cars: Needs, on: Grid) -> float | None:
    """What HiGHS says the capped fleet must pay; None when it cannot be served."""
    windows = room(on, cars.start, cars.end).T
    costs = on.costs[cars.curve] * cars.power_kw[:, None]
    every_car: Any = block_diag([csr_matrix(np.ones((1, SLOTS)))] * len(cars))
    every_slot: Any = hstack([csr_matrix(np.eye(SLOTS) * kw) for kw in cars.power_kw])
    bounds = np.stack([np.zeros(windows.size), windows.ravel()], axis=1)
    caps = on.cap_kw * on.lengths
    found = linprog(costs.ravel(), every_slot, caps, every_car, cars.hours, bounds, method="highs")
    return float(found.fun) if found.status == 0 else None


@pytest.mark.parametrize("seed", range(4))
def test_three_hundred_cars_beside_the_linear_programme(seed: int) -> None:
    cars = sessions(300, seed)
    on = capped(NIGHT, cars)
    found = relieve(cars, on)
    judged = least_cost(cars, on)
    assert judged is not None
    assert found.bound <= judged + 1e-6
    assert hours_on(cars, on, found).sum(axis=0) == pytest.approx(cars.hours), "nobody is short"
    assert found.load_kw.max() <= on.cap_kw[0] + LARGEST_KW
    saving = found.unmanaged - judged
    assert found.cost - judged <= min(0.03, found.gap_share) * saving + 1e-6


def test_a_cap_that_is_in_nobodys_way_has_no_adders_and_costs_nothing() -> None:
    cars = sessions(500, 1)
    found = relieve(cars, capped(NIGHT, cars, share=1.5))
    assert not found.adders.any()
    assert found.gap_share == pytest.approx(0, abs=1e-9)
    assert found.cost == pytest.approx(found.bound)


def test_the_cap_holds_in_every_minute_for_many_cars() -> None:
    cars = sessions(20_000, 7)
    on = capped(NIGHT, cars)
    found = relieve(cars, on)
    minutes = minute_kw(cars, on, hours_on(cars, on, found))
    assert minutes.sum() / 60 == pytest.approx(float(cars.hours @ cars.power_kw))
    assert minutes.max() <= 1.02 * on.cap_kw[0], "1 % for 100,000"
    assert found.gap_share <= 0.01
    assert found.over_kwh.sum() <= 1e-3 * float(cars.hours @ cars.power_kw)


def test_who_has_slack_leaves_the_cheap_hour_to_who_has_none() -> None:
    on = grid([0.10, 0.20, 0.11], cap_kw=7.0)
    bound_to = (0.0, 1.0, 1.0, 7.0, 0.0)
    free = (0.0, 3.0, 1.0, 7.0, 1.0)
    found = relieve(needs(bound_to, free), on)
    assert found.load_kw == pytest.approx([7.0, 0.0, 7.0])
    assert found.adders[0] > 0.01
    assert found.over_kwh.sum() == 0


def test_the_cap_yields_where_nobody_has_slack_and_says_by_how_much() -> None:
    found = relieve(needs(*[(0.0, 2.0, 2.0, 7.0, 0.0)] * 3), grid([0.1, 0.2, 0.3], cap_kw=14.0))
    assert found.load_kw == pytest.approx([21.0, 21.0, 0.0])
    assert found.over_kwh == pytest.approx([7.0, 7.0, 0.0])
    assert np.isfinite(found.adders).all()


def test_a_need_too_great_for_its_window_goes_on_after_it() -> None:
    found = relieve(needs((0.0, 1.0, 2.0, 7.0, 0.0)), grid([0.1, 0.2, 0.3], cap_kw=99.0))
    assert found.load_kw == pytest.approx([7.0, 7.0, 0.0])


def test_the_minimum_at_once_comes_before_the_cap_which_reserves_for_it() -> None:
    on = grid([0.10, 0.20, 0.30], cap_kw=7.0)
    at_once = needs((0.0, 3.0, 1.0, 7.0, 0.0), at_once=1.0)
    free = needs((0.0, 3.0, 1.0, 7.0, 1.0))
    both = Needs(*(np.concatenate([getattr(at_once, n), getattr(free, n)]) for n in Needs.__slots__))
    assert relieve(both, on).load_kw == pytest.approx([7.0, 7.0, 0.0])
    found = relieve(at_once, grid([0.10, 0.20, 0.30], cap_kw=5.0))
    assert found.over_kwh == pytest.approx([2.0, 0.0, 0.0])


def test_a_car_that_comes_within_a_slot_loads_only_the_rest_of_it() -> None:
    """Two cars in the second half of an hour: its average is 7 kW, but they draw 14."""
    on = Grid(np.arange(3.0), np.array([[0.10, 0.105]]), np.full(2, 8.0), np.zeros((GROUPS, 2)))
    on.dither[1] = DITHER / 2, 0.0
    late, later = (0.5, 2.0, 0.5, 7.0, 0.0), (0.5, 2.0, 0.5, 7.0, 1.0)
    found = relieve(needs(late, later), on)
    assert found.uncapped_kw == pytest.approx([7.0, 0.0])
    assert found.load_kw == pytest.approx([3.5, 3.5])


def test_no_cars_need_no_adders() -> None:
    none = needs((0.0, 1.0, 1.0, 7.0, 0.0))
    found = relieve(Needs(*(getattr(none, name)[:0] for name in Needs.__slots__)), grid([0.1, 0.2], 5.0))
    assert not found.adders.any()
    assert found.gap_share == 0


def test_the_same_cars_in_any_order_give_the_same_adders() -> None:
    cars = sessions(400, 3)
    on = capped(NIGHT, cars)
    mixed = np.random.default_rng(1).permutation(400)
    other = Needs(*(getattr(cars, name)[mixed] for name in Needs.__slots__))
    assert relieve(other, on).adders == pytest.approx(relieve(cars, on).adders, abs=1e-9)


def test_many_rows_at_once_pay_what_the_planner_pays_for_each() -> None:
    cars = sessions(60, 5)
    windows = room(NIGHT, cars.start, cars.end)
    half_hour = timedelta(minutes=30)
    for car in range(60):
        costs = NIGHT.costs[cars.curve[car]]
        on = cheapest(windows[:, [car]], cars.hours[[car]], costs)[:, 0]
        slots = [CostSlot(PLUGGED + n * half_hour, PLUGGED + (n + 1) * half_hour, c, 0.0) for n, c in enumerate(costs)]
        request = PlanRequest(
            now=PLUGGED + timedelta(hours=cars.start[car]),
            ready_by=PLUGGED + timedelta(hours=cars.end[car]),
            curve=Curve.of(slots, 0.0),
            need_kwh=float(cars.hours[car] * cars.power_kw[car]),
            power_kw=float(cars.power_kw[car]),
            policy=Policy(max_blocks=None),
        )
        assert plan(request).cost == pytest.approx(float(on @ costs * cars.power_kw[car]), abs=1e-6)


def test_groups_are_spread_evenly_in_every_slot_and_differently_as_time_goes() -> None:
    found = dither([EPOCH + n * DRAWN_EVERY / 2 for n in range(48)])
    assert found.shape == (GROUPS, 48)
    for drawn in found.T[::2]:
        assert sorted(drawn) == pytest.approx([rank * DITHER / GROUPS for rank in range(GROUPS)])
    assert abs(np.corrcoef(found.T[::2]) - np.eye(24)).max() < 0.6
    assert found[:, 1] == pytest.approx((found[:, 0] + found[:, 2]) / 2), "gradually in between"
    assert {group_of(f"acct{n}.car") for n in range(2000)} == set(range(GROUPS))


def test_a_group_sees_the_adders_with_its_own_dither_and_no_adders_as_they_are() -> None:
    none = forecast([0.0, 0.0])
    assert dithered(none, 5) is none
    adders = forecast([0.0, 0.03])
    starts = [slot.start for slot in adders.slots]
    seen = [slot.value for slot in dithered(adders, 5).slots]
    assert seen == pytest.approx(np.array([0.0, 0.03]) + dither(starts)[5])


def test_first_come_first_served_is_what_it_says() -> None:
    """The one who came first takes the cheap hour; the other finds no room in its only one."""
    first, second = (0.0, 3.0, 1.0, 7.0, 0.0), (0.5, 1.0, 0.5, 7.0, 0.0)
    turn = queued(needs(first, second), grid([0.10, 0.20, 0.30], cap_kw=7.0))
    assert turn.unmet_kwh == pytest.approx(3.5)
    assert turn.cost == pytest.approx(0.7 + 3.5 * 0.30)


def test_the_bench_says_what_it_promises() -> None:
    found = measure(2_000)
    assert found["cap_cars"] == 2_000
    assert found["cap_unmet_kwh"] == 0
    assert found["cap_gap_pct_of_saving"] < 5
    assert found["cap_worst_slot_over_pct"] < 2
    assert found["cap_first_come_lost_pct_of_saving"] > 5 * found["cap_gap_pct_of_saving"]
