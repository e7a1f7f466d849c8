"""One car, one night, for tests of the rules: a 60 kWh car on 7.2 kW in London, plugged in at 18:00 local."""

from datetime import UTC, datetime, timedelta
from typing import Any

from streams.contracts.forecast import Forecast, ForecastKind, Slot
from streams.contracts.preference import Preference
from streams.contracts.registration import Registration
from streams.contracts.telemetry import Charge, Plug
from streams.contracts.vehicle import Evidence, PlugSession, VehicleState

CAR = "acct.car"
PLUGGED = datetime(2023, 5, 14, 17, tzinfo=UTC)
#: From 18:00 local on: dear until 00:30, cheap until 04:30, middling afterwards.
TWO_RATES = [0.30] * 13 + [0.10] * 8 + [0.20] * 27


def after(minutes: float) -> datetime:
    return PLUGGED + timedelta(minutes=minutes)


def registration(**changes: Any) -> Registration:
    facts: dict[str, Any] = {
        "car": CAR, "driver": "driver-1", "oem": "simulator", "vehicle": "v1", "model": "Test",
        "usable_kwh": 60, "power_kw": 7.2, "efficiency": 0.9, "home_zone": "Europe/London", "region": "GB",
        "tariff": "two-rates", "registered_at": PLUGGED - timedelta(days=9),
    }  # fmt: skip
    return Registration(**(facts | changes))


def preference(**changes: Any) -> Preference:
    return Preference(**({"car": CAR, "updated_at": PLUGGED - timedelta(days=1)} | changes))


def session(session_id: str = "s1", **changes: Any) -> PlugSession:
    facts: dict[str, Any] = {
        "id": session_id, "plugged_at": PLUGGED, "seen_at": PLUGGED, "revision": 1,
        "evidence": Evidence.PLUG_READING,
    }  # fmt: skip
    return PlugSession(**(facts | changes))


def state(minutes: float = 0, **changes: Any) -> VehicleState:
    """A reading so many minutes after plug-in: 50 %, plugged in at home, idle."""
    at = after(minutes)
    facts: dict[str, Any] = {
        "car": CAR, "oem": "simulator", "soc_pct": 50, "soc_time": at, "at_home": True, "plug": Plug.PLUGGED,
        "charge": Charge.IDLE, "car_time": at, "received_time": at, "session": session(),
    }  # fmt: skip
    return VehicleState(**(facts | changes))


def forecast(
    values: list[float],
    kind: ForecastKind = ForecastKind.PRICE,
    start: datetime = PLUGGED,
    step_minutes: int = 30,
) -> Forecast:
    step = timedelta(minutes=step_minutes)
    return Forecast(
        kind=kind,
        key="two-rates",
        unit="GBP/kWh" if kind is ForecastKind.PRICE else "gCO2/kWh",
        issued_at=PLUGGED - timedelta(hours=1),
        source="test",
        known_until=start + len(values) * step,
        slots=tuple(Slot(start=start + i * step, end=start + (i + 1) * step, value=v) for i, v in enumerate(values)),
    )
