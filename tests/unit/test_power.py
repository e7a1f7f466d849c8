"""What a car draws: learned low rather than high, and falling as it fills."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts.registration import TaperPoint
from streams.contracts.schedule import PlanReason
from streams.contracts.telemetry import Charge
from streams.domain.case import PlanRules
from streams.domain.market import Market
from streams.domain.planner.curve import HOUR_US
from streams.domain.planner.taper import Pace, taper_points
from streams.domain.planning import PlanningState, decide, observe_schedule, observe_state
from streams.domain.power import learn
from tests.night import CAR, TWO_RATES, after, forecast, preference, registration, state

NO_OFFSET = PlanRules(edge_spread=timedelta(0))


def charging(kw: float | None, **changes: Any) -> Any:
    return state(power_kw=kw, charge=Charge.CHARGING, **changes)


def test_learning_is_quick_downwards_and_slow_upwards() -> None:
    down = learn(None, charging(6.2), registration())
    assert down == pytest.approx(7.2 - 0.3)
    up = learn(6.0, charging(7.0), registration())
    assert up == pytest.approx(6.05)


@pytest.mark.parametrize(
    "reading",
    [
        pytest.param(charging(None), id="no power told"),
        pytest.param(charging(7.0, soc_pct=90), id="it tapers by itself"),
        pytest.param(charging(1.2), id="ramp or pre-conditioning"),
        pytest.param(charging(50.0), id="not this socket"),
        pytest.param(charging(7.0, at_home=False), id="elsewhere"),
        pytest.param(state(power_kw=6.0), id="not charging"),
    ],
)
def test_what_says_nothing_about_the_wall_teaches_nothing(reading: Any) -> None:
    assert learn(6.5, reading, registration()) == 6.5


def test_a_plan_counts_on_the_learned_power() -> None:
    known = PlanningState(car=CAR, registration=registration(), preference=preference())
    for minutes in range(30):
        known = observe_state(known, charging(6.0, minutes=minutes) if minutes < 29 else state(minutes))
    made = decide(known, Market(forecast(TWO_RATES), None), after(30), NO_OFFSET)
    assert made is not None
    assert made.inputs.power_kw == pytest.approx(6.0, abs=0.05)
    on = sum((b.end - b.start for b in made.blocks), timedelta(0))
    assert on == pytest.approx(timedelta(hours=20 / 6.0), abs=timedelta(minutes=3))


def test_a_car_that_draws_less_than_planned_is_planned_anew_before_it_is_late() -> None:
    market = Market(forecast([0.30] * 2 + [0.10] * 8 + [0.20] * 38), None)
    known = PlanningState(car=CAR, registration=registration(), preference=preference(), state=state())
    made = decide(known, market, after(0), NO_OFFSET)
    assert made is not None
    known = observe_schedule(known, made)
    for minutes in range(61, 75):
        known = observe_state(known, charging(5.5, minutes=minutes, soc_pct=50))
    again = decide(known, market, after(75), NO_OFFSET)
    assert again is not None
    assert again.blocks[-1].end > made.blocks[-1].end


TAPER = (TaperPoint(soc_pct=70, power_kw=7.2), TaperPoint(soc_pct=90, power_kw=1.8))


def test_a_tapering_car_starts_earlier_and_still_is_ready() -> None:
    facts: dict[str, Any] = {"preference": preference(target_soc_pct=90), "state": state(soc_pct=60)}
    market = Market(forecast(TWO_RATES), None)
    plain = decide(PlanningState(car=CAR, registration=registration(), **facts), market, after(0), NO_OFFSET)
    tapered = decide(
        PlanningState(car=CAR, registration=registration(taper=TAPER), **facts), market, after(0), NO_OFFSET
    )
    assert plain is not None
    assert tapered is not None
    assert tapered.reason is PlanReason.CHEAPEST
    assert tapered.energy_kwh == pytest.approx(plain.energy_kwh) == pytest.approx(20)
    on = [sum((b.end - b.start for b in made.blocks), timedelta(0)) for made in (plain, tapered)]
    assert on[1] > on[0] * 1.5
    assert tapered.ready_at is not None
    assert tapered.ready_at <= after(780)


POINTS = st.lists(st.tuples(st.floats(0.5, 5), st.floats(0.5, 22)), min_size=1, max_size=6)


@given(POINTS, st.floats(0.01, 30))
def test_time_and_energy_are_each_others_inverse(steps: list[tuple[float, float]], kwh: float) -> None:
    at, points = 0.0, []
    for step, kw in steps:
        points.append((at, kw))
        at += step
    pace = Pace.of(7.0, points)
    assert pace.energy(pace.time_us(kwh)) == pytest.approx(kwh, abs=1e-8)


@given(POINTS, st.floats(0.1, 20))
def test_energy_is_the_integral_of_power(steps: list[tuple[float, float]], kwh: float) -> None:
    """Against a plain sum in small steps of time."""
    at, points = 0.0, []
    for step, kw in steps:
        points.append((at, kw))
        at += step
    pace = Pace.of(7.0, points)
    whole = pace.time_us(kwh)
    energy, step_us = 0.0, whole / 4000
    for _ in range(4000):
        middle = energy + power_at(points, energy) * step_us / HOUR_US / 2
        energy += power_at(points, middle) * step_us / HOUR_US
    assert energy == pytest.approx(kwh, rel=1e-3)


def power_at(points: list[tuple[float, float]], kwh: float) -> float:
    for (e0, p0), (e1, p1) in pairwise(points):
        if e0 <= kwh <= e1:
            return p0 + (p1 - p0) * (kwh - e0) / (e1 - e0)
    return points[0][1] if kwh < points[0][0] else points[-1][1]


def test_the_cars_limit_bends_the_curve_where_it_takes_over() -> None:
    points = taper_points(50.0, [(40.0, 20.0), (80.0, 10.0), (100.0, 2.0)], 11.0, 0.5)
    assert points[0] == (0.0, 11.0)
    assert [power for kwh, power in points if abs(kwh - 13.0) < 1e-9] == [11.0]
    assert points[-1] == (25.0, 2.0)
    with pytest.raises(ValueError, match="rise"):
        taper_points(50.0, [(80.0, 5.0), (80.0, 4.0)], 11.0, 0.5)
