"""Enode's words: vehicles whose members may all be null, actions with a state of their own, problems as errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deploy.fakes.maker import numbered
from deploy.fakes.moods import car_time, range_km, shown
from oem_connectors.simulator.cloud.car import SimCar
from oem_connectors.simulator.cloud.states import Mode, Sample
from streams.contracts.command import Action

_STATES = {
    Mode.AWAY: "UNPLUGGED",
    Mode.IDLE: "PLUGGED_IN:STOPPED",
    Mode.WAITING: "PLUGGED_IN:STOPPED",
    Mode.STARTING: "PLUGGED_IN:INITIALIZING",
    Mode.CHARGING: "PLUGGED_IN:CHARGING",
    Mode.FULL: "PLUGGED_IN:COMPLETE",
}
PENDING, CONFIRMED, FAILED, CANCELLED = "PENDING", "CONFIRMED", "FAILED", "CANCELLED"


def vehicle_of(car: SimCar) -> str:
    """Enode's id of a car."""
    return numbered(car, "", 36).lower()


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
    at = iso(car_time(car, sample))
    able = {"isCapable": True, "interventionIds": []}
    unable = {"isCapable": False, "interventionIds": []}
    return {
        "id": vehicle_of(car),
        "userId": user,
        "vendor": "TESLA",
        "lastSeen": at,
        "isReachable": reachable,
        "information": {"vin": None, "brand": "Tesla", "model": car.model, "year": 2024, "displayName": None},
        "chargeState": _charge_state(car, sample, number) | {"lastUpdated": at},
        "smartChargingPolicy": {"isEnabled": False, "deadline": None, "minimumChargeLimit": 20},
        "location": {"id": None, "longitude": place[1], "latitude": place[0], "lastUpdated": at},
        "odometer": {"distance": round(sample.odometer_km, 1), "lastUpdated": at},
        "capabilities": dict.fromkeys(
            ("information", "chargeState", "location", "odometer", "startCharging", "stopCharging"), able
        )
        | {"setMaxCurrent": unable, "smartCharging": unable},
        "scopes": ["vehicle:read:data", "vehicle:read:location", "vehicle:control:charging"],
    }


def _charge_state(car: SimCar, sample: Sample, number: int) -> dict[str, Any]:
    mode = shown(car, sample, number)
    charging = mode is Mode.CHARGING
    return {
        "batteryLevel": int(sample.soc_pct),
        "range": range_km(car, sample),
        "isPluggedIn": None if mode is None else mode is not Mode.AWAY,
        "isCharging": None if mode is None else charging,
        "isFullyCharged": None if mode is None else mode is Mode.FULL,
        "batteryCapacity": car.battery.usable_kwh,
        "chargeLimit": None if sample.limit_pct == 100 else int(sample.limit_pct),
        "chargeRate": round(sample.power_kw, 2) if charging else None,
        "chargeTimeRemaining": None,
        "maxCurrent": None,
        "pluggedInChargerId": None,
        "powerDeliveryState": "UNKNOWN" if mode is None else _STATES[mode],
    }


def iso(at: datetime) -> str:
    """As Enode writes times."""
    return at.isoformat().replace("+00:00", "Z")
