"""Enode's words: vehicles whose members may all be null, actions with a state of their own, problems as errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from oem_connectors.simulator.cloud.car import Personality, SimCar
from oem_connectors.simulator.cloud.chance import chance
from oem_connectors.simulator.cloud.states import Mode, Sample
from streams.contracts.command import Action

_KM_PER_KWH = 5.6
_FAST = timedelta(minutes=7)
_FALSE = 0.1
_STATES = {
    Mode.AWAY: "UNPLUGGED",
    Mode.IDLE: "PLUGGED_IN:STOPPED",
    Mode.WAITING: "PLUGGED_IN:STOPPED",
    Mode.STARTING: "PLUGGED_IN:INITIALIZING",
    Mode.CHARGING: "PLUGGED_IN:CHARGING",
    Mode.FULL: "PLUGGED_IN:COMPLETE",
}
PENDING, CONFIRMED, FAILED, CANCELLED = "PENDING", "CONFIRMED", "FAILED", "CANCELLED"


@dataclass(slots=True)
class Job:
    """An action: what was asked of a car and what became of it."""

    id: str
    user: str
    vehicle: str
    action: Action
    created_at: datetime
    updated_at: datetime
    state: str = PENDING
    failure: str | None = None

    def end(self, state: str, now: datetime, failure: str | None = None) -> None:
        """It is over; what is over stays as it is."""
        if self.state == PENDING:
            self.state, self.failure, self.updated_at = state, failure, now

    def as_json(self) -> Mapping[str, Any]:
        """An Action object."""
        over = self.state != PENDING
        return {
            "id": self.id,
            "userId": self.user,
            "createdAt": iso(self.created_at),
            "updatedAt": iso(self.updated_at),
            "completedAt": iso(self.updated_at) if over else None,
            "state": self.state,
            "targetId": self.vehicle,
            "targetType": "vehicle",
            "kind": self.action.value.upper(),
            "failureReason": None if self.failure is None else {"type": self.failure, "detail": "See the action."},
        }


def problem(title: str) -> Mapping[str, Any]:
    """An error."""
    return {"type": f"https://developers.enode.com/api/problems/{title}", "title": title, "detail": "See the title."}


def vehicle(
    car: SimCar, user: str, sample: Sample, *, place: tuple[float, float], reachable: bool, number: int
) -> Mapping[str, Any]:
    """The `number`th answer about a car. One that is out of reach is told with what was known last."""
    skew = _FAST if car.personality is Personality.CLOCK_SKEW else timedelta(0)
    at = iso(sample.at + skew)
    able = {"isCapable": True, "interventionIds": []}
    unable = {"isCapable": False, "interventionIds": []}
    return {
        "id": car.vehicle,
        "userId": user,
        "vendor": "TESLA",
        "lastSeen": at,
        "isReachable": reachable,
        "information": {"vin": None, "brand": "Tesla", "model": car.model, "year": 2024, "displayName": None},
        "chargeState": _charge_state(car, sample, number) | {"lastUpdated": at},
        "smartChargingPolicy": {"isEnabled": False, "deadline": None, "minimumChargeLimit": None},
        "location": {"id": None, "longitude": place[1], "latitude": place[0], "lastUpdated": at},
        "odometer": {"distance": round(sample.odometer_km, 1), "lastUpdated": at},
        "capabilities": dict.fromkeys(
            ("information", "chargeState", "location", "odometer", "startCharging", "stopCharging"), able
        )
        | {"setMaxCurrent": unable, "smartCharging": unable},
        "scopes": ["vehicle:read:data", "vehicle:read:location", "vehicle:control:charging"],
    }


def _charge_state(car: SimCar, sample: Sample, number: int) -> dict[str, Any]:
    state = "UNPLUGGED" if _flickers(car, number) else _STATES[sample.mode]
    resting = sample.mode in {Mode.AWAY, Mode.IDLE, Mode.WAITING, Mode.FULL}
    silent = car.personality is Personality.AMBIGUOUS_PLUG and resting
    charging = sample.mode is Mode.CHARGING
    return {
        "batteryLevel": int(sample.soc_pct),
        "range": round(sample.soc_pct / 100 * car.battery.usable_kwh * _KM_PER_KWH),
        "isPluggedIn": None if silent else state != "UNPLUGGED",
        "isCharging": None if silent else charging,
        "isFullyCharged": None if silent else sample.mode is Mode.FULL,
        "batteryCapacity": car.battery.usable_kwh,
        "chargeLimit": None if sample.limit_pct == 100 else int(sample.limit_pct),
        "chargeRate": round(sample.power_kw, 2) if charging else None,
        "chargeTimeRemaining": None,
        "maxCurrent": None,
        "pluggedInChargerId": None,
        "powerDeliveryState": "UNKNOWN" if silent else state,
    }


def iso(at: datetime) -> str:
    """As Enode writes times."""
    return at.isoformat().replace("+00:00", "Z")


def _flickers(car: SimCar, number: int) -> bool:
    """A false reading now and then, never two in a row."""
    if car.personality is not Personality.FLICKERING_PLUG or number % 2:
        return False
    return chance(car.key, "flicker", number) < _FALSE
