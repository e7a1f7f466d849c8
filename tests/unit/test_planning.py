"""A schedule is published once, when it matters; the unknown makes the car charge; announced plans stay."""

import random
from datetime import datetime, timedelta
from typing import Any

import pytest

from streams.contracts.forecast import Forecast
from streams.contracts.schedule import PlanReason, Schedule
from streams.contracts.telemetry import Charge, Plug
from streams.domain.case import PlanRules
from streams.domain.ids import spread_seconds
from streams.domain.market import Market
from streams.domain.planning import (
    PlanningState,
    decide,
    observe_preference,
    observe_registration,
    observe_schedule,
    observe_state,
)
from tests.night import CAR, PLUGGED, TWO_RATES, after, forecast, preference, registration, session, state

PRICE = forecast(TWO_RATES)
MARKET = Market(PRICE, None)
CHEAP = after(390), after(630)  # 00:30 to 04:30 local
#: 50 % to 80 % at the wall.
NEED_KWH = 20.0
OFFSET = timedelta(seconds=spread_seconds(CAR, "s1", spread=600))


def planning(**changes: Any) -> PlanningState:
    facts: dict[str, Any] = {"registration": registration(), "preference": preference(), "state": state()}
    return PlanningState(car=CAR, **(facts | changes))


def publish(
    known: PlanningState, price: Forecast | None = PRICE, minutes: float = 0, spread: int = 600
) -> tuple[PlanningState, Schedule]:
    market = Market(price, None) if price else None
    schedule = decide(known, market, after(minutes), PlanRules(edge_spread=timedelta(seconds=spread)))
    assert schedule is not None
    return observe_schedule(known, schedule), schedule


def spans(schedule: Schedule) -> list[tuple[datetime, datetime]]:
    return [(block.start, block.end) for block in schedule.blocks]


def test_the_cheapest_plan_is_published_once() -> None:
    known, schedule = publish(planning())
    assert schedule.reason is PlanReason.CHEAPEST
    assert (schedule.session_id, schedule.revision, schedule.currency) == ("s1", 1, "GBP")
    assert schedule.energy_kwh == pytest.approx(NEED_KWH)
    assert schedule.cost == pytest.approx(NEED_KWH * 0.10)
    assert schedule.reachable
    assert schedule.expected_soc_pct == pytest.approx(80)
    assert schedule.ready_by == after(780)
    assert schedule.inputs.price_issued_at == PRICE.issued_at
    assert decide(known, MARKET, after(0)) is None
    assert decide(known, MARKET, after(60)) is None


def test_what_is_announced_has_the_cars_own_offset() -> None:
    _, schedule = publish(planning())
    start, end = spans(schedule)[0]
    assert start == CHEAP[0] + OFFSET
    assert end - start == timedelta(hours=NEED_KWH / 7.2)
    assert schedule.ready_at == end
    _, exact = publish(planning(), spread=0)
    assert spans(exact)[0][0] == CHEAP[0]


def test_an_offset_that_would_touch_the_margin_is_dropped() -> None:
    last_hours = forecast([0.30] * 20 + [0.10] * 28)  # cheap from 04:00; the margin begins at 06:40
    known = planning(state=state(soc_pct=52.5))
    _, tight = publish(known, last_hours)
    assert spans(tight)[0][1] <= after(760)
    _, exact = publish(known, last_hours, spread=0)
    assert spans(tight) == spans(exact)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        pytest.param({"at_home": False}, PlanReason.AWAY, id="away"),
        pytest.param({"session": session(ended_at=after(5))}, PlanReason.UNPLUGGED, id="session ended"),
        pytest.param({"session": None, "plug": Plug.UNPLUGGED}, PlanReason.UNPLUGGED, id="never plugged in"),
    ],
)
def test_a_car_out_of_reach_gets_one_empty_schedule(facts: dict[str, Any], reason: PlanReason) -> None:
    known, schedule = publish(planning(state=state(**facts)), minutes=6)
    assert (schedule.reason, schedule.blocks) == (reason, ())
    assert decide(known, MARKET, after(7)) is None


@pytest.mark.parametrize(
    "known",
    [
        pytest.param(planning(registration=None), id="not enrolled"),
        pytest.param(planning(registration=registration(consent="withdrawn")), id="consent withdrawn"),
        pytest.param(planning(state=None), id="never heard of"),
        pytest.param(planning(state=state(session=None, plug=Plug.UNKNOWN)), id="plug unknown is not unplugged"),
    ],
)
def test_nothing_is_said_about_a_car_that_is_not_ours_to_plan(known: PlanningState) -> None:
    assert decide(known, MARKET, after(0)) is None


def test_home_unknown_is_not_away() -> None:
    assert publish(planning(state=state(at_home=None)))[1].reason is PlanReason.CHEAPEST


@pytest.mark.parametrize(
    ("soc", "reason"),
    [
        pytest.param({"soc_pct": None, "soc_time": None}, PlanReason.UNKNOWN_SOC, id="never said"),
        pytest.param({"soc_time": after(-1)}, PlanReason.UNKNOWN_SOC, id="sampled before plug-in"),
        pytest.param({"soc_pct": 0}, PlanReason.CHEAPEST, id="empty is known"),
    ],
)
def test_an_unknown_charge_means_charging_now(soc: dict[str, Any], reason: PlanReason) -> None:
    wish = preference(target_soc_pct=100)
    known, schedule = publish(planning(state=state(**soc), preference=wish))
    assert schedule.reason is reason
    assert schedule.blocks[0].start == after(0)
    assert decide(known, MARKET, after(5)) is None


def test_once_the_charge_is_known_the_car_is_planned() -> None:
    known, _ = publish(planning(state=state(soc_pct=None, soc_time=None)))
    _, schedule = publish(observe_state(known, state(4)), minutes=4)
    assert (schedule.reason, schedule.revision) == (PlanReason.CHEAPEST, 2)


def test_without_prices_the_car_charges_now_and_is_planned_when_they_come() -> None:
    known, blind = publish(planning(), None)
    assert (blind.reason, blind.currency) == (PlanReason.NO_FORECAST, "XXX")
    assert spans(blind) == [(after(0), after(0) + timedelta(hours=NEED_KWH / 7.2))]
    _, schedule = publish(known, minutes=10)
    assert (schedule.reason, schedule.revision) == (PlanReason.CHEAPEST, 2)


def test_prices_that_end_before_now_are_no_prices() -> None:
    yesterday = forecast(TWO_RATES, start=PLUGGED - timedelta(days=1))
    assert publish(planning(), yesterday)[1].reason is PlanReason.NO_FORECAST


def test_a_plan_stays_when_the_prices_go_missing() -> None:
    known, _ = publish(planning())
    assert decide(known, None, after(60)) is None


def test_boost_charges_now_without_offset() -> None:
    _, schedule = publish(planning(preference=preference(mode="boost")))
    assert schedule.reason is PlanReason.BOOST
    assert spans(schedule) == [(after(0), after(0) + timedelta(hours=NEED_KWH / 7.2))]


def test_paused_publishes_an_honest_empty_schedule() -> None:
    known, schedule = publish(planning(preference=preference(mode="paused")))
    assert (schedule.reason, schedule.blocks, schedule.reachable) == (PlanReason.PAUSED, (), False)
    assert schedule.shortfall_kwh == pytest.approx(18)
    assert decide(known, MARKET, after(5)) is None


def test_a_full_car_is_at_target_and_a_point_less_does_not_wake_it() -> None:
    known, schedule = publish(planning(state=state(soc_pct=80)))
    assert (schedule.reason, schedule.blocks) == (PlanReason.AT_TARGET, ())
    assert decide(observe_state(known, state(300, soc_pct=78)), MARKET, after(300)) is None
    assert decide(observe_state(known, state(300, soc_pct=77)), MARKET, after(300)) is not None


def test_complete_within_rounding_is_at_target() -> None:
    done = planning(state=state(soc_pct=79, charge=Charge.COMPLETE))
    assert publish(done)[1].reason is PlanReason.AT_TARGET
    short = planning(state=state(soc_pct=60, charge=Charge.COMPLETE))
    assert publish(short)[1].reason is PlanReason.CHEAPEST


def test_the_cars_own_limit_caps_the_target() -> None:
    _, schedule = publish(planning(state=state(limit_pct=70)))
    assert schedule.target_soc_pct == 70
    assert schedule.energy_kwh == pytest.approx(NEED_KWH * 20 / 30)


def test_the_minimum_is_charged_at_once() -> None:
    _, schedule = publish(planning(preference=preference(min_soc_pct=59)))
    (first, _), (second, _) = spans(schedule)
    assert (first, second) == (after(0), CHEAP[0] + OFFSET)
    assert schedule.blocks[0].energy_kwh == pytest.approx(6)


def test_an_unreachable_target_is_charged_from_now_until_it_is_reached() -> None:
    known, schedule = publish(planning(), minutes=660)  # 05:00, two hours before ready-by
    assert (schedule.reason, schedule.reachable) == (PlanReason.UNREACHABLE, False)
    assert schedule.expected_soc_pct == pytest.approx(50 + 2 * 7.2 * 0.9 / 60 * 100)
    assert schedule.shortfall_kwh == pytest.approx(18 - 2 * 7.2 * 0.9)
    assert schedule.ready_at == schedule.blocks[-1].end == after(660) + timedelta(hours=NEED_KWH / 7.2)
    late = observe_state(known, state(790, soc_pct=73, charge=Charge.CHARGING))
    assert decide(late, MARKET, after(790)) is None, "it goes on past ready-by"


def test_a_missed_ready_by_is_made_good_at_once() -> None:
    known, _ = publish(planning())
    asleep = observe_state(known, state(785, soc_pct=60))
    schedule = decide(asleep, MARKET, after(785))
    assert schedule is not None
    assert (schedule.reason, schedule.ready_by) == (PlanReason.UNREACHABLE, after(780))
    assert schedule.blocks[0].start == after(785)
    assert "past 07:00" in schedule.sentence


def test_a_car_short_after_its_last_block_is_topped_up() -> None:
    known, plan = publish(planning())
    assert plan.ready_at is not None
    ended = (plan.ready_at - PLUGGED) / timedelta(minutes=1) + 5
    assert decide(observe_state(known, state(ended, soc_pct=79)), MARKET, after(ended)) is None
    _, top_up = publish(observe_state(known, state(ended, soc_pct=78)), minutes=ended)
    assert top_up.energy_kwh == pytest.approx(NEED_KWH * 2 / 30)


@pytest.mark.parametrize(
    ("soc_pct", "changes"),
    [
        pytest.param(50, False, id="as expected"),
        pytest.param(52, False, id="two points are rounding and blips"),
        pytest.param(53, True, id="fuller than planned for"),
        pytest.param(47, True, id="emptier than planned for"),
    ],
)
def test_only_a_real_deviation_replans(soc_pct: float, changes: bool) -> None:
    known, _ = publish(planning())
    schedule = decide(observe_state(known, state(60, soc_pct=soc_pct)), MARKET, after(60))
    assert (schedule is not None) is changes


@pytest.mark.parametrize(
    "wish",
    [
        pytest.param({"target_soc_pct": 90}, id="target"),
        pytest.param({"ready_by": "08:00"}, id="ready-by"),
        pytest.param({"carbon_price_per_tonne": 500}, id="carbon price"),
    ],
)
def test_a_new_wish_is_a_new_plan(wish: dict[str, Any]) -> None:
    known, _ = publish(planning())
    known = observe_preference(known, preference(updated_at=after(30), **wish))
    assert publish(known, minutes=30)[1].revision == 2


def test_a_saving_of_pennies_moves_nothing() -> None:
    known, _ = publish(planning())
    slightly = forecast([*TWO_RATES[:21], *[0.0995] * 3, *TWO_RATES[24:]])
    assert decide(known, Market(slightly, None), after(10)) is None
    clearly = forecast([*TWO_RATES[:21], *[0.08] * 3, *TWO_RATES[24:]])
    _, schedule = publish(known, clearly, minutes=10)
    assert schedule.revision == 2


def test_a_running_block_is_kept_when_prices_change() -> None:
    known, plan = publish(planning())
    running = (plan.blocks[0].start - PLUGGED) / timedelta(minutes=1) + 60
    known = observe_state(known, state(running, soc_pct=50 + 7.2 * 0.9 / 60 * 100, charge=Charge.CHARGING))
    cheaper_later = forecast([*TWO_RATES[:21], *[0.01] * 27])
    assert decide(known, Market(cheaper_later, None), after(running)) is None


def test_a_block_that_waits_for_its_offset_is_as_good_as_running() -> None:
    one_cheap_slot = forecast([0.5] * 13 + [0.0] + [0.5] * 8 + [0.4] * 26)
    known, plan = publish(planning(state=state(soc_pct=74.6)), one_cheap_slot)
    assert spans(plan)[0][0] == CHEAP[0] + OFFSET
    waiting = observe_state(known, state(395, soc_pct=74.6, charge=Charge.STARTING))
    assert decide(waiting, Market(one_cheap_slot, None), after(395)) is None


def test_the_last_percent_is_not_worth_another_night() -> None:
    known, _ = publish(planning())
    assert decide(observe_state(known, state(785, soc_pct=79)), MARKET, after(785)) is None


def test_revisions_restart_with_the_session() -> None:
    known, _ = publish(planning())
    known, gone = publish(observe_state(known, state(60, session=session(ended_at=after(60)))), minutes=60)
    assert (gone.revision, gone.session_id) == (2, "s1")
    back = state(90, session=session("s2", plugged_at=after(90), seen_at=after(90)))
    assert publish(observe_state(known, back), minutes=90)[1].revision == 1


def test_an_older_message_never_undoes_a_newer_one() -> None:
    known = planning()
    assert observe_state(known, state(-5, soc_pct=10)) == known
    assert observe_preference(known, preference(updated_at=PLUGGED - timedelta(days=2), target_soc_pct=10)) == known
    assert observe_registration(known, registration(registered_at=PLUGGED - timedelta(days=10))) == known
    known, first = publish(known)
    known = observe_schedule(known, first.model_copy(update={"revision": 2}))
    assert observe_schedule(known, first) == known


@pytest.mark.parametrize("seed", range(12))
def test_a_car_that_follows_its_plan_is_ready_and_rarely_told_anew(seed: int) -> None:
    """Every five minutes of a night: the car reports whole percents and charges as scheduled, a little off."""
    rng = random.Random(seed)
    market = Market(forecast([rng.randint(-10, 50) / 100 for _ in range(28)]), None)
    known, soc, speed = planning(state=None), rng.uniform(5, 95), rng.uniform(0.97, 1.03)
    for minutes in range(0, 801, 5):
        now = after(minutes)
        blocks = known.schedule.blocks if known.schedule else ()
        on = any(block.start <= now < block.end for block in blocks)
        charge = Charge.CHARGING if on else Charge.IDLE
        known = observe_state(known, state(minutes, soc_pct=int(soc), charge=charge))
        made = decide(known, market, now)
        if made is not None:
            known = observe_schedule(known, made)
            assert decide(known, market, now) is None, "asked twice"
        assert known.schedule is not None
        soc += _seconds_on(known.schedule, now) / 3600 * 7.2 * speed * 0.9 / 60 * 100
    assert soc >= 79
    assert known.schedule is not None
    assert known.schedule.revision <= 4
    assert known.blocks_over <= 2


def _seconds_on(schedule: Schedule, now: datetime) -> float:
    until = now + timedelta(minutes=5)
    return sum(max(0.0, (min(b.end, until) - max(b.start, now)).total_seconds()) for b in schedule.blocks)


@pytest.mark.parametrize("seed", range(40))
def test_a_plan_has_at_most_two_blocks_and_none_is_too_short(seed: int) -> None:
    rng = random.Random(seed)
    market = Market(forecast([rng.randint(-10, 50) / 100 for _ in range(28)]), None)
    schedule = decide(planning(state=state(soc_pct=rng.uniform(5, 79))), market, after(rng.random()))
    assert schedule is not None
    assert 1 <= len(schedule.blocks) <= 2
    lengths = [block.end - block.start for block in schedule.blocks]
    assert all(length >= timedelta(minutes=9) for length in lengths) or len(lengths) == 1
    assert schedule.expected_soc_pct == pytest.approx(80)


def test_the_running_block_is_kept_and_only_what_comes_later_moves() -> None:
    """A later vintage makes other hours cheap: what runs goes on to the end that was announced."""
    split = forecast([0.30] * 13 + [0.10] * 2 + [0.30] * 4 + [0.10] * 4 + [0.30] * 25)
    known, first = publish(planning(), split, spread=0)
    assert len(first.blocks) == 2
    running = first.blocks[0].start + timedelta(minutes=10)
    known = observe_state(known, state((running - PLUGGED) / timedelta(minutes=1), charge=Charge.CHARGING))
    later = forecast([0.30] * 19 + [0.20] * 4 + [0.05] * 25)
    again = decide(known, Market(later, None), running, PlanRules(edge_spread=timedelta(0)))
    assert again is not None
    assert again.blocks[0].start <= running
    assert again.blocks[0].end == first.blocks[0].end
    assert again.blocks[1].start > first.blocks[1].start


def test_a_running_block_that_crosses_a_price_edge_is_not_announced_anew() -> None:
    steep = forecast([0.30] * 13 + [0.10] * 6 + [3.00] * 29)  # the offset carries the last minutes past 03:30
    known, first = publish(planning(state=state(soc_pct=48)), steep)
    assert first.blocks[-1].end > after(570), "the case"
    for seconds in range(1, 60, 7):
        now = first.blocks[0].start + timedelta(minutes=20, seconds=seconds)
        soc_pct = 48 + 20.3 / 60 * 7.2 * 0.9 / 60 * 100
        known = observe_state(
            known, state((now - PLUGGED) / timedelta(minutes=1), soc_pct=soc_pct, charge=Charge.CHARGING)
        )
        assert decide(known, Market(steep, None), now) is None


@pytest.mark.parametrize("seconds", [0, 1, 29, 30, 59])
@pytest.mark.parametrize("before", [20, 59, 61, 90, 130])
def test_what_is_planned_in_the_last_minute_is_what_is_missing(seconds: int, before: int) -> None:
    """Ready-by and now may fall on any second; a plan never lies in the past, and none is empty."""
    ready = after(780) + timedelta(seconds=seconds)
    wish = preference(ready_by=f"07:00:{seconds:02}", margin_minutes=0)
    now = ready - timedelta(seconds=before)
    short = 0.9 * before / 3600 * 7.2 * 0.9 / 60 * 100
    at = (now - PLUGGED) / timedelta(minutes=1)
    made = decide(planning(preference=wish, state=state(at, soc_pct=80 - short)), MARKET, now)
    assert made is not None
    assert made.reason is PlanReason.CHEAPEST
    assert made.blocks[0].start >= now
    assert made.energy_kwh == pytest.approx(short / 100 * 60 / 0.9)
    assert made.blocks[-1].end <= ready + timedelta(seconds=1)


@pytest.mark.parametrize("soc_pct", [79.999999999999, 79.99999999, 79.999, 80.0])
@pytest.mark.parametrize("market", [None, MARKET])
def test_a_hair_below_the_target_is_at_the_target(soc_pct: float, market: Market | None) -> None:
    made = decide(planning(state=state(soc_pct=soc_pct)), market, after(0))
    assert made is not None
    assert made.reason is PlanReason.AT_TARGET


@pytest.mark.parametrize("soc_pct", [19.9, 19.0, 18.0])
@pytest.mark.parametrize("latency", [0, 40, 400])
def test_a_car_below_its_minimum_is_charged_at_once_and_told_rarely(soc_pct: float, latency: int) -> None:
    """Two valleys later; the car reports every five minutes, amid minutes, and obeys late."""
    market = Market(forecast([0.40] * 10 + [0.05] * 2 + [0.40] * 4 + [0.05] * 2 + [0.40] * 20), None)
    known, soc, told = planning(state=None, preference=preference(target_soc_pct=40)), soc_pct, 0
    for step in range(120):
        now = after(step * 5) + timedelta(seconds=40)
        blocks = known.schedule.blocks if known.schedule else ()
        on = any(b.start + timedelta(seconds=latency) <= now < b.end for b in blocks)
        known = observe_state(
            known, state(step * 5 + 2 / 3, soc_pct=soc, charge=Charge.CHARGING if on else Charge.IDLE)
        )
        made = decide(known, market, now)
        if made is not None:
            known, told = observe_schedule(known, made), told + 1
            assert step > 0 or soc_pct > 19.5 or made.blocks[0].start <= now
        soc += on * 300 / 3600 * 7.2 * 0.9 / 60 * 100
    assert told <= 10, "of 120 readings"


def test_blocks_that_are_over_count_towards_the_limit() -> None:
    split = forecast([0.30] * 3 + [0.10] * 2 + [0.30] * 4 + [0.10] * 2 + [0.30] * 6 + [0.10] * 30)
    known, first = publish(planning(state=state(soc_pct=70)), split, spread=0)
    now = first.blocks[0].end + timedelta(minutes=1)
    zigzag = forecast([0.90] * 12 + [0.90, 0.01] * 18)
    reading = state((now - PLUGGED) / timedelta(minutes=1), soc_pct=60)
    again = decide(observe_state(known, reading), Market(zigzag, None), now)
    assert again is not None
    assert len(again.blocks) == 1
    fresh = decide(planning(state=reading), Market(zigzag, None), now)
    assert fresh is not None
    assert len(fresh.blocks) == 2
