"""How a car's moods show in any maker's words: a fast clock, a plug that flickers, a plug that is not told."""

from __future__ import annotations

from datetime import datetime, timedelta

from oem_connectors.simulator.cloud.car import Personality, SimCar
from oem_connectors.simulator.cloud.chance import chance
from oem_connectors.simulator.cloud.states import Mode, Sample

KM_PER_KWH = 5.6
_FAST = timedelta(minutes=7)
_FALSE = 0.1
_RESTS = frozenset({Mode.AWAY, Mode.IDLE, Mode.WAITING, Mode.FULL})


def car_time(car: SimCar, sample: Sample) -> datetime:
    """When the sample was taken, by the car's own clock."""
    return sample.at + (_FAST if car.personality is Personality.CLOCK_SKEW else timedelta(0))


def shown(car: SimCar, sample: Sample, number: int) -> Mode | None:
    """What the `number`th answer shows; None: nothing that tells a car with a cable from one without.

    A plug that flickers is falsely out now and then, never twice in a row.
    """
    if car.personality is Personality.AMBIGUOUS_PLUG and sample.mode in _RESTS:
        return None
    flickers = car.personality is Personality.FLICKERING_PLUG and number % 2 == 0
    return Mode.AWAY if flickers and chance(car.key, "flicker", number) < _FALSE else sample.mode


def range_km(car: SimCar, sample: Sample) -> int:
    """How far the battery goes."""
    return round(sample.soc_pct / 100 * car.battery.usable_kwh * KM_PER_KWH)
