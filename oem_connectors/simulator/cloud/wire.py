"""The cloud's own words: a sample as the JSON that the connector has to understand."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from oem_connectors.simulator.cloud.car import Personality, SimCar
from oem_connectors.simulator.cloud.chance import chance
from oem_connectors.simulator.cloud.states import Mode, Sample

_MODES = {
    Mode.AWAY: "IDLE",
    Mode.IDLE: "IDLE",
    Mode.WAITING: "TIMER",
    Mode.STARTING: "PREPARING",
    Mode.CHARGING: "ACTIVE",
    Mode.FULL: "FULL",
}
_KM_PER_KWH = 5.6
_FAST = timedelta(minutes=7)
_FALSE = 0.1


def state(car: SimCar, sample: Sample, synced_at: datetime, number: int) -> bytes:
    """The body of the `number`th answer of the state endpoint. Percents are cut to whole numbers, as cars do."""
    skew = _FAST if car.personality is Personality.CLOCK_SKEW else timedelta(0)
    body = {
        "battery": {
            "percent": int(sample.soc_pct),
            "limit": int(sample.limit_pct),
            "range_km": round(sample.soc_pct / 100 * car.battery.usable_kwh * _KM_PER_KWH),
        },
        "cable": "OUT" if _flickers(car, number) else _cable(car, sample),
        "charger": {"mode": _MODES[sample.mode], "kw": round(sample.power_kw, 2)},
        "timer": None if sample.scheduled_start is None else {"start_at": sample.scheduled_start.isoformat()},
        "odometer_km": int(sample.odometer_km),
        "at_home": sample.at_home,
        "sampled_at": (sample.at + skew).isoformat(),
        "synced_at": synced_at.isoformat(),
    }
    return json.dumps(body).encode()


def _flickers(car: SimCar, number: int) -> bool:
    """A false reading now and then, never two in a row."""
    if car.personality is not Personality.FLICKERING_PLUG or number % 2:
        return False
    return chance(car.key, "flicker", number) < _FALSE


def _cable(car: SimCar, sample: Sample) -> str:
    if car.personality is Personality.AMBIGUOUS_PLUG and sample.mode in {Mode.AWAY, Mode.IDLE, Mode.WAITING, Mode.FULL}:
        return "NOT_READY"
    return "OUT" if sample.mode is Mode.AWAY else "LOCKED"
