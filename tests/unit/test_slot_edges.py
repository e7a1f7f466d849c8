"""Slot edges: every car has its own offset, uniform over the fleet, drawn once and for good, and none for a boost."""

from datetime import datetime, timedelta
from functools import cache

import pytest

from streams.contracts.schedule import Schedule
from streams.domain.case import PlanRules
from streams.domain.market import Market
from streams.domain.planning import PlanningState, decide, observe_preference, observe_schedule, observe_state
from tests.night import TWO_RATES, after, forecast, preference, registration, session, state

MARKET = Market(forecast(TWO_RATES), None)
#: Energy is cheap from here on.
EDGE = after(390)
CARS = 10_000
#: Of the Kolmogorov-Smirnov distance, which a uniform fleet exceeds once in a thousand fleets.
BAR = 1.95


def planning(n: int, session_id: str = "s1") -> PlanningState:
    car = f"acct{n}.car"
    return PlanningState(
        car=car,
        registration=registration(car=car),
        preference=preference(car=car),
        state=state(car=car, session=session(session_id)),
    )


def planned(known: PlanningState, minutes: float = 0, spread: int = 600) -> Schedule:
    schedule = decide(known, MARKET, after(minutes), PlanRules(edge_spread=timedelta(seconds=spread)))
    assert schedule is not None
    return schedule


def offset(schedule: Schedule) -> float:
    """Seconds from the edge to the first start."""
    return (schedule.blocks[0].start - EDGE).total_seconds()


@cache
def offsets() -> list[float]:
    return sorted(offset(planned(planning(n))) for n in range(CARS))


def test_a_fleet_is_spread_evenly_over_ten_minutes() -> None:
    """Offsets are whole seconds from 0 to 600: 601 steps."""
    found = offsets()
    assert (min(found), max(found)) == (0, 600)
    distance = max(
        max(abs((n + 1) / CARS - (at + 1) / 601), abs(n / CARS - (at + 1) / 601) - 1 / 601)
        for n, at in enumerate(found)
    )
    assert distance * CARS**0.5 < BAR
    busiest = max(sum(at <= other < at + 1 for other in found) for at in range(601))
    assert busiest < 45, "17 in a second on average"


@pytest.mark.parametrize("n", range(8))
def test_an_offset_is_not_drawn_again(n: int) -> None:
    """Neither by a worker that starts afresh, nor by a plan that is made anew, later and for another need."""
    known = planning(n)
    first = planned(known)
    again = PlanningState.model_validate_json(known.model_dump_json())
    assert planned(again) == first
    followed = observe_schedule(known, first)
    moved = observe_preference(
        observe_state(followed, state(60, car=known.car, soc_pct=40)),
        preference(car=known.car, target_soc_pct=90, updated_at=after(60)),
    )
    second = planned(moved, 61)
    assert second.revision == first.revision + 1
    assert second.energy_kwh > first.energy_kwh
    assert offset(second) == offset(first)


def test_another_stay_has_another_offset() -> None:
    by_stay = [offset(planned(planning(1, f"s{n}"))) for n in range(40)]
    assert len(set(by_stay)) > 30


@pytest.mark.parametrize("spread", [0, 60, 1800])
def test_the_spread_is_a_setting(spread: int) -> None:
    found = [offset(planned(planning(n), spread=spread)) for n in range(300)]
    assert 0 <= min(found) <= spread * 0.05
    assert spread * 0.95 <= max(found) <= spread


def test_a_boost_waits_for_nobody() -> None:
    starts: set[datetime] = set()
    for n in range(20):
        known = planning(n)
        boost = preference(car=known.car, mode="boost", updated_at=after(5))
        starts.add(planned(observe_preference(known, boost), 5).blocks[0].start)
    assert starts == {after(5)}
