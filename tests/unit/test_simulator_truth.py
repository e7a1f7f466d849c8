"""How cars take commands, sleep, wake and misbehave; and how the log tells a duplicate from a repair."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from oem_connectors.simulator.cloud.car import DriverAction, Personality, SimCar, Stay
from oem_connectors.simulator.cloud.fleet import commuters
from oem_connectors.simulator.cloud.log import BY_APP, BY_CAR, BY_DRIVER, Cause, Change, Log, What, Who
from oem_connectors.simulator.cloud.states import Mode, Reply
from oem_connectors.simulator.cloud.truth import Truth
from oem_connectors.simulator.cloud.world import World
from streams.contracts.command import Action

START = datetime(2025, 1, 1, 18, tzinfo=UTC)
PLUG_IN, PLUG_OUT = START + timedelta(hours=1), START + timedelta(hours=13)
COMMAND = Cause(Who.COMMAND, "id-1", "plan-1")
MINUTE = timedelta(minutes=1)


class Night:
    """One car for one night, commanded at minutes after plug-in."""

    def __init__(self, personality: Personality = Personality.NORMAL, soc_pct: float = 40, **more: object) -> None:
        stays = [
            Stay(PLUG_IN, PLUG_OUT, soc_pct),
            Stay(PLUG_OUT + timedelta(hours=9), PLUG_OUT + timedelta(hours=20), 50),
        ]
        car = SimCar(account="a", vehicle="b", stays=stays, personality=personality, **more)  # type: ignore[arg-type]
        self.log = Log()
        self.truth = Truth(car, self.log, seed=1, born=START)

    def ask(self, action: Action, minutes: float, cause: Cause = COMMAND) -> Reply:
        return self.truth.command(action, PLUG_IN + minutes * MINUTE, cause)

    def mode(self, minutes: float) -> Mode:
        self.truth.advance(PLUG_IN + minutes * MINUTE)
        return self.truth.mode

    def happened(self, what: What) -> list[float]:
        return [(change.at - PLUG_IN) / MINUTE for change in self.log.changes if change.what is what]


def test_plugging_in_starts_charging_without_being_asked() -> None:
    night = Night()
    assert night.mode(-1) is Mode.AWAY
    assert night.mode(0) is Mode.CHARGING
    assert night.mode(12 * 60 + 1) is Mode.AWAY


def test_a_car_stops_at_its_limit_and_a_higher_limit_goes_on() -> None:
    night = Night(limit_pct=80.0)
    assert night.mode(11 * 60) is Mode.FULL
    assert night.truth.soc_at(PLUG_IN + 11 * 60 * MINUTE) == 80
    night.truth.set_limit(90, PLUG_IN + 11 * 60 * MINUTE, COMMAND)
    assert night.mode(11 * 60 + 1) is Mode.CHARGING
    night.truth.set_limit(50, PLUG_IN + 11 * 60 * MINUTE + 2 * MINUTE, COMMAND)
    assert night.mode(11 * 60 + 3) is Mode.FULL


def test_a_stop_takes_some_seconds_and_a_start_undoes_it() -> None:
    night = Night()
    assert night.ask(Action.STOP, 10) is Reply.ACCEPTED
    assert night.mode(10) is Mode.CHARGING
    assert night.mode(11) is Mode.IDLE
    assert night.ask(Action.START, 20) is Reply.ACCEPTED
    assert night.truth.sample(PLUG_IN + 20 * MINUTE).mode is Mode.STARTING
    assert night.mode(21) is Mode.CHARGING


@pytest.mark.parametrize("action", [Action.START, Action.STOP])
def test_asking_again_is_answered_already_and_has_no_second_effect(action: Action) -> None:
    night = Night()
    night.ask(Action.STOP, 1)
    if action is Action.START:
        night.ask(Action.START, 5)
    assert night.ask(action, 5.01 if action is Action.START else 1.01) is Reply.ALREADY
    assert night.ask(action, 9) is Reply.ALREADY
    night.truth.advance(PLUG_IN + 10 * MINUTE)
    assert len([change for change in night.log.effective() if change.what is What.STOPPED]) == 1
    assert night.log.duplicate_effective() == []


def test_a_start_of_a_full_car_is_already_so() -> None:
    assert Night(soc_pct=95).ask(Action.START, 5) is Reply.ALREADY


def test_a_car_that_comes_home_full_does_not_start() -> None:
    night = Night(soc_pct=95)
    assert night.mode(30) is Mode.FULL
    assert night.happened(What.STARTED) == []


def test_a_start_overtakes_a_stop_that_has_not_yet_taken_effect() -> None:
    night = Night()
    assert night.ask(Action.STOP, 10) is Reply.ACCEPTED
    assert night.ask(Action.START, 10.01) is Reply.ACCEPTED
    assert night.mode(12) is Mode.CHARGING
    assert night.log.effective() == []


def test_a_car_without_a_cable_refuses() -> None:
    assert Night().ask(Action.START, -30) is Reply.NOT_PLUGGED


def test_an_idle_car_falls_asleep_and_repeats_its_last_word_until_woken() -> None:
    night = Night()
    night.ask(Action.STOP, 10)
    asleep = night.truth.sample(PLUG_IN + 120 * MINUTE)
    assert night.truth.asleep
    assert asleep.at < PLUG_IN + 40 * MINUTE
    assert night.truth.sample(PLUG_IN + 180 * MINUTE) == asleep
    assert night.ask(Action.START, 180) is Reply.ASLEEP
    assert night.ask(Action.WAKE, 180) is Reply.ACCEPTED
    assert night.ask(Action.WAKE, 180.01) is Reply.ALREADY
    assert night.ask(Action.START, 182) is Reply.ACCEPTED
    assert night.mode(183) is Mode.CHARGING
    assert night.truth.sample(PLUG_IN + 183 * MINUTE).at == PLUG_IN + 183 * MINUTE


def test_a_charging_car_does_not_sleep() -> None:
    night = Night()
    assert night.mode(200) is Mode.CHARGING
    assert night.happened(What.ASLEEP) == []


def test_the_next_plug_in_wakes_a_car() -> None:
    night = Night(soc_pct=95)
    assert night.mode(11 * 60) is Mode.FULL
    assert night.truth.asleep
    night.truth.advance(PLUG_OUT + timedelta(hours=9))
    assert not night.truth.asleep
    assert night.truth.mode is Mode.CHARGING


def test_a_car_that_ignores_stop_says_yes_and_goes_on() -> None:
    night = Night(Personality.IGNORES_STOP)
    assert night.ask(Action.STOP, 10) is Reply.ACCEPTED
    assert night.mode(30) is Mode.CHARGING
    assert night.happened(What.STOPPED) == []


def test_a_car_that_cannot_resume_needs_a_new_plug_in() -> None:
    night = Night(Personality.CANNOT_RESUME)
    night.ask(Action.STOP, 10)
    assert night.ask(Action.START, 15) is Reply.ACCEPTED
    assert night.mode(20) is Mode.IDLE
    night.truth.advance(PLUG_OUT + timedelta(hours=9))
    assert night.truth.mode is Mode.CHARGING


def test_a_deep_sleeper_sleeps_soon_and_wakes_late() -> None:
    night = Night(Personality.DEEP_SLEEPER)
    night.ask(Action.STOP, 10)
    assert night.ask(Action.WAKE, 25) is Reply.ACCEPTED
    assert night.ask(Action.START, 26) is Reply.ASLEEP
    assert night.ask(Action.START, 32) is Reply.ACCEPTED
    (slept, *_), (woke, *_) = night.happened(What.ASLEEP), night.happened(What.AWAKE)
    assert 20 < slept < 21
    assert 27 <= woke <= 31


def test_a_random_starter_starts_by_itself_at_most_twice() -> None:
    night = Night(Personality.RANDOM_START, soc_pct=5)
    for minutes in (5, 90, 180, 270):
        if night.mode(minutes) is Mode.CHARGING:
            night.ask(Action.STOP, minutes)
    starts = [change.cause for change in night.log.changes if change.what is What.STARTED]
    assert starts == [BY_CAR] * 3  # the plug-in and two of its own
    assert night.mode(600) is Mode.IDLE


def test_the_drivers_own_timer_starts_the_car_at_half_past_midnight() -> None:
    night = Night(Personality.DRIVER_TIMER)
    told = night.truth.sample(PLUG_IN + MINUTE)
    assert (told.mode, told.scheduled_start) == (Mode.WAITING, PLUG_IN + 330 * MINUTE)
    assert night.mode(329) is Mode.IDLE
    assert night.mode(330) is Mode.CHARGING
    assert [change.cause for change in night.log.changes if change.what is What.STARTED] == [Cause(Who.SCHEDULE)]


def test_another_app_undoes_what_we_switch_six_times_and_then_lets_be() -> None:
    night = Night(Personality.APP_FIGHTER, soc_pct=5)
    for minutes in range(5, 100, 10):
        night.ask(Action.STOP if night.mode(minutes) is Mode.CHARGING else Action.START, minutes)
    night.truth.advance(PLUG_IN + 110 * MINUTE)
    undone = [change for change in night.log.changes if change.cause == BY_APP]
    assert len(undone) == 6
    assert len(night.log.effective()) == 10


def test_a_car_accepts_two_starts_and_drops_them_after_two_minutes() -> None:
    night = Night(Personality.ACCEPTS_THEN_FAILS)
    night.ask(Action.STOP, 10)
    for minutes in (20, 30):
        night.ask(Action.START, minutes)
        assert night.mode(minutes + 1) is Mode.CHARGING
        night.truth.advance(PLUG_IN + (minutes + 4) * MINUTE)
        assert night.mode(minutes + 4) is Mode.IDLE
    night.ask(Action.START, 40)
    assert night.mode(50) is Mode.CHARGING


def test_for_a_minute_after_a_command_another_is_refused() -> None:
    night = Night(Personality.DUPLICATE_REQUEST)
    assert night.ask(Action.STOP, 10) is Reply.ACCEPTED
    assert night.ask(Action.START, 10.9) is Reply.BUSY
    assert night.ask(Action.START, 11.1) is Reply.ACCEPTED


def test_the_unforeseen_a_driver_leaves_early_and_comes_back() -> None:
    night = Night()
    night.truth.unplug(PLUG_IN + 60 * MINUTE)
    assert night.mode(61) is Mode.AWAY
    night.truth.advance(PLUG_OUT + timedelta(hours=21))
    again = PLUG_OUT + timedelta(hours=22)
    night.truth.come_back(Stay(again, again + timedelta(hours=5), 30))
    night.truth.advance(again)
    assert night.truth.mode is Mode.CHARGING
    assert night.truth.soc_at(again) == 30
    night.truth.by_hand(Action.STOP, again + MINUTE)
    assert night.log.changes[-1].cause == BY_DRIVER


def test_a_stale_cache_lags_behind_by_up_to_half_an_hour() -> None:
    night = Night(Personality.STALE_CACHE)
    ages = [minutes * MINUTE + PLUG_IN - night.truth.sample(PLUG_IN + minutes * MINUTE).at for minutes in range(90)]
    assert max(ages) > 28 * MINUTE
    assert max(ages) < 30 * MINUTE
    assert min(ages) >= timedelta(0)


def test_the_driver_at_the_car_is_logged_as_the_driver() -> None:
    by_hand = [
        DriverAction(PLUG_IN + 10 * MINUTE, Action.STOP),
        DriverAction(PLUG_IN + 300 * MINUTE, Action.START),
    ]
    night = Night(driver_actions=by_hand)
    assert night.mode(299) is Mode.IDLE
    assert night.mode(300) is Mode.CHARGING
    assert [change.cause for change in night.log.changes if change.cause == BY_DRIVER] == [BY_DRIVER] * 2
    assert night.log.effective() == []


def switches(*told: tuple[What, Cause]) -> Log:
    changes = [Change(START + place * MINUTE, "a.b", 0, what, cause, 50) for place, (what, cause) in enumerate(told)]
    return Log(changes=changes)


def command(command_id: str, plan: str = "") -> Cause:
    return Cause(Who.COMMAND, command_id, plan)


ON, OFF = What.STARTED, What.STOPPED


@pytest.mark.parametrize(
    ("told", "duplicates"),
    [
        pytest.param([(ON, command("1", "p")), (OFF, command("2", "p")), (ON, command("3", "q"))], 0, id="two plans"),
        pytest.param([(ON, command("1", "p")), (OFF, command("2", "p")), (ON, command("3", "p"))], 1, id="flapping"),
        pytest.param([(ON, command("1")), (OFF, command("2")), (ON, command("1"))], 1, id="same command twice"),
        pytest.param([(ON, command("1")), (OFF, BY_DRIVER), (ON, command("1"))], 1, id="blind repeat after driver"),
        pytest.param([(OFF, command("1", "p")), (ON, BY_CAR), (OFF, command("2", "p"))], 0, id="repair"),
        pytest.param(
            [
                (OFF, command("1", "p")),
                (ON, BY_CAR),
                (OFF, command("2", "p")),
                (ON, command("3")),
                (OFF, command("4", "p")),
            ],
            1,
            id="a repair, then flapping",
        ),
        pytest.param([(ON, command("1")), (OFF, command("2")), (ON, command("3"))], 0, id="no plan, other ids"),
    ],
)
def test_a_duplicate_is_told_from_a_repair(told: list[tuple[What, Cause]], duplicates: int) -> None:
    assert len(switches(*told).duplicate_effective()) == duplicates


def test_the_same_command_in_another_stay_or_car_is_no_duplicate() -> None:
    one, *others = switches((ON, command("1", "p")), (ON, command("1", "p")), (ON, command("1", "p"))).changes
    stay = Change(others[0].at, "a.b", 1, ON, command("1", "p"), 50)
    car = Change(others[1].at, "a.c", 0, ON, command("1", "p"), 50)
    assert Log(changes=[one, stay, car]).duplicate_effective() == []


def test_a_world_judges_the_same_whatever_the_order_in_which_cars_are_asked() -> None:
    def run(order: int) -> tuple[list[Change], dict[tuple[str, int], float]]:
        world = World(commuters(20, START, 2, seed=7), lambda: START, seed=7)
        for hour in range(0, 60, 3):
            for truth in list(world.cars.values())[::order]:
                truth.command(Action.STOP if hour % 2 else Action.START, START + timedelta(hours=hour), COMMAND)
        world.settle(START + timedelta(hours=60))
        return sorted(world.log.changes, key=lambda change: (change.car, change.at)), world.log.energy_by_stay()

    assert run(1) == run(-1)


def test_a_world_that_begins_in_the_night_has_lived_the_evening() -> None:
    stays = [Stay(PLUG_IN, PLUG_OUT, 40)]
    now = PLUG_IN + 60 * MINUTE
    world = World([SimCar(account="a", vehicle="b", stays=stays)], lambda: now)
    assert world.cars["a.b"].sample(now).mode is Mode.CHARGING
    assert world.soc_at("a.b", now) == pytest.approx(40 + 7.4 * 0.9 / 60 * 100)


def test_two_cars_of_one_key_are_refused() -> None:
    with pytest.raises(ValueError, match="unique"):
        World([*commuters(1, START, 1, 1), *commuters(1, START, 1, 1)], lambda: START)
