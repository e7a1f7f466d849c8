"""A night to settle, for tests: readings of one stay, and schedules as planning would have made them."""

from typing import Any

from streams.contracts.forecast import Forecast, ForecastKind, Slot
from streams.contracts.schedule import Block, PlanInputs, PlanReason, Schedule
from streams.contracts.session import SessionSettled
from streams.contracts.telemetry import Charge
from streams.contracts.vehicle import VehicleState
from streams.domain.meter import OpenSession, meter
from streams.domain.settle import settle
from streams.domain.told import Told, hear, told_of
from tests.night import CAR, TWO_RATES, after, forecast, registration, session, state

PRICE = forecast(TWO_RATES)
CARBON = forecast([200.0] * 13 + [100.0] * 35, ForecastKind.CARBON)
ENDED = 800
READY_BY = after(780)


def schedule(revision: int = 1, at: float = 0, **changes: Any) -> Schedule:
    """20 kWh from half past midnight on, for 80 % at seven, decided so many minutes after plug-in."""
    inputs: dict[str, Any] = {
        "now": after(at), "price_issued_at": PRICE.issued_at, "carbon_issued_at": CARBON.issued_at,
        "carbon_price_per_tonne": 0.0, **changes.pop("inputs", {}),
    }  # fmt: skip
    facts: dict[str, Any] = {
        "car": CAR, "session_id": "s1", "revision": revision, "energy_kwh": 20, "cost": 2, "currency": "GBP",
        "blocks": (Block(start=after(390), end=after(557), energy_kwh=20),), "carbon_g": 2000, "objective": 2,
        "reachable": True, "shortfall_kwh": 0, "target_soc_pct": 80, "expected_soc_pct": 80, "ready_by": READY_BY,
        "reason": PlanReason.CHEAPEST, "sentence": "", "inputs": PlanInputs(**inputs),
    }  # fmt: skip
    return Schedule(**(facts | changes))


def night(
    start: float = 390, power_kw: float = 7.2, ended: float = ENDED, until_pct: float = 80, revision: int = 1
) -> list[VehicleState]:
    """Readings every five minutes: waits, charges from `start` on, is unplugged at `ended`."""
    readings, soc = [], 50.0
    for minutes in range(0, int(ended) + 1, 5):
        on = minutes >= start and soc < until_pct
        charge = Charge.CHARGING if on else Charge.IDLE
        end = after(ended) if minutes == ended else None
        readings.append(
            state(minutes, soc_pct=int(soc), charge=charge, session=session(ended_at=end, revision=revision))
        )
        soc = min(until_pct, soc + (power_kw * 0.9 / 60 * 100 * 5 / 60 if on else 0))
    return readings


def metered(readings: list[VehicleState], **enrolled: Any) -> OpenSession:
    """The session after all readings."""
    opened = meter(None, readings[0], registration(**enrolled))
    for reading in readings[1:]:
        opened = meter(opened, reading, registration(**enrolled))
    return opened


def told(*schedules: Schedule) -> Told | None:
    """What was told about the session by then."""
    known: tuple[Told, ...] = ()
    for message in schedules:
        known = hear(known, message)
    return told_of(known, "s1")


def account(
    readings: list[VehicleState] | None = None, price: Forecast | None = PRICE, carbon: Forecast | None = CARBON
) -> SessionSettled:
    """The account of a night on the one plan."""
    opened = metered(readings or night())
    return settle(opened, told(schedule()), price, carbon, opened.session.ended_at or after(ENDED))


def vintage(
    values: dict[float, float], kind: ForecastKind = ForecastKind.PRICE, issued: float = ENDED + 60, hours: float = 0.5
) -> Forecast:
    """A later word on some slots, by minutes after plug-in."""
    at = sorted(values)
    slots = [(after(minutes), after(minutes + 60 * hours), values[minutes]) for minutes in at]
    return Forecast(
        kind=kind,
        key="two-rates" if kind is ForecastKind.PRICE else "GB",
        unit="GBP/kWh" if kind is ForecastKind.PRICE else "gCO2/kWh",
        issued_at=after(issued),
        source="test",
        known_until=slots[-1][1],
        slots=tuple(Slot(start=start, end=end, value=value) for start, end, value in slots),
    )
