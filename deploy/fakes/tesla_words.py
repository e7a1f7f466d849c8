"""Tesla's words: a car in miles, refusals by the car with HTTP 200, errors of its cloud and of its signing proxy."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from deploy.fakes import moods
from deploy.fakes.maker import numbered
from oem_connectors.simulator.cloud.car import SimCar
from oem_connectors.simulator.cloud.chance import chance
from oem_connectors.simulator.cloud.states import Mode, Reply, Sample
from streams.contracts.command import Action

KM_PER_MILE = 1.609344
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
STATES = {
    Mode.AWAY: "Disconnected",
    Mode.IDLE: "Stopped",
    Mode.WAITING: "Stopped",
    Mode.STARTING: "Starting",
    Mode.CHARGING: "Charging",
    Mode.FULL: "Complete",
}
UNAVAILABLE = "vehicle unavailable: vehicle is offline or asleep"
#: What the proxy says before a car's own reason.
BY_PROXY = "car could not execute command: "
BUSY = "vehicle busy or finishing wake-up"
LOCKED = "timed out waiting for another command to this vehicle to finish"
UNPAIRED = "vehicle rejected request: your public key has not been paired with the vehicle"
DONE: Mapping[str, Any] = {"response": {"result": True, "reason": ""}}


def vin(car: SimCar) -> str:
    """Of a Model 3."""
    return numbered(car, "5YJ3E1EA", 17)


def failed(error: str) -> Mapping[str, Any]:
    """The envelope of an error."""
    return {"response": None, "error": error, "error_description": ""}


def refused(reason: str, *, by_proxy: bool) -> Mapping[str, Any]:
    """The car's own refusal, which comes with HTTP 200."""
    said = {"response": {"result": False, "reason": BY_PROXY + reason if by_proxy else reason}}
    return {**said, "error": "", "error_description": ""} if by_proxy else said


def reason(reply: Reply, action: Action, mode: Mode) -> str:
    """Why a car does not do what it is asked to."""
    if reply is Reply.NOT_PLUGGED:
        return "disconnected"
    if action is Action.STOP:
        return "not_charging"
    if action is Action.START:
        return "complete" if mode is Mode.FULL else "is_charging"
    return "already_set"


def listed(car: SimCar, *, asleep: bool) -> Mapping[str, Any]:
    """A car as the list of cars and wake_up tell it. Newer ones call their sleep offline."""
    number = int(chance(car.key, "id") * 1e12)
    resting = "offline" if chance(car.key, "firmware") < 0.5 else "asleep"
    return {
        "id": number,
        "vehicle_id": number % 1_000_000,
        "vin": vin(car),
        "display_name": "My car",
        "access_type": "OWNER",
        "state": resting if asleep else "online",
        "in_service": False,
        "id_s": str(number),
        "api_version": 71,
        "calendar_enabled": True,
        "granular_access": {"hide_private": False},
    }


def vehicle_data(
    car: SimCar, sample: Sample, place: tuple[float, float], number: int, wanted: Collection[str]
) -> Mapping[str, Any]:
    """The `number`th answer about a car that is awake: the wanted parts, and its place if that is wanted too."""
    at = moods.car_time(car, sample)
    stamp = {"timestamp": int(at.timestamp() * 1000)}
    drive: dict[str, Any] = {"shift_state": "P" if sample.mode is Mode.AWAY else None, "speed": None} | stamp
    if "location_data" in wanted:
        drive |= {"latitude": place[0], "longitude": place[1], "gps_as_of": int(at.timestamp())}
    parts = {
        "charge_state": charge_state(car, sample, number) | stamp,
        "drive_state": drive,
        "vehicle_state": {"odometer": round(sample.odometer_km / KM_PER_MILE, 6), "locked": True} | stamp,
    }
    asked = {*wanted, "drive_state"} if "location_data" in wanted else wanted
    return {**listed(car, asleep=False), **{name: part for name, part in parts.items() if name in asked}}


def charge_state(car: SimCar, sample: Sample, number: int) -> dict[str, Any]:
    """Percents and power are whole numbers, distances are miles."""
    level, miles = int(sample.soc_pct), round(moods.range_km(car, sample) / KM_PER_MILE, 2)
    shown = moods.shown(car, sample, number)
    plugged = shown not in {None, Mode.AWAY}
    pending = sample.mode is Mode.WAITING and sample.scheduled_start is not None
    start = sample.scheduled_start
    return {
        "battery_level": level,
        "usable_battery_level": level,
        "charge_limit_soc": int(sample.limit_pct),
        "charge_limit_soc_min": 50,
        "charge_limit_soc_max": 100,
        "charge_limit_soc_std": 80,
        "charging_state": None if shown is None else STATES[shown],
        "conn_charge_cable": "IEC" if plugged else "<invalid>",
        "charge_port_latch": "Engaged" if plugged else "<invalid>",
        "charger_power": round(sample.power_kw),
        "charger_voltage": 230 if sample.mode is Mode.CHARGING else 2,
        "charger_phases": 1 if sample.mode is Mode.CHARGING else None,
        "battery_range": miles,
        "est_battery_range": miles,
        "fast_charger_present": False,
        "fast_charger_type": "<invalid>",
        "scheduled_charging_mode": "StartAt" if pending else "Off",
        "scheduled_charging_pending": pending,
        "scheduled_charging_start_time": int(start.timestamp()) if pending and start is not None else None,
    }


def next_start(body: Mapping[str, Any], zone: str, now: datetime) -> datetime | None:
    """When a charge schedule starts next, by the home's wall clock; None where the body is not a good schedule."""
    minutes = body.get("start_time")
    if not isinstance(minutes, int) or not 0 <= minutes < 24 * 60 or body.get("start_enabled") is not True:
        return None
    if body.get("enabled") is not True or not all(isinstance(body.get(name), int | float) for name in ("lat", "lon")):
        return None
    today = now.astimezone(ZoneInfo(zone)).date()
    clock, days = time(minutes // 60, minutes % 60), str(body.get("days_of_week", "All"))
    dates = (today + timedelta(days=ahead) for ahead in range(9))
    starts = (datetime.combine(on, clock, ZoneInfo(zone)) for on in dates if _runs(days, on))
    return next((start for start in (one.astimezone(UTC) for one in starts) if start > now), None)


def _runs(days: str, on: date) -> bool:
    """Whether a schedule for "All", "Weekdays" or a list of names is for this date."""
    if days == "Weekdays":
        return on.weekday() < 5
    return days == "All" or _DAYS[on.weekday()] in {name.strip()[:3].lower() for name in days.split(",")}
