"""What the cloud of the maker's own app answered, which old recordings hold."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from oem_connectors.bmw.telematics import CHARGES
from oem_connectors.errors import Unreadable
from oem_connectors.fields import Raw, flag, instant, number, word
from streams.contracts.telemetry import Charge, Plug

PLUGS = {True: Plug.PLUGGED, False: Plug.UNPLUGGED, None: Plug.UNKNOWN}
#: Where its data on charging is, which a car without a plug leaves out.
CHARGING = ("state", "electricChargingState")


def state(raw: Raw) -> Mapping[str, Any]:
    """A car's state. The target of its charging profile is no limit: cars without a battery have one of 0."""
    said = raw.get("state")
    if not isinstance(said, Mapping) or not said.get("electricChargingState"):
        raise Unreadable("state.electricChargingState is missing: this car has no battery to charge, or does not tell")
    return {
        "soc_pct": number(raw, *CHARGING, "chargingLevelPercent"),
        "limit_pct": number(raw, *CHARGING, "chargingTarget"),
        "plug": PLUGS[flag(raw, *CHARGING, "isChargerConnected")],
        "charge": word(raw, CHARGES, Charge.UNKNOWN, *CHARGING, "chargingStatus"),
        "range_km": number(raw, *CHARGING, "range"),
        "odometer_km": number(raw, "state", "currentMileage"),
        "car_time": _time(raw, "lastUpdatedAt"),
        "oem_time": _time(raw, "lastFetched"),
    }


def place(raw: Raw) -> tuple[float, float] | None:
    """Where the car is."""
    latitude, longitude = (number(raw, "state", "location", "coordinates", name) for name in ("latitude", "longitude"))
    return None if latitude is None or longitude is None else (latitude, longitude)


def _time(raw: Raw, name: str) -> datetime | None:
    """The year 1 stands for never."""
    at = instant(raw, "state", name)
    return at if at is not None and at.year > 1 else None
