"""The planner is exact, whatever the prices: judged by cases, by HiGHS and by its own invariants."""

import json
import random
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from streams.contracts.forecast import Forecast, ForecastKind, Slot
from streams.domain.planner import CostSlot, Curve, PlanRequest, Policy, combine, plan, price_of

T0 = datetime(2023, 5, 14, 17, tzinfo=UTC)
DST_EVES = [datetime(2023, 3, 25, 18, tzinfo=UTC), datetime(2023, 10, 28, 18, tzinfo=UTC)]
CASES = json.loads((Path(__file__).parents[1] / "cases" / "planner.json").read_text())


def after(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def request_of(case: dict[str, Any]) -> PlanRequest:
    """A case in whole hours from T0: prices in hundredths, null where unknown; 7 kW."""
    prices = case["prices"]
    carbon = case.get("carbon", [0] * len(prices))
    return PlanRequest(
        now=after(case.get("now", 0)),
        ready_by=after(case.get("ready_by", 60 * len(prices))),
        curve=Curve.of(
            [
                CostSlot(after(60 * i), after(60 * i + 60), price / 100, carbon[i])
                for i, price in enumerate(prices)
                if price is not None
            ],
            case.get("carbon_price", 0),
        ),
        need_kwh=case["need_kwh"],
        min_need_kwh=case.get("min_kwh", 0),
        power_kw=7.0,
        charging_now=case.get("charging_now", False),
        policy=Policy(max_blocks=None, margin=timedelta(minutes=case.get("margin", 0))),
    )


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in CASES])
def test_plan_of_a_known_case(case: dict[str, Any]) -> None:
    made = plan(request_of(case))
    blocks = [[(a - T0) / timedelta(minutes=1), (b - T0) / timedelta(minutes=1), kwh] for a, b, kwh in made.blocks]
    assert blocks == [pytest.approx(block, abs=1e-6) for block in case["blocks"]]
    assert made.cost == pytest.approx(case["cost"], abs=1e-9)
    assert made.reachable is case.get("reachable", True)
    assert made.shortfall_kwh == pytest.approx(case.get("shortfall_kwh", 0), abs=1e-9)
    assert made.provisional is case.get("provisional", False)
    ready_at = case.get("ready_at", case["blocks"][-1][1] if case["blocks"] else 0)
    assert abs(made.ready_at - after(ready_at)) < timedelta(milliseconds=1)


PRICES = {
    "random": st.integers(-2000, 6000),
    "tied": st.sampled_from([900, 1800, 1800, 3000]),
    "flat": st.just(2500),
    "negative": st.integers(-3000, -1),
    "two rates": st.sampled_from([752, 3041]),
}


ANY: st.SearchStrategy[int | None] = st.none()
FEW: st.SearchStrategy[int | None] = st.sampled_from([None, 1, 2, 3])


@st.composite
def requests(draw: st.DrawFn, *, gaps: bool = False, blocks: st.SearchStrategy[int | None] = ANY) -> PlanRequest:
    """Known slots in any grid, a window that begins and ends amid slots, all kinds of price."""
    minutes = draw(st.sampled_from([15, 30, 60]))
    count = draw(st.integers(2, 100))
    kind = draw(st.sampled_from(sorted(PRICES)))
    rng = draw(st.randoms(use_true_random=False))
    pool = draw(st.lists(PRICES[kind], min_size=8, max_size=8))
    # Either side of both DST nights: UTC slots know nothing of them, and the planner must not either.
    start = draw(st.sampled_from([T0, datetime(2023, 3, 25, 18, tzinfo=UTC), datetime(2023, 10, 28, 18, tzinfo=UTC)]))
    step = timedelta(minutes=minutes)
    slots = tuple(
        CostSlot(start + i * step, start + (i + 1) * step, rng.choice(pool) / 10000, float(rng.randrange(0, 400)))
        for i in range(count)
    )
    if gaps:
        slots = tuple(slot for slot in slots if rng.random() < 0.7)
    length_s = int(count * step.total_seconds())
    now_s = draw(st.integers(0, length_s // 2))
    ready_s = draw(st.integers(now_s + 1, length_s))
    power_kw = draw(st.sampled_from([2.3, 3.7, 7.4, 11.0, 22.0]))
    room_kwh = power_kw * (ready_s - now_s) / 3600
    need_kwh = room_kwh * draw(st.floats(0, 1.3))
    return PlanRequest(
        now=start + timedelta(seconds=now_s),
        ready_by=start + timedelta(seconds=ready_s),
        curve=Curve.of(slots, float(draw(st.sampled_from([0, 50, 245])))),
        need_kwh=need_kwh,
        min_need_kwh=need_kwh * draw(st.sampled_from([0.0, 0.0, 0.3, 1.0])),
        power_kw=power_kw,
        charging_now=draw(st.booleans()),
        policy=Policy(max_blocks=draw(blocks), margin=timedelta(minutes=draw(st.sampled_from([0, 0, 20])))),
    )


def optimum(request: PlanRequest) -> tuple[float, float]:
    """(least objective, energy) by HiGHS: kWh per slot, the minimum as early as power allows."""
    room_kwh = request.power_kw * (request.ready_by - request.now).total_seconds() / 3600
    margin_kwh = request.power_kw * request.policy.margin.total_seconds() / 3600
    fits = request.need_kwh <= room_kwh - margin_kwh + 1e-9
    deadline = request.ready_by - request.policy.margin if fits else request.ready_by
    energy_kwh = min(request.need_kwh, room_kwh)
    caps = np.array(
        [
            max(0.0, (min(s.end, deadline) - max(s.start, request.now)).total_seconds()) / 3600 * request.power_kw
            for s in request.curve.slots
        ]
    )
    costs = [s.price + request.curve.carbon_price * s.carbon_g * 1e-6 for s in request.curve.slots]
    soon = np.minimum(np.cumsum(caps), min(request.min_need_kwh, energy_kwh))
    answer = linprog(
        costs,
        A_ub=-np.tri(len(caps)),
        b_ub=-soon + 1e-9,
        A_eq=np.ones((1, len(caps))),
        b_eq=[energy_kwh],
        bounds=list(zip(np.zeros(len(caps)), caps + 1e-9, strict=True)),
        method="highs",
    )
    assert answer.status == 0, answer.message
    return float(answer.fun), energy_kwh


@settings(max_examples=300)
@given(requests())
def test_no_plan_is_cheaper(request: PlanRequest) -> None:
    least, energy_kwh = optimum(request)
    made = plan(request)
    assert made.energy_kwh == pytest.approx(energy_kwh, abs=1e-6)
    assert made.objective == pytest.approx(least, abs=2e-6)


@settings(max_examples=300)
@given(requests(gaps=True, blocks=FEW))
def test_a_plan_keeps_to_its_window_and_its_need(request: PlanRequest) -> None:
    made = plan(request)
    room_kwh = request.power_kw * (request.ready_by - request.now).total_seconds() / 3600
    assert made.energy_kwh == pytest.approx(min(request.need_kwh, room_kwh), abs=1e-6)
    assert made.energy_kwh <= request.need_kwh + 1e-8
    assert made.energy_kwh + made.shortfall_kwh == pytest.approx(request.need_kwh, abs=1e-6)
    edges = [edge for a, b, _ in made.blocks for edge in (a, b)]
    assert edges == sorted(edges)
    assert all(a < b for a, b, _ in made.blocks)
    assert all(b < c for (_, b, _), (c, _, _) in zip(made.blocks, made.blocks[1:], strict=False)), "blocks touch"
    if edges:
        assert request.now <= edges[0]
        assert edges[-1] <= request.ready_by + timedelta(microseconds=2)
    for a, b, kwh in made.blocks:
        assert kwh == pytest.approx(request.power_kw * (b - a).total_seconds() / 3600, abs=1e-6)


def _known_s(request: PlanRequest, start: datetime, end: datetime) -> float:
    return sum(max(0.0, (min(s.end, end) - max(s.start, start)).total_seconds()) for s in request.curve.slots)


@given(requests(gaps=True, blocks=FEW))
def test_unknown_time_is_used_only_when_the_known_does_not_suffice(request: PlanRequest) -> None:
    request = replace(request, min_need_kwh=0.0, policy=Policy(max_blocks=None))
    made = plan(request)
    known_s = _known_s(request, request.now, request.ready_by)
    used_s = sum((b - a).total_seconds() for a, b, _ in made.blocks)
    outside_s = used_s - sum(_known_s(request, a, b) for a, b, _ in made.blocks)
    if known_s > 0 and made.reachable:
        need_s = request.need_kwh / request.power_kw * 3600
        assert outside_s == pytest.approx(max(0.0, need_s - known_s), abs=1e-3)


@given(requests(gaps=True, blocks=FEW))
def test_the_same_request_gives_the_same_plan(request: PlanRequest) -> None:
    assert repr(plan(request)) == repr(
        plan(replace(request, curve=Curve.of(request.curve.slots, request.curve.carbon_price)))
    )


@settings(max_examples=50)
@given(requests())
def test_the_minimum_runs_from_now_without_a_break(request: PlanRequest) -> None:
    if request.min_need_kwh * 3600 / request.power_kw < 1e-3:
        return
    first = plan(request).blocks[0]
    room_kwh = request.power_kw * (request.ready_by - request.now).total_seconds() / 3600
    assert first[0] == request.now
    assert first[2] >= min(request.min_need_kwh, request.need_kwh, room_kwh) - 1e-6


def test_a_car_without_power_is_refused() -> None:
    with pytest.raises(ValueError, match="power_kw"):
        plan(replace(request_of(CASES[0]), power_kw=0.0))


def forecast(kind: ForecastKind, minutes: int, values: list[float], start: datetime = T0) -> Forecast:
    unit = "GBP/kWh" if kind is ForecastKind.PRICE else "gCO2/kWh"
    step = timedelta(minutes=minutes)
    return Forecast(
        kind=kind, key="k", unit=unit, issued_at=T0, source="test",
        known_until=start + len(values) * step,
        slots=tuple(
            Slot(start=start + i * step, end=start + (i + 1) * step, value=v) for i, v in enumerate(values)
        ),
    )  # fmt: skip


def test_mixed_grids_are_cut_at_the_edges_of_both() -> None:
    slots = combine(
        forecast(ForecastKind.PRICE, 60, [0.3, 0.1]),
        forecast(ForecastKind.CARBON, 30, [100, 200, 300], T0 + timedelta(minutes=15)),
        after(10),
        after(110),
    )
    seen = [((s.start - T0).seconds // 60, (s.end - T0).seconds // 60, s.price, s.carbon_g) for s in slots]
    assert seen == [
        (10, 15, 0.3, 200.0),
        (15, 45, 0.3, 100.0),
        (45, 60, 0.3, 200.0),
        (60, 75, 0.1, 200.0),
        (75, 105, 0.1, 300.0),
        (105, 110, 0.1, 200.0),
    ]


def test_without_a_price_there_is_no_slot() -> None:
    price = forecast(ForecastKind.PRICE, 30, [0.3])
    carbon = forecast(ForecastKind.CARBON, 30, [100, 100, 100])
    assert [s.end for s in combine(price, carbon, T0, after(90))] == [after(30)]
    assert combine(price, carbon, after(30), after(90)) == ()


@given(st.sampled_from([15, 30, 60]), st.sampled_from([15, 30, 60]), st.integers(0, 90), st.integers(1, 200))
def test_combining_loses_no_minute_of_price(price_grid: int, carbon_grid: int, begin: int, length: int) -> None:
    rng = random.Random(begin)
    prices = [rng.random() for _ in range(8)]
    grams = [rng.randrange(400) for _ in range(5)]
    slots = combine(
        forecast(ForecastKind.PRICE, price_grid, prices),
        forecast(ForecastKind.CARBON, carbon_grid, [float(g) for g in grams]),
        after(begin),
        after(begin + length),
    )
    by_minute = {
        (s.start - T0) // timedelta(minutes=1) + m: (s.price, s.carbon_g)
        for s in slots
        for m in range((s.end - s.start) // timedelta(minutes=1))
    }
    expected = {
        m: (
            prices[m // price_grid],
            float(grams[m // carbon_grid]) if m // carbon_grid < len(grams) else sum(grams) / 5,
        )
        for m in range(begin, min(begin + length, price_grid * len(prices)))
    }
    assert by_minute == expected


def test_a_bill_counts_unknown_time_at_the_average_and_never_as_free() -> None:
    slots = (CostSlot(T0, after(60), 0.10, 100), CostSlot(after(60), after(120), 0.30, 300))
    assert price_of(((after(30), after(90), 4.0),), slots) == pytest.approx((0.8, 800))
    assert price_of(((after(120), after(180), 4.0),), slots) == pytest.approx((0.8, 800))
    assert price_of(((T0, after(60), 4.0),), ()) == (0.0, 0.0)


def test_planning_loads_no_solver() -> None:
    probe = "import sys, streams.domain.planning; print({'scipy', 'highspy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_time_without_a_price_keeps_to_the_number_of_blocks() -> None:
    slots = [CostSlot(after(60 * i), after(60 * i + 60), 0.1, 0.0) for i in (0, 2, 4)]
    for blocks in (1, 2):
        made = plan(
            PlanRequest(after(0), after(360), Curve.of(slots), 7.0 * 3.5, 7.0, policy=Policy(max_blocks=blocks))
        )
        assert made.reachable
        assert len(made.blocks) <= blocks
