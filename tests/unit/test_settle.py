"""A session's account: energy by telemetry, the same energy charged otherwise, and what became of the promise."""

from datetime import datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.contracts.schedule import PlanReason
from streams.contracts.session import Promise
from streams.contracts.telemetry import Charge
from streams.contracts.vehicle import VehicleState
from streams.domain.meter import meter
from streams.domain.planner import CostSlot
from streams.domain.settle import oracle, price_of, settle, timer, unmanaged
from tests.night import PLUGGED, TWO_RATES, after, forecast, registration, session, state
from tests.settling import CARBON, ENDED, PRICE, account, metered, night, schedule, told

SLOTS = tuple(CostSlot(s.start, s.end, s.value, 0.0) for s in PRICE.slots)


def test_energy_is_read_off_the_state_of_charge_where_the_car_charged() -> None:
    opened = metered(night())
    assert sum(kwh for _, _, kwh in opened.energy) == pytest.approx(20)
    assert abs(opened.energy[0][0] - after(390)) <= timedelta(minutes=10)
    assert abs(opened.energy[-1][1] - after(390 + 20 / 7.2 * 60)) <= timedelta(minutes=10)
    edges = [edge for a, b, _ in opened.energy for edge in (a, b)]
    assert edges == sorted(edges)


@settings(max_examples=40)
@given(st.lists(st.integers(0, 160), max_size=40), st.randoms(use_true_random=False))
def test_duplicates_and_late_readings_change_nothing(extra: list[int], rng: Any) -> None:
    readings = night()
    disturbed = list(readings)
    for i in extra:
        place = rng.randrange(i, len(readings)) + 1
        disturbed.insert(max(disturbed.index(r) for r in readings[:place]) + 1, readings[i])
    assert metered(disturbed) == metered(readings)


def test_a_car_that_tells_no_charge_is_metered_by_power() -> None:
    readings = [
        state(m, soc_pct=None, soc_time=None, charge=Charge.CHARGING if m < 60 else Charge.IDLE, power_kw=7.2)
        for m in range(0, 121, 5)
    ]
    assert sum(kwh for _, _, kwh in metered(readings).energy) == pytest.approx(7.2)


def test_what_happens_after_the_session_is_not_metered() -> None:
    readings = night()
    gone = state(ENDED + 60, soc_pct=95, session=session(ended_at=after(ENDED)))
    assert metered([*readings, gone]) == metered(readings)


def test_a_drive_before_the_reading_that_ends_the_session_costs_no_promise() -> None:
    gone = state(ENDED, soc_pct=71, session=session(ended_at=after(ENDED)))
    readings = [*night()[:-1], gone]
    assert metered(readings).track[-1][1] == 80
    assert account(readings).promise is Promise.MET


def test_a_car_that_was_never_plugged_in_is_not_metered() -> None:
    with pytest.raises(ValueError, match="never plugged in"):
        meter(None, state(session=None), registration())


def test_a_new_session_starts_anew_on_the_registration_in_force() -> None:
    stay = session("s2", plugged_at=after(900))
    fresh = meter(metered(night()), state(900, session=stay), registration(power_kw=11))
    assert (fresh.session.id, fresh.energy, fresh.baseline.power_kw) == ("s2", (), 11)


def test_a_settled_night_stands_beside_its_three_alternatives() -> None:
    night_account = account()
    assert night_account.cost is not None
    assert night_account.carbon_g is not None
    assert night_account.cost.managed == pytest.approx(20 * 0.10, abs=0.15)
    assert night_account.cost.unmanaged == pytest.approx(20 * 0.30)
    assert night_account.cost.timer == pytest.approx(20 * 0.10)
    assert night_account.cost.oracle == pytest.approx(20 * 0.10)
    assert night_account.carbon_g.unmanaged == pytest.approx(20 * 200)
    assert (night_account.promise, night_account.currency) == (Promise.MET, "GBP")
    assert (night_account.start_soc_pct, night_account.end_soc_pct) == (50, 80)
    assert account() == night_account


def test_amounts_are_unknown_not_zero_unless_the_whole_stay_is_known() -> None:
    nothing = account(price=None)
    assert (nothing.cost, nothing.carbon_g, nothing.saving, nothing.slots) == (None, None, None, None)
    assert account(carbon=None).carbon_g is None
    assert account(carbon=None).carbon_saved_g is None
    assert account(carbon=None).cost is not None
    assert account(price=forecast(TWO_RATES[:15])).cost is None
    hole = PRICE.model_copy(update={"slots": (*PRICE.slots[:20], *PRICE.slots[21:])})
    assert account(price=hole).cost is None


@pytest.mark.parametrize(
    ("plan", "readings", "promise"),
    [
        pytest.param({}, night(), Promise.MET, id="met"),
        pytest.param({}, night(until_pct=79), Promise.MET, id="met but for rounding"),
        pytest.param({}, night(until_pct=70), Promise.MISSED, id="missed"),
        pytest.param({}, night(start=700), Promise.MISSED, id="too late"),
        pytest.param({}, night(ended=450), Promise.LEFT_EARLY, id="left early"),
        pytest.param({}, night(start=0, ended=450), Promise.MET, id="left early, but full"),
        pytest.param({"ready_by": after(60), "reachable": False}, night(start=0), Promise.UNREACHABLE, id="no chance"),
        pytest.param({"reason": PlanReason.PAUSED}, night(start=2000), Promise.NOT_MADE, id="paused"),
        pytest.param({"reason": PlanReason.AWAY}, night(), Promise.NOT_MADE, id="away"),
    ],
)
def test_what_became_of_the_promise(plan: dict[str, Any], readings: list[VehicleState], promise: Promise) -> None:
    assert settle(metered(readings), told(schedule(**plan)), PRICE, CARBON, after(ENDED)).promise is promise


def test_no_plan_is_no_promise() -> None:
    assert settle(metered(night()), None, PRICE, CARBON, after(ENDED)).promise is Promise.NOT_MADE


def test_a_promise_that_failed_is_missed_even_if_the_car_was_warned() -> None:
    said = told(schedule(), schedule(2, at=600, reachable=False))
    assert settle(metered(night(until_pct=70)), said, PRICE, CARBON, after(ENDED)).promise is Promise.MISSED


def test_a_promise_is_judged_by_its_own_ready_by_not_by_the_next_days() -> None:
    said = told(schedule(), schedule(2, at=790, ready_by=after(780 + 1440)))
    full = state(2200, soc_pct=80, session=session(ended_at=after(2300)))
    opened = metered([*night(until_pct=70)[:-1], full])
    assert settle(opened, said, PRICE, CARBON, after(2300)).promise is Promise.MISSED


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


def test_a_rise_by_rounding_is_no_energy() -> None:
    opened = meter(None, state(0, soc_pct=55.0, charge=Charge.CHARGING), registration())
    opened = meter(opened, state(5, soc_pct=55.00000000000001), registration())
    assert all(start < end for start, end, _ in opened.energy)
    opened = meter(opened, state(60, soc_pct=56.0), registration())
    assert sum(kwh for _, _, kwh in opened.energy) == pytest.approx(0.6 / 0.9)
