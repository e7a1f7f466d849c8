"""Signals of API v3: an answer mixes those that came and those that did not, each with a time of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from oem_connectors.fields import Raw, epoch, flag, instant, number, objects, text, word
from streams.contracts.telemetry import Charge, Plug

KM_PER_MILE = 1.609344
DISTANCES = {"km": 1.0, "kilometers": 1.0, "mi": KM_PER_MILE, "miles": KM_PER_MILE}
POWERS = {"watts": 0.001, "w": 0.001, "kilowatts": 1.0, "kw": 1.0}
PERCENTS = {"percent": 1.0}
CHARGES = {"CHARGING": Charge.CHARGING, "FULLY_CHARGED": Charge.COMPLETE, "NOT_CHARGING": Charge.IDLE}
WORD, BIT, CABLE = "charge-detailedchargingstatus", "charge-ischarging", "charge-ischargingcableconnected"
SOC, RANGE, ODOMETER = "tractionbattery-stateofcharge", "tractionbattery-range", "odometer-traveleddistance"
LIMITS, LIMIT, WATTS, PLACE = "charge-chargelimits", "charge-activelimit", "charge-wattage", "location-preciselocation"


class Signals(NamedTuple):
    """What came, by code: its body, and when the car and the cloud had it."""

    bodies: Mapping[str, Any]
    times: Mapping[str, tuple[datetime | None, datetime | None]]


def state(raw: Raw) -> Mapping[str, Any]:
    """An answer of the signals endpoint, all of a car or one, or a delivery."""
    found = signals(raw)
    bodies = found.bodies
    plugged = flag(bodies, CABLE, "value")
    car_time, oem_time = _times(found)
    return {
        "soc_pct": _measured(bodies, SOC, PERCENTS, usual="percent"),
        "limit_pct": _limit(bodies),
        "plug": Plug.UNKNOWN if plugged is None else Plug.PLUGGED if plugged else Plug.UNPLUGGED,
        "charge": _charge(found),
        "power_kw": _measured(bodies, WATTS, POWERS),
        "range_km": _measured(bodies, RANGE, DISTANCES),
        "odometer_km": _measured(bodies, ODOMETER, DISTANCES),
        "car_time": car_time,
        "oem_time": oem_time,
    }


def place(raw: Raw) -> tuple[float, float] | None:
    """Where the car is, or was parked last."""
    bodies = signals(raw).bodies
    latitude, longitude = number(bodies, PLACE, "latitude"), number(bodies, PLACE, "longitude")
    return None if latitude is None or longitude is None else (latitude, longitude)


def signals(raw: Raw) -> Signals:
    """The signals that came. One that failed has no body worth reading."""
    bodies, times = {}, {}
    for one in _listed(raw):
        said = one.get("attributes", one)
        code = text({"attributes": said}, "attributes", "code")
        if code is None or text(said, "status", "value") not in {None, "SUCCESS"}:
            continue
        bodies[code] = said.get("body")
        times[code] = _time(one, "oemUpdatedAt"), _time(one, "retrievedAt")
    return Signals(bodies, times)


def _listed(raw: Raw) -> Sequence[Raw]:
    data = raw if "attributes" in raw else raw.get("data")
    if isinstance(data, Mapping) and "attributes" in data:
        return (data,)
    if isinstance(data, Mapping):
        return objects(raw, "data", "signals")
    return objects(raw, "data")


def _time(signal: Raw, name: str) -> datetime | None:
    """The API's specification has ISO 8601, its recorded answers have milliseconds."""
    meta = signal.get("meta")
    if isinstance(meta, Mapping) and isinstance(meta.get(name), str):
        return instant(signal, "meta", name)
    return epoch(signal, "meta", name, per_second=1000)


def _times(found: Signals) -> tuple[datetime | None, datetime | None]:
    """One pair for the whole reading: of the newest word on charging and cable, else on the battery, else of any.

    A command is confirmed by a charge word younger than itself: no other signal may make an old word look young.
    """
    for codes in ({WORD, BIT, CABLE}, {SOC}, set(found.times)):
        known = [(car, oem) for code in codes if code in found.times for car, oem in [found.times[code]] if car]
        if known:
            return max(known, key=lambda pair: pair[0])
    return None, None


def _charge(found: Signals) -> Charge:
    """The word; the bit where there is no word, or where the bit is newer."""
    charging = flag(found.bodies, BIT, "value")
    by_bit = None if charging is None else Charge.CHARGING if charging else Charge.IDLE
    if text(found.bodies, WORD, "value") is None:
        return by_bit or Charge.UNKNOWN
    word_at, bit_at = (found.times.get(code, (None, None))[0] for code in (WORD, BIT))
    if by_bit is not None and word_at is not None and bit_at is not None and bit_at > word_at:
        return by_bit
    return word(found.bodies, CHARGES, Charge.UNKNOWN, WORD, "value")


def _limit(bodies: Raw) -> float | None:
    """The limit in force; where the car names none, the one that holds everywhere."""
    active = _measured(bodies, LIMIT, PERCENTS, usual="percent")
    if active is not None or _factor(bodies, LIMITS, PERCENTS, "percent") is None:
        return active
    chosen = number(bodies, LIMITS, "activeLimit")
    general = [one for one in objects(bodies, LIMITS, "values") if (text(one, "type") or "").upper() == "GLOBAL"]
    return chosen if chosen is not None or not general else number(general[0], "limit")


def _measured(bodies: Raw, code: str, factors: Mapping[str, float], usual: str = "") -> float | None:
    """A value by its unit; None for a unit that we do not know."""
    value, factor = number(bodies, code, "value"), _factor(bodies, code, factors, usual)
    return None if value is None or factor is None else value * factor


def _factor(bodies: Raw, code: str, factors: Mapping[str, float], usual: str) -> float | None:
    unit = text(bodies, code, "unit")
    return factors.get((usual if unit is None else unit).lower())
