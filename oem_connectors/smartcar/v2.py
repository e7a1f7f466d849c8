"""Answers of API v2, which old recordings hold: one small object per question, or a batch of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from oem_connectors.fields import Raw, flag, instant, number, objects, text, word
from oem_connectors.smartcar.signals import CHARGES, KM_PER_MILE
from streams.contracts.telemetry import Charge, Plug

Part = Callable[[Raw, float | None], Mapping[str, Any]]
#: Kilometres in the unit of distance; metric where none is named.
UNITS: Mapping[str | None, float] = {None: 1.0, "metric": 1.0, "imperial": KM_PER_MILE}


def charge(raw: Raw, _km: float | None = 1) -> Mapping[str, Any]:
    """GET /charge."""
    plugged = flag(raw, "isPluggedIn")
    return {
        "plug": Plug.UNKNOWN if plugged is None else Plug.PLUGGED if plugged else Plug.UNPLUGGED,
        "charge": word(raw, CHARGES, Charge.UNKNOWN, "state"),
    }


def battery(raw: Raw, km: float | None = 1) -> Mapping[str, Any]:
    """GET /battery: a share from 0 to 1; `km` is the unit of distance, None where it is not known."""
    return {"soc_pct": _times(number(raw, "percentRemaining"), 100), "range_km": _times(number(raw, "range"), km)}


def limit(raw: Raw, _km: float | None = 1) -> Mapping[str, Any]:
    """GET /charge/limit: a share from 0 to 1."""
    return {"limit_pct": _times(number(raw, "limit"), 100)}


def odometer(raw: Raw, km: float | None = 1) -> Mapping[str, Any]:
    """GET /odometer."""
    return {"odometer_km": _times(number(raw, "distance"), km)}


PARTS: Mapping[str, Part] = {"/charge": charge, "/battery": battery, "/charge/limit": limit, "/odometer": odometer}


def batch(raw: Raw) -> Mapping[str, Any]:
    """POST /batch: each part has its own code and units; the time is that of the charge state, else of any."""
    said: dict[str, Any] = {}
    ages = {}
    for one in objects(raw, "responses"):
        path = text(one, "path") or ""
        if path in PARTS and number(one, "code") == 200:
            body, km = one.get("body"), UNITS.get(text(one, "headers", "sc-unit-system"))
            said |= PARTS[path](body if isinstance(body, Mapping) else {}, km)
            ages[path] = instant(one, "headers", "sc-data-age")
    known = [ages[path] for path in PARTS if ages.get(path) is not None]
    return {**said, "car_time": known[0] if known else None}


def _times(value: float | None, factor: float | None) -> float | None:
    """Rounded only by what multiplying adds: 0.57 is 57 %."""
    return None if value is None or factor is None else round(value * factor, 9)
