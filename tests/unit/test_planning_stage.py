"""The planning stage: a vintage re-plans exactly the cars that the one-car rule would, and no other."""

import random
from datetime import datetime, timedelta
from typing import Any

import pytest

from agents.planning import stage
from streams.contracts.forecast import Forecast, ForecastKind
from streams.contracts.schedule import PlanReason
from streams.contracts.telemetry import Charge
from streams.domain.case import PlanRules
from streams.domain.forecasts import forecast_key, merge
from streams.domain.market import Market
from streams.domain.planning import decide
from streams.topics import PREFERENCE, REGISTRATION, REPLAN, VEHICLE
from tables import CURVES, PLANS
from tests.desk import Desk
from tests.night import after, forecast, preference, registration, session, state

RULES = PlanRules()
KINDS = ("random", "flat", "two rates", "negative")


def curve(rng: random.Random, kind: str, tariff: str, minutes: float, count: int = 36) -> Forecast:
    values = {
        "random": [rng.randint(5, 45) / 100 for _ in range(count)],
        "flat": [0.25] * count,
        "two rates": [0.10 if 13 <= i < 21 else 0.30 for i in range(count)],
        "negative": [rng.randint(-20, 30) / 100 for _ in range(count)],
    }[kind]
    made = forecast(values)
    return made.model_copy(update={"key": tariff, "issued_at": after(minutes)})


def grams(rng: random.Random, minutes: float) -> Forecast:
    made = forecast([float(rng.randrange(50, 350)) for _ in range(36)], ForecastKind.CARBON)
    return made.model_copy(update={"key": "GB", "issued_at": after(minutes)})


def fleet(rng: random.Random, count: int, tariffs: list[str]) -> list[tuple[Any, str, Any]]:
    """Cars of all sorts, plugged in: their enrolments, wishes and first states."""
    messages: list[tuple[Any, str, Any]] = []
    for n in range(count):
        car = f"acct{n}.car"
        enrolled = registration(
            car=car,
            tariff=rng.choice(tariffs),
            power_kw=rng.choice([3.7, 7.4, 11.0]),
            usable_kwh=rng.choice([40, 60, 90]),
        )
        wish = preference(
            car=car, carbon_price_per_tonne=rng.choice([0, 50, 50, 200]), target_soc_pct=rng.choice([60, 80, 100]),
            mode=rng.choice(["smart"] * 8 + ["boost", "paused"]),
            ready_by=f"0{rng.randint(5, 9)}:{rng.choice(['00', '30'])}",
        )  # fmt: skip
        soc = rng.choice([None, 10.0, *[float(rng.randint(15, 99)) for _ in range(8)]])
        first = state(
            rng.randint(0, 5), car=car, soc_pct=soc, session=session(f"s{n}"),
            charge=rng.choice([Charge.IDLE, Charge.CHARGING]), at_home=rng.choice([True, True, True, None, False]),
        )  # fmt: skip
        messages += [(REGISTRATION, car, enrolled), (PREFERENCE, car, wish), (VEHICLE, car, first)]
    return messages


def one_by_one(desk: Desk, vintage: Forecast | None, now: datetime) -> dict[str, str]:
    """What every car, asked by itself, would be told now: with a vintage, or without."""
    curves = dict(desk.items(CURVES))
    if vintage is not None:
        key = forecast_key(vintage)
        curves[key] = merge(curves.get(key), vintage)
    made = {}
    for car, planning in desk.items(PLANS):
        price = curves.get(f"price:{planning.registration.tariff}")
        market = Market(price, curves.get("carbon:GB")) if price else None
        schedule = decide(planning, market, now, RULES)
        if schedule is not None:
            made[car] = schedule.model_dump_json()
    return made


@pytest.mark.parametrize("seed", range(8))
def test_a_vintage_replans_whom_the_one_car_rule_would(seed: int) -> None:
    rng = random.Random(seed)
    desk = Desk(stage(RULES))
    tariffs = ["red", "green"]
    opening = [
        curve(rng, rng.choice(kinds), tariff, 0) for kinds, tariff in zip((KINDS[2:], KINDS), tariffs, strict=True)
    ]
    desk.give(after(6), *((REPLAN, forecast_key(v), v) for v in opening if rng.random() < 0.8))
    desk.give(after(6), *fleet(rng, 30, tariffs))
    published, quiet = 0, 0
    for minutes in (8, 30, 60, 125, 190, 300, 420, 540, 620, 700):
        vintage = rng.choice(
            [curve(rng, rng.choice(KINDS[:1] + KINDS[2:]), rng.choice(tariffs), minutes), grams(rng, minutes)]
        )
        if rng.random() < 0.3:
            desk.restart()
        without, told = one_by_one(desk, None, after(minutes)), one_by_one(desk, vintage, after(minutes))
        because_of_it = {car: plan for car, plan in told.items() if car not in without}
        sends = desk.give(after(minutes), (REPLAN, forecast_key(vintage), vintage))
        made = {send.key: send.message.model_dump_json() for send in sends}
        assert made.items() <= told.items(), "as if asked alone"
        assert because_of_it.items() <= made.items(), "and no car is left out"
        published += len(made)
        quiet += len(made) < 30
    assert published, "a night without a new plan proves nothing"
    assert quiet


def test_a_vintage_that_changes_nothing_is_silent() -> None:
    rng = random.Random(3)
    desk = Desk(stage(RULES))
    price = curve(rng, "random", "red", 0)
    desk.give(after(6), (REPLAN, forecast_key(price), price))
    desk.give(after(6), *fleet(rng, 40, ["red"]))
    again = price.model_copy(update={"issued_at": after(7)})
    assert desk.give(after(7), (REPLAN, forecast_key(again), again)) == []


def test_a_car_that_is_erased_is_planned_no_more() -> None:
    rng = random.Random(4)
    desk = Desk(stage(RULES))
    price = curve(rng, "two rates", "red", 0)
    desk.give(after(6), (REPLAN, forecast_key(price), price))
    desk.give(after(6), *fleet(rng, 20, ["red"]))
    planned = [car for car, planning in desk.items(PLANS) if planning.schedule.reason is PlanReason.CHEAPEST]
    desk.give(after(7), *((REGISTRATION, car, None) for car in planned))
    turned = curve(rng, "negative", "red", 40)
    assert not {send.key for send in desk.give(after(41), (REPLAN, "price:red", turned))} & set(planned)


def test_adders_of_a_region_move_its_cars() -> None:
    desk = Desk(stage(PlanRules(edge_spread=timedelta(0))))
    price = forecast([0.30] * 13 + [0.10] * 4 + [0.11] * 4 + [0.30] * 15).model_copy(update={"key": "red"})
    desk.give(after(6), (REPLAN, forecast_key(price), price))
    car, wish, first = registration(tariff="red"), preference(carbon_price_per_tonne=0), state(soc_pct=66)
    sent = desk.give(after(6), (REGISTRATION, car.car, car), (PREFERENCE, car.car, wish), (VEHICLE, car.car, first))
    assert sent[-1].message.blocks[0].start == after(390)
    adders = price.model_copy(
        update={"kind": ForecastKind.ADDER, "key": "GB", "slots": tuple(
            slot.model_copy(update={"value": 0.05 if after(390) <= slot.start < after(510) else 0.0})
            for slot in price.slots
        )}
    )  # fmt: skip
    (moved,) = desk.give(after(10), (REPLAN, forecast_key(adders), adders))
    assert after(510) <= moved.message.blocks[0].start < moved.message.blocks[-1].end <= after(630), "its group chose"
    assert moved.message.cost == pytest.approx(moved.message.energy_kwh * 0.11), "an adder is never paid"


def test_a_car_whose_rule_fails_does_not_cost_the_others_their_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(8)
    desk = Desk(stage(RULES))
    desk.give(after(6), *fleet(rng, 30, ["red"]))  # no prices yet
    from agents import planning

    def failing(known: Any, *rest: Any) -> Any:
        if known.car == "acct3.car":
            raise ZeroDivisionError
        return decide(known, *rest)

    monkeypatch.setattr(planning, "decide", failing)
    price = curve(rng, "two rates", "red", 7)
    assert desk.give(after(7), (REPLAN, forecast_key(price), price))
    assert desk.get(CURVES, "price:red") is not None
