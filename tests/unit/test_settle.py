"""A session's account: energy by telemetry, the same energy charged otherwise, and what became of the promise."""

from datetime import datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts.forecast import ForecastKind
from streams.contracts.preference import Preference
from streams.contracts.schedule import Schedule
from streams.contracts.session import Promise
from streams.contracts.telemetry import Charge
from streams.contracts.vehicle import VehicleState
from streams.domain.planner import CostSlot
from streams.domain.planning import PlanningState, decide
from streams.domain.settle import OpenSession, meter, oracle, price_of, settle, timer, unmanaged
from tests.night import CAR, PLUGGED, TWO_RATES, after, forecast, preference, registration, session, state

PRICE = forecast(TWO_RATES)
CARBON = forecast([200.0] * 13 + [100.0] * 35, ForecastKind.CARBON)
SLOTS = tuple(CostSlot(s.start, s.end, s.value, 0.0) for s in PRICE.slots)
ENDED = 800


def plan_of(**wishes: Any) -> Schedule:
    wish: Preference = preference(**wishes)
    known = PlanningState(car=CAR, registration=registration(), preference=wish, state=state())
    schedule = decide(known, PRICE, CARBON, PLUGGED, 0)
    assert schedule is not None
    return schedule


def night(start: float = 390, power_kw: float = 7.2, ended: float = ENDED, until_pct: float = 80) -> list[VehicleState]:
    """Readings every five minutes: waits, charges from `start` on, is unplugged at `ended`."""
    readings, soc = [], 50.0
    for minutes in range(0, int(ended) + 1, 5):
        on = minutes >= start and soc < until_pct
        charge = Charge.CHARGING if on else Charge.IDLE
        stay = session(ended_at=after(ended)) if minutes == ended else session()
        readings.append(state(minutes, soc_pct=int(soc), charge=charge, session=stay))
        soc = min(until_pct, soc + (power_kw * 0.9 / 60 * 100 * 5 / 60 if on else 0))
    return readings


def metered(readings: list[VehicleState], schedule: Schedule | None) -> OpenSession:
    opened = meter(None, readings[0], registration(), schedule)
    for reading in readings[1:]:
        opened = meter(opened, reading, registration(), schedule)
    return opened


def test_energy_is_read_off_the_state_of_charge_where_the_car_charged() -> None:
    opened = metered(night(), plan_of())
    assert sum(kwh for _, _, kwh in opened.energy) == pytest.approx(20)
    assert abs(opened.energy[0][0] - after(390)) <= timedelta(minutes=10)
    assert abs(opened.energy[-1][1] - after(390 + 20 / 7.2 * 60)) <= timedelta(minutes=10)
    edges = [edge for a, b, _ in opened.energy for edge in (a, b)]
    assert edges == sorted(edges)


@given(st.lists(st.integers(0, 160), max_size=40), st.randoms(use_true_random=False))
def test_duplicates_and_late_readings_change_nothing(extra: list[int], rng: Any) -> None:
    readings = night()
    disturbed = list(readings)
    for i in extra:
        place = rng.randrange(i, len(readings)) + 1
        disturbed.insert(max(disturbed.index(r) for r in readings[:place]) + 1, readings[i])
    assert metered(disturbed, plan_of()) == metered(readings, plan_of())


def test_a_car_that_tells_no_charge_is_metered_by_power() -> None:
    readings = [
        state(m, soc_pct=None, soc_time=None, charge=Charge.CHARGING if m < 60 else Charge.IDLE, power_kw=7.2)
        for m in range(0, 121, 5)
    ]
    assert sum(kwh for _, _, kwh in metered(readings, None).energy) == pytest.approx(7.2)


def test_what_happens_after_the_session_is_not_metered() -> None:
    readings = night()
    gone = state(ENDED + 60, soc_pct=95, session=session(ended_at=after(ENDED)))
    assert metered([*readings, gone], None) == metered(readings, None)


def test_a_drive_before_the_reading_that_ends_the_session_costs_no_promise() -> None:
    readings = night()
    gone = state(ENDED, soc_pct=71, session=session(ended_at=after(ENDED)))
    opened = metered([*readings[:-1], gone], plan_of())
    assert opened.track[-1][1] == 80
    assert settle(opened, PRICE, CARBON, after(ENDED)).promise is Promise.MET


def test_a_car_that_was_never_plugged_in_is_not_metered() -> None:
    with pytest.raises(ValueError, match="never plugged in"):
        meter(None, state(session=None), registration(), None)


def test_a_new_session_starts_anew() -> None:
    opened = metered(night(), plan_of())
    fresh = meter(opened, state(900, session=session("s2", plugged_at=after(900))), registration(), None)
    assert (fresh.session.id, fresh.energy, fresh.first) == ("s2", (), None)


def test_a_settled_night_stands_beside_its_three_alternatives() -> None:
    account = settle(metered(night(), plan_of()), PRICE, CARBON, after(ENDED + 1))
    assert account.cost is not None
    assert account.carbon_g is not None
    assert account.cost.managed == pytest.approx(20 * 0.10, abs=0.15)
    assert account.cost.unmanaged == pytest.approx(20 * 0.30)
    assert account.cost.timer == pytest.approx(20 * 0.10)
    assert account.cost.oracle == pytest.approx(20 * 0.10)
    assert account.carbon_g.unmanaged == pytest.approx(20 * 200)
    assert (account.promise, account.currency) == (Promise.MET, "GBP")
    assert (account.start_soc_pct, account.end_soc_pct) == (50, 80)
    again = settle(metered(night(), plan_of()), PRICE, CARBON, after(ENDED + 1))
    assert again == account


def test_amounts_that_no_forecast_covers_are_unknown_not_zero() -> None:
    opened = metered(night(), plan_of())
    assert settle(opened, None, CARBON, after(ENDED)).cost is None
    assert settle(opened, PRICE, None, after(ENDED)).carbon_g is None
    assert settle(opened, forecast(TWO_RATES[:15]), CARBON, after(ENDED)).cost is None


@pytest.mark.parametrize(
    ("wishes", "readings", "promise"),
    [
        pytest.param({}, night(), Promise.MET, id="met"),
        pytest.param({}, night(until_pct=79), Promise.MET, id="met but for rounding"),
        pytest.param({}, night(until_pct=70), Promise.MISSED, id="missed"),
        pytest.param({}, night(start=700), Promise.MISSED, id="too late"),
        pytest.param({}, night(ended=450), Promise.LEFT_EARLY, id="left early"),
        pytest.param({}, night(start=0, ended=450), Promise.MET, id="left early, but full"),
        pytest.param({"ready_by": "19:00"}, night(start=0), Promise.UNREACHABLE, id="never in reach"),
        pytest.param({"mode": "paused"}, night(start=2000), Promise.NOT_MADE, id="paused"),
    ],
)
def test_what_became_of_the_promise(wishes: dict[str, Any], readings: list[VehicleState], promise: Promise) -> None:
    assert settle(metered(readings, plan_of(**wishes)), PRICE, CARBON, after(ENDED)).promise is promise


def test_no_plan_is_no_promise() -> None:
    assert settle(metered(night(), None), PRICE, CARBON, after(ENDED)).promise is Promise.NOT_MADE


def test_a_promise_that_failed_is_missed_even_if_the_car_was_warned() -> None:
    plan = plan_of()
    warned = plan.model_copy(
        update={"revision": 2, "reachable": False, "inputs": plan.inputs.model_copy(update={"now": after(600)})}
    )
    readings = night(until_pct=70)
    opened = metered(readings[:60], plan)
    for reading in readings[60:]:
        opened = meter(opened, reading, registration(), warned)
    assert settle(opened, PRICE, CARBON, after(ENDED)).promise is Promise.MISSED


def test_a_promise_is_judged_by_its_own_ready_by_not_by_the_next_days() -> None:
    plan = plan_of()
    next_day = plan.model_copy(
        update={"ready_by": after(780 + 1440), "inputs": plan.inputs.model_copy(update={"now": after(790)})}
    )
    opened = metered(night(until_pct=70)[:-1], plan)
    full = state(2200, soc_pct=80, session=session(ended_at=after(2300)))
    opened = meter(opened, full, registration(), next_day)
    assert settle(opened, PRICE, CARBON, after(2300)).promise is Promise.MISSED


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        pytest.param(0, 780, (390, 490), id="first half past midnight"),
        pytest.param(400, 2000, (400, 500), id="at once, when it is past that already"),
        pytest.param(900, 2000, (1830, 1930), id="tomorrow, when it is day"),
        pytest.param(0, 60, (0, 60), id="all the time there is"),
    ],
)
def test_the_timer_starts_at_half_past_midnight_local(start: float, end: float, expected: tuple[float, float]) -> None:
    (block,) = timer(12.0, 7.2, after(start), after(end), "Europe/London", time(0, 30))
    assert block == (after(expected[0]), after(expected[1]), 12.0)


def test_what_the_timer_cannot_give_before_the_car_leaves_is_charged_from_plug_in() -> None:
    early, late = timer(12.0, 7.2, after(0), after(420), "Europe/London")
    assert (early[0], late[0], late[1]) == (after(0), after(390), after(420))
    assert early[2] + late[2] == pytest.approx(12)


@given(st.floats(0.1, 60), st.integers(60, 1200))
def test_all_alternatives_carry_the_same_energy_in_the_same_stay(energy_kwh: float, stay: int) -> None:
    end = after(stay)
    for way in (
        unmanaged(energy_kwh, 7.2, PLUGGED, end),
        timer(energy_kwh, 7.2, PLUGGED, end, "Europe/London"),
        oracle(energy_kwh, 7.2, PLUGGED, end, SLOTS, 0.0),
    ):
        assert sum(kwh for _, _, kwh in way) == pytest.approx(energy_kwh, abs=1e-6)
        assert way[0][0] >= PLUGGED
        assert way[-1][1] <= end + timedelta(microseconds=1)


@given(st.floats(0.1, 60), st.integers(60, 1200))
def test_nobody_beats_the_oracle(energy_kwh: float, stay: int) -> None:
    end: datetime = after(stay)
    best, _ = price_of(oracle(energy_kwh, 7.2, PLUGGED, end, SLOTS, 0.0), SLOTS)
    for way in (
        unmanaged(energy_kwh, 7.2, PLUGGED, end),
        timer(energy_kwh, 7.2, PLUGGED, end, "Europe/London"),
    ):
        assert best <= price_of(way, SLOTS)[0] + 1e-6
