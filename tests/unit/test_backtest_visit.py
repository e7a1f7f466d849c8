"""One stay under the live rule: what the car does until it is noticed, what it then gets, and how calm that is."""

from collections import Counter
from datetime import UTC, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.backtest.carbon import carbon
from deploy.backtest.insight import Outturn, Vintages
from deploy.backtest.prices import prices
from deploy.backtest.recording import Recording, Vintage
from deploy.backtest.sessions import Recorded, Sessions, sessions
from deploy.backtest.stays import Stay, Wishes, place
from deploy.backtest.visit import Car, Conduct, Outcome, visit
from deploy.demo.recorded import DATA
from streams.contracts.forecast import Slot
from streams.domain.case import PlanRules
from streams.domain.settle import ROUNDING_POINTS

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
START = datetime(2023, 3, 1, tzinfo=UTC)
HONEST = Wishes(power_error=0.0)
HONEST_CAR = Conduct(rough=False)


@cache
def two_rates(flat: bool = False) -> Recording:
    """A week, cheap from 00:00 to 05:00 UTC unless flat, known all along."""
    values = [0.3 if flat or hour % 24 >= 5 else 0.1 for hour in range(24 * 7)]
    slots = tuple(Slot(start=START + n * HOUR, end=START + (n + 1) * HOUR, value=v) for n, v in enumerate(values))
    days = tuple(Vintage(START + (n - 0.5) * 24 * HOUR, slots[n * 24 : n * 24 + 24]) for n in range(7))
    return Recording("two-rates", "EUR/kWh", days, slots, "")


def stay(
    hours: float, energy_kwh: float, at: time = time(18), wishes: Wishes = HONEST, price: Recording | None = None
) -> Stay:
    plugged = datetime.combine(datetime(2023, 3, 3).date(), at)  # noqa: DTZ001 - wall time
    one = Recorded("car", plugged, plugged + hours * HOUR, energy_kwh, power_kw=7.4)
    found = place(Sessions((one,), "UTC", Counter()), Outturn(price or two_rates(), None), wishes, seed=1)
    return found.stays[0]


def drive(one: Stay, conduct: Conduct = HONEST_CAR, price: Recording | None = None) -> Outcome:
    return visit(one, conduct, Vintages(price or two_rates(), None), PlanRules(), None)


def test_a_car_stops_by_itself_when_it_is_full() -> None:
    car = Car(START, 3.7, 7.4)
    car.advance(START + 20 * MINUTE)
    car.advance(START + 5 * HOUR)
    ((start, end, kwh),) = car.spans
    assert (start, end) == (START, START + 30 * MINUTE)
    assert kwh == pytest.approx(3.7)
    assert car.full


def test_it_charges_until_noticed_and_told_then_in_the_cheap_hours() -> None:
    one = stay(13, 14.8)
    outcome = drive(one, Conduct(5 * MINUTE, MINUTE, rough=False))
    leak, *cheap = outcome.profile
    assert leak[:2] == (one.plugged_at, one.plugged_at + 6 * MINUTE)
    assert cheap
    assert all(0 <= start.hour < 5 for start, _, _ in cheap)
    assert outcome.energy_kwh == pytest.approx(14.8)
    assert outcome.commands == 2


def test_without_delay_nothing_leaks() -> None:
    outcome = drive(stay(13, 14.8), Conduct(0 * MINUTE, 0 * MINUTE, rough=False))
    assert all(0 <= start.hour < 5 for start, _, _ in outcome.profile)


def test_out_of_reach_charges_all_the_time_there_is() -> None:
    plugged = START + 66 * HOUR
    impossible = stay(30, 60, at=time(18))
    assert not impossible.feasible
    outcome = drive(impossible)
    assert outcome.profile[0][0] == plugged
    assert outcome.ready_kwh == pytest.approx(6 * 7.4)


@settings(max_examples=80, deadline=None)
@given(
    hours=st.floats(0.5, 23.5),
    share=st.floats(0.02, 1),
    clock=st.integers(0, 24 * 60 - 1),
    detection=st.integers(0, 30),
    command=st.integers(0, 300),
)
def test_what_could_be_done_is_done_by_every_honest_car(
    hours: float, share: float, clock: int, detection: int, command: int
) -> None:
    """The bar: feasible means met, in every session, as settlement judges it; late obedience counts as such."""
    one = stay(hours, max(0.2, share * hours * 7.4 - 7.4 / 60), time(clock // 60, clock % 60))
    outcome = drive(one, Conduct(detection * MINUTE, timedelta(seconds=command), rough=False))
    late_pct = one.power_kw * command / 3600 * 0.9 / one.registration.usable_kwh * 100
    assert outcome.ready_pct >= one.preference.target_soc_pct - ROUNDING_POINTS - late_pct


def test_on_a_flat_tariff_no_announced_start_ever_moves() -> None:
    flat = two_rates(flat=True)
    for clock in range(0, 24, 3):
        for energy_kwh in (3.0, 12.0, 30.0):
            outcome = drive(stay(14, energy_kwh, time(clock), price=flat), Conduct(), flat)
            assert outcome.start_changes == 0


@cache
def recorded_nights() -> tuple[Recording, Recording, tuple[Stay, ...]]:
    """Eighty recorded sessions on recorded prices and carbon, on a dear week, at a clock change, below zero."""
    price, grid = prices(DATA / "prices_gb.csv", ZoneInfo("Europe/London"), "EUR"), carbon([DATA / "carbon_gb.csv"])
    found = sessions(DATA / "home_sessions.csv", "Europe/London")
    stays = place(found, Outturn(price, grid), Wishes(), seed=1).stays
    return price, grid, stays[:: len(stays) // 80]


def test_over_recorded_vintages_an_announced_start_moves_less_than_once_a_session() -> None:
    """The bar, and its price: never announcing anew for two cents costs next to nothing per kWh."""
    price, grid, stays = recorded_nights()
    insight, outturn = Vintages(price, grid), Outturn(price, grid)
    changes, costs = [], []
    for worthwhile in (PlanRules().worthwhile, 0.0):
        rules = PlanRules(worthwhile=worthwhile)
        outcomes = [visit(one, Conduct(), insight, rules, None) for one in stays]
        announced = [one for one in outcomes if one.announced]
        changes.append(sum(one.start_changes for one in announced) / len(announced))
        paid = sum(
            outturn.curve(one.plugged_at, 0).bill(got.profile)[0] for one, got in zip(stays, outcomes, strict=True)
        )
        costs.append(paid / sum(one.energy_kwh for one in outcomes))
    assert changes[0] <= 1
    assert costs[0] - costs[1] <= 0.001
    assert changes[1] >= changes[0]


def test_recorded_sessions_with_honest_cars_are_all_ready_when_that_is_possible() -> None:
    price, grid, stays = recorded_nights()
    insight = Vintages(price, grid)
    for one in stays:
        outcome = visit(one, HONEST_CAR, insight, PlanRules(), None)
        assert not one.feasible or outcome.ready_pct >= one.preference.target_soc_pct - 1
