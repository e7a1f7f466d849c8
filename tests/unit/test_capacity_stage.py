"""Caps in, adders out, every partition re-plans: and the plans of a fleet that follows them keep the cap."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from agents import capacity, demand, forecasts, planning
from agents.engine.stage import Record, Send, Work
from streams.contracts.capacity import CapSlot, RegionAdder, RegionCap, RegionDemand
from streams.contracts.forecast import Forecast, ForecastKind
from streams.contracts.internal import Tick, TickPhase
from streams.contracts.schedule import Block, PlanInputs, PlanReason, Schedule
from streams.domain.capacity import adders_for, as_forecast, differs
from streams.domain.caps import dithered, group_of
from streams.domain.case import PlanRules
from streams.domain.demand import CarNeed, observe_preference, observe_registration, observe_schedule
from streams.domain.demand import demand as demand_of
from streams.domain.market import Market
from streams.domain.planner.curve import EPOCH
from streams.domain.planning import PlanningState, decide
from streams.topics import ADDER, CAP, CAPPED, DEMAND, PREFERENCE, REGISTRATION, REPLAN, SCHEDULE, TICK, VEHICLE
from tests.desk import Desk
from tests.night import PLUGGED, TWO_RATES, after, forecast, preference, registration, session, state

PRICE = forecast(TWO_RATES)
FLAT = forecast([0.25] * 48).model_copy(update={"key": "flat"})
HOUR = timedelta(hours=1)
CAR_KW = 7.2


class Partition(Desk):
    """A stage in a partition other than the first."""

    def __init__(self, stage: Any, number: int) -> None:
        self.number = number
        super().__init__(stage)

    def _work(self, records: list[Record]) -> Work:
        return Work(self.number, records, self, self.memory, lambda at: at)


class Pipes:
    """demand, capacity and forecasts in two partitions, with everything they write carried to where it belongs."""

    def __init__(self, more: tuple[Any, ...] = ()) -> None:
        stages = (forecasts.STAGE, *more, demand.STAGE, capacity.STAGE)
        self.desks = [[Partition(stage, n) for stage in stages] for n in (0, 1)]
        self.log: list[tuple[int, Send]] = []

    def give(self, at: datetime, partition: int, *messages: tuple[Any, str, Any]) -> None:
        for message in messages:
            for desk in self.desks[partition]:
                if message[0] in desk.stage.reads:
                    for sent in desk.give(at, message):
                        self._carry(at, partition, sent)

    def beat(self, at: datetime) -> None:
        for partition in (0, 1):
            self.give(at, partition, (TICK, str(partition), Tick(at=at, phase=TickPhase.CHECK)))

    def sent(self, topic: Any) -> Iterator[tuple[int, Any]]:
        return ((partition, send.message) for partition, send in self.log if send.topic is topic)

    def _carry(self, at: datetime, partition: int, sent: Send) -> None:
        for target in (0, 1) if sent.everywhere else (partition,):
            self.log.append((target, sent))
            self.give(at, target, (sent.topic, sent.key, sent.message))


def cap(kw: float, region: str = "GB", minutes: float = 0) -> RegionCap:
    return RegionCap(
        region=region, issued_at=after(minutes), slots=(CapSlot(start=PLUGGED, end=after(1440), cap_kw=kw),)
    )


def car(n: int) -> str:
    return f"acct{n}.car"


def cheapest(n: int, tariff: str = "two-rates", soc_pct: float = 50, adders: Forecast | None = None) -> Schedule:
    """What car `n` is told to do, plugged in at 18:00 and ready at 07:00 local."""
    price = PRICE if tariff == "two-rates" else FLAT
    known = PlanningState(
        car=car(n),
        registration=registration(car=car(n), tariff=tariff),
        preference=preference(car=car(n)),
        state=state(car=car(n), soc_pct=soc_pct, session=session(f"s{n}")),
    )
    seen = dithered(adders, group_of(car(n))) if adders else None
    schedule = decide(known, Market(price, None, seen), PLUGGED)
    assert schedule is not None
    return schedule


def enrolled(n: int, schedule: Schedule, tariff: str = "two-rates") -> list[tuple[Any, str, Any]]:
    return [
        (REGISTRATION, car(n), registration(car=car(n), tariff=tariff)),
        (PREFERENCE, car(n), preference(car=car(n))),
        (SCHEDULE, car(n), schedule),
    ]


def kw(schedules: list[Schedule]) -> np.ndarray[Any, Any]:
    """Mean power in every half hour from 18:00 local on."""
    load = np.zeros(48)
    for block in (block for schedule in schedules for block in schedule.blocks):
        for slot in range(48):
            start, end = after(30 * slot), after(30 * slot + 30)
            inside = max(timedelta(0), min(block.end, end) - max(block.start, start))
            load[slot] += block.energy_kwh * (inside / (block.end - block.start)) / 0.5
    return load


def soc(n: int) -> float:
    return 35.0 + n % 8 * 4


def night_of(pipes: Pipes, cap_kw: float, cars: int = 40) -> None:
    """Prices, cars in both partitions, and a cap that arrives in the second."""
    pipes.give(PLUGGED, 0, (REPLAN, "price:two-rates", PRICE))
    pipes.give(PLUGGED, 1, (REPLAN, "price:two-rates", PRICE))
    for n in range(cars):
        pipes.give(PLUGGED, n % 2, *enrolled(n, cheapest(n, soc_pct=soc(n))))
    pipes.give(PLUGGED, 1, (CAP, "GB", cap(cap_kw)))


def test_caps_in_adders_out_and_every_partition_gets_them_as_a_request_to_replan() -> None:
    pipes = Pipes()
    night_of(pipes, 120.0)
    for seconds in (1, 20):
        pipes.beat(PLUGGED + timedelta(seconds=seconds))
    ((partition, adders),) = pipes.sent(ADDER)
    assert partition == 1
    assert (adders.region, adders.currency, adders.cars) == ("GB", "GBP", 40)
    assert max(slot.uncapped_kw for slot in adders.slots) > 250
    assert max(slot.load_kw for slot in adders.slots) <= 120 + 3 * CAR_KW, "few cars: whole ones"
    copies = [(where, vintage) for where, vintage in pipes.sent(REPLAN) if vintage.kind is ForecastKind.ADDER]
    assert [where for where, _ in copies] == [0, 1]
    assert copies[0][1] == copies[1][1] == as_forecast(adders)


def test_without_a_cap_nothing_is_told_and_nothing_is_looked_for() -> None:
    pipes = Pipes()
    for n in range(4):
        pipes.give(PLUGGED, n % 2, *enrolled(n, cheapest(n)))
    for minutes in range(0, 60, 5):
        pipes.beat(after(minutes))
    assert pipes.log == []
    assert all(len(desk.memory.due) == 0 for desks in pipes.desks for desk in desks)


def test_a_cap_that_is_in_nobodys_way_publishes_nothing() -> None:
    pipes = Pipes()
    night_of(pipes, 1e6)
    for minutes in (1, 6, 11):
        pipes.beat(after(minutes))
    assert list(pipes.sent(ADDER)) == []


def test_needs_are_told_again_only_when_they_change_and_never_within_five_minutes() -> None:
    pipes = Pipes()
    night_of(pipes, 120.0, cars=4)
    pipes.beat(after(0))
    told = len(list(pipes.sent(DEMAND)))
    assert told == 4, "each partition tells both"
    pipes.give(after(1), 0, *enrolled(0, cheapest(0, soc_pct=20)))
    pipes.beat(after(2))
    assert len(list(pipes.sent(DEMAND))) == told
    pipes.beat(after(6))
    assert len(list(pipes.sent(DEMAND))) == told + 2, "only the first partition's changed"
    pipes.beat(after(12))
    assert len(list(pipes.sent(DEMAND))) == told + 2


def test_plans_that_follow_the_adders_do_not_move_them() -> None:
    pipes = Pipes()
    night_of(pipes, 120.0)
    for seconds in (1, 20):
        pipes.beat(PLUGGED + timedelta(seconds=seconds))
    ((_, adders),) = pipes.sent(ADDER)
    for n in range(40):
        pipes.give(after(1), n % 2, (SCHEDULE, car(n), cheapest(n, soc_pct=soc(n), adders=as_forecast(adders))))
    for minutes in (6, 12, 18):
        pipes.beat(after(minutes))
    assert list(pipes.sent(ADDER)) == [(1, adders)]


def test_a_lifted_cap_takes_its_adders_back_everywhere() -> None:
    pipes = Pipes()
    night_of(pipes, 120.0)
    for seconds in (1, 20):
        pipes.beat(PLUGGED + timedelta(seconds=seconds))
    pipes.give(after(10), 1, (CAP, "GB", None))
    _, last = list(pipes.sent(ADDER))[-1]
    assert not any(slot.adder for slot in last.slots)
    assert last.issued_at == after(10)
    assert [message for _, message in pipes.sent(CAPPED)][-2:] == [None, None]
    told = len(list(pipes.sent(DEMAND)))
    pipes.give(after(11), 0, *enrolled(0, cheapest(0, soc_pct=20)))
    for minutes in (16, 60):
        pipes.beat(after(minutes))
    assert len(list(pipes.sent(DEMAND))) == told
    assert len(list(pipes.sent(ADDER))) == 2


def test_another_worker_goes_on_where_the_first_stopped() -> None:
    pipes = Pipes()
    night_of(pipes, 120.0)
    for seconds in (1, 20):
        pipes.beat(PLUGGED + timedelta(seconds=seconds))
    for desk in (desk for desks in pipes.desks for desk in desks):
        desk.restart()
    pipes.beat(after(6))
    assert len(list(pipes.sent(ADDER))) == 1, "the same needs, the same adders: nothing to say"
    pipes.give(after(7), 1, (CAP, "GB", cap(200.0, minutes=7)))
    pipes.beat(after(8))
    pipes.beat(after(9))
    assert len(list(pipes.sent(ADDER))) == 2, "a new cap is looked at soon"


def test_an_erased_car_needs_nothing_any_more() -> None:
    pipes = Pipes()
    night_of(pipes, 120.0, cars=2)
    pipes.beat(after(0))
    pipes.give(after(1), 0, (REGISTRATION, car(0), None), (SCHEDULE, car(0), None))
    pipes.beat(after(6))
    _, last = list(pipes.sent(DEMAND))[-1]
    assert last.partition == 0
    assert last.cohorts == ()


@pytest.mark.parametrize("seed", range(2))
def test_the_plans_of_a_fleet_that_follows_the_adders_keep_the_cap(seed: int) -> None:
    """With blocks, least lengths, margins and edge offsets: what is really announced, not the ideal."""
    draw = random.Random(seed)
    cars = [(n, draw.choice(["two-rates", "two-rates", "flat"]), draw.uniform(30, 70)) for n in range(300)]
    free = [cheapest(*facts) for facts in cars]
    cap_kw = 0.5 * float(kw(free).max())
    needs = [(car(n), need_of(n, tariff, schedule)) for (n, tariff, _), schedule in zip(cars, free, strict=True)]
    told = demand_of("GB", 0, needs, PLUGGED)
    markets = {"two-rates": Market(PRICE, None), "flat": Market(FLAT, None)}
    adders = adders_for(cap(cap_kw), [told], markets.get, PLUGGED)
    capped = [cheapest(*facts, adders=as_forecast(adders)) for facts in cars]
    assert kw(free).max() == pytest.approx(2 * cap_kw)
    assert kw(capped).max() <= 1.04 * cap_kw
    assert all(schedule.reachable for schedule in capped)
    assert sum(schedule.energy_kwh for schedule in capped) == pytest.approx(sum(s.energy_kwh for s in free), rel=1e-6)


def test_with_planning_in_the_loop_the_published_schedules_keep_the_cap() -> None:
    pipes = Pipes((planning.stage(PlanRules()),))
    draw = random.Random(3)
    for partition in (0, 1):
        pipes.give(PLUGGED, partition, (REPLAN, "price:two-rates", PRICE))
    for n in range(200):
        facts = state(car=car(n), soc_pct=draw.uniform(30, 70), session=session(f"s{n}"))
        messages = [(REGISTRATION, car(n), registration(car=car(n))), (PREFERENCE, car(n), preference(car=car(n)))]
        pipes.give(PLUGGED, n % 2, *messages, (VEHICLE, car(n), facts))
    cap_kw = 0.5 * float(kw(in_force(pipes)).max())
    pipes.give(PLUGGED, 1, (CAP, "GB", cap(cap_kw)))
    for minutes in (1, 2, 7, 13, 19):
        pipes.beat(after(minutes))
    assert kw(in_force(pipes)).max() <= 1.1 * cap_kw
    assert len(list(pipes.sent(ADDER))) == 1, "the loop has settled"


def in_force(pipes: Pipes) -> list[Schedule]:
    return list({send.key: send.message for _, send in pipes.log if send.topic is SCHEDULE}.values())


def need_of(n: int, tariff: str, schedule: Schedule) -> CarNeed:
    need = observe_registration(CarNeed(), registration(car=car(n), tariff=tariff))
    return observe_schedule(observe_preference(need, preference(car=car(n))), schedule)


def told(schedule: Schedule, now: datetime = PLUGGED) -> RegionDemand:
    return demand_of("GB", 3, [(car(0), need_of(0, "two-rates", schedule))], now)


def test_a_need_is_how_long_until_when_and_not_which_slots() -> None:
    schedule = cheapest(0)
    elsewhere = tuple(
        block.model_copy(update={"start": block.start - HOUR, "end": block.end - HOUR}) for block in schedule.blocks
    )
    assert told(schedule) == told(schedule.model_copy(update={"blocks": elsewhere}))
    (only,) = told(schedule).cohorts
    assert only.hours == pytest.approx(20 / 7.2, abs=1e-3)
    assert only.power_kw == pytest.approx(7.2)
    assert only.at_once_hours == 0
    assert EPOCH + timedelta(minutes=only.until_minute) == after(780) - timedelta(minutes=20)


def test_the_minimum_and_what_runs_are_beyond_choice() -> None:
    (low,) = told(cheapest(0, soc_pct=10)).cohorts
    assert low.at_once_hours == pytest.approx(0.1 * 60 / 0.9 / 7.2, abs=1 / 60), "in whole minutes"
    schedule = cheapest(0)
    half = schedule.blocks[0].start + HOUR
    (running,) = told(schedule, half).cohorts
    assert running.at_once_hours == pytest.approx((schedule.blocks[0].end - half) / HOUR, abs=1e-3)
    boost = schedule.model_copy(update={"reason": PlanReason.BOOST})
    (at_once,) = told(boost).cohorts
    assert at_once.at_once_hours == at_once.hours


def test_a_car_that_is_done_or_elsewhere_is_not_counted() -> None:
    schedule = cheapest(0)
    assert told(schedule, schedule.blocks[-1].end).cohorts == ()
    assert demand_of("elsewhere", 0, [(car(0), need_of(0, "two-rates", schedule))], PLUGGED).cohorts == ()
    need = observe_registration(need_of(0, "two-rates", schedule), registration(car=car(0), consent="withdrawn"))
    assert demand_of("GB", 0, [(car(0), need)], PLUGGED).cohorts == ()


def test_cars_that_are_alike_are_one_sum() -> None:
    twins = [n for n in range(2000) if group_of(car(n)) == 7][:3]
    needs = [(car(n), need_of(n, "two-rates", cheapest(n))) for n in twins]
    found = demand_of("GB", 0, needs, PLUGGED)
    (one,) = found.cohorts
    assert (one.cars, one.group) == (3, 7)
    assert one.power_kw == pytest.approx(21.6)
    assert one.hours == pytest.approx(20 / 7.2, abs=1e-3)


def test_cars_without_a_price_charge_at_once_and_the_cap_counts_them() -> None:
    adders = adders_for(cap(5.0), [told(cheapest(0))], lambda _: None, PLUGGED)
    assert adders.currency == "XXX"
    assert adders.slots[0].load_kw == pytest.approx(7.2)
    assert adders.over_kwh == pytest.approx(2.2 * 2.5), "in the last of six half hours it is below the cap"


def test_adders_begin_with_the_half_hour_that_runs_and_reach_to_the_last_need() -> None:
    now = PLUGGED + timedelta(minutes=10)
    adders = adders_for(cap(5.0), [told(cheapest(0))], lambda _: Market(PRICE, None), now)
    assert adders.slots[0].start == PLUGGED
    assert adders.slots[-1].end == after(780), "06:40 lies in the half hour until 07:00"
    assert {slot.cap_kw for slot in adders.slots} == {5.0}


def test_only_adders_that_change_a_plan_are_news() -> None:
    def made(value: float) -> RegionAdder:
        adders = adders_for(cap(1e6), [told(cheapest(0))], lambda _: Market(PRICE, None), PLUGGED)
        first = adders.slots[0].model_copy(update={"adder": value})
        return adders.model_copy(update={"slots": (first, *adders.slots[1:])})

    assert not differs(made(0.0), None)
    assert differs(made(0.01), None)
    assert not differs(made(0.0101), made(0.01))
    assert differs(made(0.0), made(0.01))


def test_a_schedule_from_before_powers_were_told_still_counts() -> None:
    blocks = (Block(start=after(60), end=after(120), energy_kwh=7.0),)
    plain = cheapest(0).model_copy(update={"blocks": blocks, "energy_kwh": 7.0, "inputs": PlanInputs(now=PLUGGED)})
    (only,) = told(plain).cohorts
    assert only.power_kw == pytest.approx(7.0)
    assert only.hours == pytest.approx(1.0)
