"""Every odd car through a night, cheap or flat: the promise is kept or the driver knows in time, and nobody duels."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest

from oem_connectors.simulator.cloud.car import Personality, SimCar, Stay
from oem_connectors.simulator.cloud.log import What
from streams.contracts.command import Action
from streams.contracts.preference import Preference
from tests.loop import Loop, prices

HOUR = timedelta(hours=1)
BORN = datetime(2025, 1, 6, 16, tzinfo=UTC)
PLUG_IN, READY_BY = BORN + 2 * HOUR, BORN + 15 * HOUR
TARGET_PCT, ROUNDING_PCT = 80, 1
CHEAP = [0.1 if (16 + hour) % 24 in {1, 2, 3, 4} else 0.3 for hour in range(40)]
FLAT = [0.3] * 40
NIGHTS = {"cheap": CHEAP, "flat": FLAT}
MODELS = ("sim-one", "sim-one-basic", "readonly")


@dataclass(frozen=True)
class Fate:
    """What a cheap night makes of a car. A flat one leaves it charging from the plug-in."""

    kept: bool = True
    told: bool = False
    #: Effective stops and starts of ours, at most.
    stops: int = 2
    starts: int = 1
    #: It saves money: most of the energy is taken while it is cheap.
    saves: bool = True


USUAL = Fate()
FATES = {
    Personality.IGNORES_STOP: Fate(told=True, stops=0, starts=0, saves=False),
    Personality.CANNOT_RESUME: Fate(kept=False, told=True, stops=1, starts=0, saves=False),
    Personality.RANDOM_START: Fate(starts=2, saves=False),
    Personality.DRIVER_TIMER: Fate(stops=1, starts=1, saves=False),
    Personality.APP_FIGHTER: Fate(stops=2, starts=2, saves=False),
    Personality.ACCEPTS_THEN_FAILS: Fate(kept=False, told=True, stops=1, starts=4, saves=False),
}


@cache
def lived(personality: Personality, night: str, model: str = "sim-one") -> Loop:
    """The night, from two hours before the plug-in to an hour after ready-by."""
    stay = Stay(PLUG_IN, READY_BY + HOUR, 40)
    car = SimCar(account="a", vehicle="b", model=model, personality=personality, stays=[stay])
    loop = Loop(car, Preference(car=car.key, target_soc_pct=TARGET_PCT, updated_at=BORN), BORN)
    loop.vintage(prices(BORN, NIGHTS[night]))
    loop.run(READY_BY + HOUR)
    return loop


def missing_pct(loop: Loop) -> float:
    return TARGET_PCT - loop.cloud.truth.soc_at(READY_BY)


def last_safe_start(loop: Loop) -> datetime:
    """When charging without a break from what the car had at midnight would just do."""
    battery = loop.cloud.car.battery
    soc_pct = min(loop.cloud.truth.soc_at(BORN + 8 * HOUR), TARGET_PCT)
    return READY_BY - battery.hours(soc_pct, TARGET_PCT) * HOUR


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("night", NIGHTS)
@pytest.mark.parametrize("personality", Personality)
def test_the_promise_is_kept_or_the_driver_is_told_in_time(personality: Personality, night: str, model: str) -> None:
    loop = lived(personality, night, model)
    if missing_pct(loop) > ROUNDING_PCT:
        assert min(loop.told()) <= last_safe_start(loop), loop.story()


@pytest.mark.parametrize("personality", Personality)
def test_what_a_cheap_night_makes_of_a_car(personality: Personality) -> None:
    loop, fate = lived(personality, "cheap"), FATES.get(personality, USUAL)
    done = [change.what for change in loop.effective()]
    assert (missing_pct(loop) <= ROUNDING_PCT) is fate.kept, loop.story()
    assert bool(list(loop.told())) is fate.told, loop.story()
    assert done.count(What.STOPPED) <= fate.stops, loop.story()
    assert done.count(What.STARTED) <= fate.starts, loop.story()
    assert (cheap_share(loop) > 0.75) is fate.saves, f"{cheap_share(loop)}\n{loop.story()}"


@pytest.mark.parametrize("night", NIGHTS)
@pytest.mark.parametrize("personality", Personality)
def test_no_budget_is_overdrawn_and_nothing_happens_twice(personality: Personality, night: str) -> None:
    loop = lived(personality, night)
    sent = [command.action for command in loop.decisions]
    assert sent.count(Action.STOP) <= loop.policy.max_stops
    assert sent.count(Action.WAKE) <= loop.policy.max_wakes
    assert loop.cloud.log.duplicate_effective() == []
    assert loop.cloud.refused == 0


@pytest.mark.parametrize("model", MODELS)
def test_a_car_is_asked_only_for_what_its_model_takes(model: str) -> None:
    loop = lived(Personality.NORMAL, "cheap", model)
    assert {command.action for command in loop.decisions} <= loop.can
    assert (Action.SCHEDULE in {command.action for command in loop.decisions}) is (model == "sim-one")


def cheap_share(loop: Loop) -> float:
    metered = loop.cloud.log.metered
    cheap_kwh = sum(piece.energy_kwh for piece in metered if 1 <= piece.start.hour < 5)
    return cheap_kwh / sum(piece.energy_kwh for piece in metered)
