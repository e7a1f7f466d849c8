"""What the state machine of control once found, as nights of their own."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from oem_connectors.simulator.cloud.car import Personality, SimCar, Stay
from oem_connectors.simulator.cloud.states import Mode
from streams.contracts.command import Action
from streams.contracts.preference import Preference
from tests.loop import Loop, prices

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
BORN = datetime(2025, 1, 6, 16, tzinfo=UTC)
PLUG_IN, READY_BY = BORN + 2 * HOUR, BORN + 15 * HOUR


def night(personality: Personality = Personality.NORMAL, *, cheap: set[int], model: str = "sim-one") -> Loop:
    """A car at 60 % of 80 %, plugged in at 18:00, with power cheap in these hours."""
    car = SimCar(
        account="a", vehicle="b", model=model, personality=personality, stays=[Stay(PLUG_IN, READY_BY + HOUR, 60)]
    )
    loop = Loop(car, Preference(car=car.key, updated_at=BORN), BORN)
    loop.vintage(prices(BORN, [0.1 if (16 + hour) % 24 in cheap else 0.3 for hour in range(40)]))
    return loop


def mode(loop: Loop) -> Mode:
    return loop.cloud.truth.mode


def test_a_sleeping_car_is_woken_for_its_promise_whatever_was_spent() -> None:
    loop = night(Personality.DEEP_SLEEPER, cheap={4, 5}, model="sim-one-basic")
    loop.run(BORN + 10 * HOUR)
    assert loop.cloud.truth.mode is Mode.IDLE
    assert loop.cloud.truth.asleep
    spent = {"wakes": loop.policy.max_wakes, "commands": loop.policy.max_commands}
    loop.control = loop.control.model_copy(update=spent)
    loop.run(READY_BY)
    assert loop.cloud.truth.soc_at(READY_BY) >= 79, loop.story()


def test_a_car_that_could_not_be_woken_is_not_stopped() -> None:
    loop = night(cheap={4, 5})
    loop.policy = replace(loop.policy, max_wakes=0)
    loop.run(PLUG_IN + HOUR)
    assert loop.decisions == []
    assert loop.steps[-1].reason == "budget_spent"


def test_a_start_in_the_car_that_was_not_replaced_after_all_is_known_and_taken_back() -> None:
    loop = night(cheap={4, 5})
    loop.run(PLUG_IN + HOUR)
    first = loop.control.backstop_at
    assert first is not None
    loop.cloud.trouble.lost_requests = 99
    wish = loop.control.preference
    assert wish is not None
    loop.cloud.truth.command(Action.WAKE, loop.now, cause=loop.effective()[0].cause)
    loop.wish(wish.model_copy(update={"target_soc_pct": 89.0, "updated_at": loop.now}))
    loop.run(loop.now + 30 * MINUTE)
    loop.cloud.trouble.lost_requests = 0
    lost = loop.decisions[-1].start_at
    assert lost is not None
    assert lost < first
    assert loop.cloud.truth.sample(loop.now).scheduled_start == first
    loop.run(lost + 10 * MINUTE)
    assert loop.control.own_schedule_session is None, loop.story()
    loop.cloud.truth.unplug(loop.now)
    loop.run(first - MINUTE)
    assert loop.cloud.truth.sample(loop.now).scheduled_start is None, loop.story()


def test_the_drivers_stop_stands_although_our_start_is_still_in_the_car() -> None:
    loop = night(cheap={20, 21, 22})
    loop.run(BORN + 4 * HOUR + 15 * MINUTE)
    assert mode(loop) is Mode.CHARGING
    loop.cloud.truth.by_hand(Action.STOP, loop.now)
    assert loop.cloud.truth.sample(loop.now).mode is Mode.WAITING
    loop.run(READY_BY)
    assert mode(loop) is Mode.IDLE, loop.story()
    assert any(loop.told()), "the promise is missed, and nobody was told"


def test_beyond_its_budget_each_wake_is_followed_by_a_start_though_no_reading_shows_the_wake() -> None:
    loop = night(cheap={4, 5}, model="sim-one-basic")
    loop.run(BORN + 10 * HOUR)
    assert loop.cloud.truth.asleep
    loop.control = loop.control.model_copy(update={"wakes": loop.policy.max_wakes})
    loop.reading_delay = 30 * MINUTE
    loop.run(READY_BY)
    sent = [command.action for command in loop.decisions]
    assert (Action.WAKE, Action.WAKE) not in pairwise(sent)
    assert loop.cloud.truth.soc_at(READY_BY) >= 79, loop.story()
