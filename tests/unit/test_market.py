"""A market prepares its curves once; what is not published yet is estimated as what waiting for it is worth."""

import random
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import linprog

from streams.contracts.forecast import Forecast, ForecastKind, Slot
from streams.domain.market import Market
from streams.domain.planner import Curve, PlanRequest, Policy, plan
from streams.domain.planner.unknown import expected, next_publication
from tests.night import PLUGGED, after

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MIDNIGHT = PLUGGED.replace(hour=0)


def prices(days: int, value: "random.Random | float", *, first: datetime = MIDNIGHT - 7 * DAY) -> Forecast:
    """Hourly prices from `first` on, published at noon of the day before their last day begins."""
    each = [value if isinstance(value, float) else value.randrange(100, 500) / 1000 for _ in range(24 * days)]
    slots = tuple(Slot(start=first + i * HOUR, end=first + (i + 1) * HOUR, value=v) for i, v in enumerate(each))
    return Forecast(
        kind=ForecastKind.PRICE, key="GB", unit="GBP/kWh", source="test", slots=slots,
        issued_at=slots[-1].end - timedelta(hours=36), known_until=slots[-1].end,
    )  # fmt: skip


def curve_of(market: Market, until: datetime, now: datetime = PLUGGED, carbon_price: float = 0.0) -> Curve:
    curve = market.curve(carbon_price, now, until)
    assert curve is not None
    return curve


def test_a_curve_is_made_once_an_hour_for_all_cars() -> None:
    market = Market(prices(8, random.Random(1)), None)
    first = curve_of(market, after(300))
    assert curve_of(market, after(350), after(20)) is first
    assert curve_of(market, after(350), after(20), carbon_price=50) is not first
    assert curve_of(market, after(350), after(61)) is not first
    assert first.starts[0] <= int(PLUGGED.timestamp() * 1e6) < first.ends[0], "it begins with the running hour"


def test_prices_that_have_run_out_are_no_prices() -> None:
    market = Market(prices(8, 0.2), None)
    assert market.curve(0.0, market.price.slots[-1].end + HOUR, after(6000)) is None


def test_the_next_publication_is_a_day_after_the_last() -> None:
    price = prices(8, 0.2)
    issued = price.issued_at
    assert next_publication(price, issued) == issued + DAY
    assert next_publication(price, issued + 3 * HOUR) == issued + DAY
    assert next_publication(price, issued + DAY) == issued + 2 * DAY
    assert next_publication(price, issued + 2 * DAY + HOUR) == issued + 3 * DAY


def test_an_unpublished_hour_is_expected_as_the_mean_of_the_same_hour_of_past_days() -> None:
    price = prices(8, random.Random(2))
    last = price.slots[-1].end
    guessed = expected(price, last + 5 * HOUR)
    assert [slot.start for slot in guessed] == [last + i * HOUR for i in range(5)]
    past = [slot.value for slot in price.slots if slot.start.hour == last.hour][-7:]
    assert guessed[0].value == pytest.approx(sum(past) / len(past))
    day = price.model_copy(update={"slots": price.slots[-24:]})
    assert expected(day, last + 5 * HOUR) != (), "one whole day is enough"
    short = price.model_copy(update={"slots": price.slots[-20:]})
    assert expected(short, last + 5 * HOUR) == (), "less is not"


@pytest.mark.parametrize("seed", range(20))
def test_adders_make_costs_averaged_order_statistics(seed: int) -> None:
    """The n cheapest hours after the publication cost what the best n hours of the past days cost on average."""
    price = prices(8, random.Random(seed))
    last = price.slots[-1].end
    made = curve_of(Market(price, None), last + 9 * HOUR, last - 13 * HOUR).slots
    after_it = [slot for slot in made if slot.start >= next_publication(price, last - 13 * HOUR)]
    costs = sorted(slot.price + slot.adder for slot in after_it)
    days = []
    for d in range(7):
        known = [slot.price for slot in after_it if not slot.estimated]
        past = [
            next(s.value for s in price.slots if s.start == slot.start - (d + 1) * DAY)
            for slot in after_it
            if slot.estimated
        ]
        days.append(sorted(known + past))
    for n in range(1, len(costs) + 1):
        assert sum(costs[:n]) == pytest.approx(sum(sum(day[:n]) for day in days) / len(days))


@pytest.mark.parametrize("seed", range(10))
def test_waiting_is_decided_as_a_two_stage_programme_would(seed: int) -> None:
    """How much is charged before the publication: the order statistics against an LP over all scenarios."""
    rng = random.Random(seed)
    price = prices(8, rng)
    last = price.slots[-1].end
    now, until = last - 13 * HOUR, last + 7 * HOUR
    reveal = next_publication(price, now)
    curve = curve_of(Market(price, None), until, now)
    need = rng.randrange(2, 12)
    made = plan(PlanRequest(now, until, curve, 7.0 * need, 7.0, policy=Policy(max_blocks=None)))
    early = sum(kwh * min(1.0, (min(b, reveal) - a) / (b - a)) for a, b, kwh in made.blocks if a < reveal)
    before = [slot.value for slot in price.slots if now <= slot.start < reveal]
    scenarios = []
    for d in range(1, 8):
        rest = [slot.value for slot in price.slots if slot.start >= reveal]
        rest += [next(s.value for s in price.slots if s.start == last + i * HOUR - d * DAY) for i in range(7)]
        scenarios.append(rest)

    def best(hours_before: float) -> float:
        cost = [*before, *(v / len(scenarios) for rest in scenarios for v in rest)]
        n, m = len(before), len(scenarios[0])
        equal = np.zeros((len(scenarios) + 1, len(cost)))
        equal[0, :n] = 1
        for k in range(len(scenarios)):
            equal[k + 1, n + k * m : n + (k + 1) * m] = 1
        sums = [hours_before, *([need - hours_before] * len(scenarios))]
        answer = linprog(cost, A_eq=equal, b_eq=sums, bounds=(0, 1), method="highs")
        return float(answer.fun) if answer.status == 0 else float("inf")

    chosen = best(early / 7.0)
    assert chosen == pytest.approx(min(best(hours) for hours in range(need + 1)), abs=1e-6)


def test_a_plan_that_counts_on_unpublished_prices_is_provisional() -> None:
    price = prices(8, random.Random(3))
    last = price.slots[-1].end
    curve = curve_of(Market(price, None), last + 7 * HOUR, last - 2 * HOUR)
    made = plan(PlanRequest(last - 2 * HOUR, last + 7 * HOUR, curve, 21.0, 7.0))
    assert made.provisional
    assert made.known_until == last


def test_adders_choose_and_never_cost() -> None:
    price = prices(8, 0.2)
    start = PLUGGED + timedelta(minutes=30)
    adders = Forecast(
        kind=ForecastKind.PRICE, key="GB", unit="GBP/kWh", source="test", issued_at=PLUGGED, known_until=after(300),
        slots=(Slot(start=start, end=after(150), value=0.05),),
    )  # fmt: skip
    curve = curve_of(Market(price, None, adders), after(300))
    assert all(a.end == b.start for a, b in pairwise(curve.slots))
    assert {s.adder for s in curve.slots if start <= s.start < after(150)} == {0.05}
    made = plan(PlanRequest(PLUGGED, after(300), curve, 7.0, 7.0, policy=Policy(max_blocks=1)))
    assert made.blocks[0][0] >= after(150)
    assert made.cost == pytest.approx(7 * 0.2)


def test_a_curve_does_not_depend_on_who_asked_first() -> None:
    """The next publication falls into the hour: before it and after it, waiting is worth something else."""
    price = prices(8, random.Random(5))
    price = price.model_copy(update={"issued_at": price.issued_at + timedelta(minutes=47)})
    last = price.slots[-1].end
    early, late = price.issued_at + timedelta(hours=23, minutes=30), price.issued_at + timedelta(hours=24, minutes=5)
    assert early.hour == late.hour
    asked = Market(price, None)
    curve_of(asked, last + 9 * HOUR, early)
    assert curve_of(asked, last + 9 * HOUR, late).rates == curve_of(Market(price, None), last + 9 * HOUR, late).rates
    assert curve_of(asked, last + 9 * HOUR, late).rates != curve_of(asked, last + 9 * HOUR, early).rates


def test_curves_asked_for_at_any_second_are_few() -> None:
    market = Market(prices(8, random.Random(6)), None)
    last = market.price.slots[-1].end
    found = {id(market.curve(0.0, PLUGGED, last + timedelta(hours=5, seconds=n))) for n in range(1, 3000)}
    assert len(found) == 1
