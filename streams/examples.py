"""One example record per published topic: a car that plugs in on a Saturday evening and is full on Sunday morning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time
from typing import Any

from streams.contracts.account import AccountState, Link
from streams.contracts.base import Contract
from streams.contracts.capacity import AdderSlot, CapSlot, RegionAdder, RegionCap
from streams.contracts.command import Action, CommandEvent, CommandPhase
from streams.contracts.dead_letter import DeadLetter
from streams.contracts.driver_status import DriverStatus, StatusReason
from streams.contracts.forecast import Forecast, ForecastKind, Slot
from streams.contracts.held import HeldCar
from streams.contracts.lead import LeadTime
from streams.contracts.notification import NotificationEvent, NotificationKind, NotificationPhase
from streams.contracts.plug_event import PlugEvent, PlugEventKind
from streams.contracts.preference import Preference
from streams.contracts.registration import Registration
from streams.contracts.schedule import Block, PlanInputs, PlanReason, Schedule
from streams.contracts.session import Amounts, Promise, SessionSettled, SettledSlot
from streams.contracts.telemetry import Charge, Plug, Telemetry
from streams.contracts.vehicle import Evidence, PlugSession, VehicleState
from streams.topics import (
    ACCOUNT,
    ADDER,
    CAP,
    CARBON,
    COMMAND,
    DEAD_LETTER,
    HELD,
    LEAD,
    NOTIFICATION,
    PLUG,
    PREFERENCE,
    PRICE,
    REGISTRATION,
    SCHEDULE,
    SESSION,
    STATUS,
    TELEMETRY,
    VEHICLE,
)

CAR = "acct7.car1"
_STAY = "5f0c2d9a"


def examples() -> Mapping[str, Contract]:
    """An example by topic name, for every published topic."""
    return {**dict(_inputs()), **dict(_readings()), **dict(_plan()), **dict(_capacity()), **dict(_results())}


def _at(hour: int, minute: int = 0, *, day: int = 25) -> datetime:
    return datetime(2023, 3, day, hour, minute, tzinfo=UTC)


def _inputs() -> Iterator[tuple[str, Contract]]:
    yield REGISTRATION.name, Registration(
        car=CAR, driver="driver7", oem="simulator", vehicle="car1", model="Compact 58", usable_kwh=58, power_kw=7.4,
        home_zone="Europe/London", region="GB", tariff="gb-day-ahead", registered_at=_at(9, day=1),
    )  # fmt: skip
    yield (
        PREFERENCE.name,
        Preference(
            car=CAR, ready_by=time(7), ready_by_days={"sun": time(9)}, target_soc_pct=80, updated_at=_at(9, day=1)
        ),
    )
    yield (
        ACCOUNT.name,
        AccountState(
            account="acct7", oem="simulator", link=Link.LINKED, reason="linked by the driver", since=_at(9, day=1)
        ),
    )


def _readings() -> Iterator[tuple[str, Contract]]:
    reading: dict[str, Any] = {
        "car": CAR, "oem": "simulator", "soc_pct": 55, "limit_pct": 80, "plug": Plug.PLUGGED, "charge": Charge.IDLE,
        "power_kw": 0, "odometer_km": 21480, "at_home": True, "car_time": _at(18, 2), "received_time": _at(18, 4),
    }  # fmt: skip
    stay = PlugSession(
        id=_STAY, plugged_at=_at(18, 2), seen_at=_at(18, 4), revision=1, evidence=Evidence.PLUG_READING, soc_pct=55
    )
    yield TELEMETRY.name, Telemetry(**reading, range_km=210, oem_time=_at(18, 3))
    yield VEHICLE.name, VehicleState(**reading, soc_time=_at(18, 2), session=stay)
    yield PLUG.name, PlugEvent(
        id=f"{CAR}-{_STAY}-in-1", car=CAR, kind=PlugEventKind.PLUGGED_IN, session_id=_STAY, session_revision=1,
        at=_at(18, 2), observed_at=_at(18, 4), evidence=Evidence.PLUG_READING, confidence=0.95, soc_pct=55,
        at_home=True,
    )  # fmt: skip


def _plan() -> Iterator[tuple[str, Contract]]:
    curve: dict[str, Any] = {"issued_at": _at(12), "known_until": _at(23, day=26)}
    slot = {"start": _at(2, day=26), "end": _at(2, 30, day=26)}
    yield PRICE.name, Forecast(
        kind=ForecastKind.PRICE, key="gb-day-ahead", unit="GBP/kWh", source="day-ahead auction",
        slots=(Slot(**slot, value=0.071),), **curve,
    )  # fmt: skip
    yield CARBON.name, Forecast(
        kind=ForecastKind.CARBON, key="GB", unit="gCO2/kWh", source="grid operator",
        slots=(Slot(**slot, value=94),), **curve,
    )  # fmt: skip
    inputs = PlanInputs(
        now=_at(18, 4), soc_pct=55, soc_time=_at(18, 2), price_issued_at=_at(12), carbon_issued_at=_at(12),
        preference_updated_at=_at(9, day=1),
    )  # fmt: skip
    block = Block(start=_at(2, day=26), end=_at(4, 11, day=26), energy_kwh=16.11)
    yield SCHEDULE.name, Schedule(
        car=CAR, session_id=_STAY, revision=1, blocks=(block,), energy_kwh=16.11, cost=1.14, currency="GBP",
        carbon_g=1514, objective=1.22, reachable=True, shortfall_kwh=0, target_soc_pct=80, expected_soc_pct=80,
        ready_by=_at(8, day=26), ready_at=_at(4, 11, day=26), known_until=_at(23, day=26), reason=PlanReason.CHEAPEST,
        sentence="Charging starts about 03:00, ready by 05:15.", inputs=inputs,
    )  # fmt: skip


def _capacity() -> Iterator[tuple[str, Contract]]:
    slot = {"start": _at(2, day=26), "end": _at(2, 30, day=26)}
    yield CAP.name, RegionCap(region="GB", issued_at=_at(15), slots=(CapSlot(**slot, cap_kw=52_000),))
    yield ADDER.name, RegionAdder(
        region="GB", currency="GBP", issued_at=_at(18, 5), cars=31_400, gap_pct=0.41, over_kwh=0,
        slots=(AdderSlot(**slot, adder=0.0184, cap_kw=52_000, load_kw=51_300, uncapped_kw=88_100),),
    )  # fmt: skip


def _results() -> Iterator[tuple[str, Contract]]:
    yield COMMAND.name, CommandEvent(
        id="c1b7e0", car=CAR, session_id=_STAY, plan_revision=1, action=Action.START, phase=CommandPhase.CONFIRMED,
        at=_at(2, 3, day=26), decided_at=_at(2, day=26), not_after=_at(2, 10, day=26), reason="the plan says charge",
    )  # fmt: skip
    yield HELD.name, HeldCar(
        car=CAR, oem="simulator", vehicle="car1", model="Compact 58", session_id=_STAY, since=_at(18, 5),
        lease_until=_at(18, 25), last_safe_start=_at(4, 30, day=26), backstop_at=_at(4, 15, day=26),
    )  # fmt: skip
    yield LEAD.name, LeadTime(
        oem="simulator", model="Compact 58", action=Action.START, partition=0, samples=214, median_seconds=24,
        p90_seconds=41, at=_at(18, 5),
    )  # fmt: skip
    hours = ((2, 3, 7.4, 0.071), (3, 4, 7.4, 0.07), (4, 5, 1.3, 0.0743))
    yield SESSION.name, SessionSettled(
        id=f"{CAR}-{_STAY}-1", car=CAR, session_id=_STAY, revision=1, session_revision=1, plugged_at=_at(18, 2),
        ended_at=_at(8, 5, day=26), settled_at=_at(8, 7, day=26), energy_kwh=16.1, power_kw=7.4, start_soc_pct=55,
        end_soc_pct=80, currency="GBP", cost=Amounts(managed=1.14, unmanaged=3.02, timer=1.31, oracle=1.12),
        carbon_g=Amounts(managed=1513.4, unmanaged=2890, timer=1702, oracle=1490), saving=1.88, carbon_saved_g=1376.6,
        carbon_believed_g=1487.6, price_issued_at=_at(12), carbon_issued_at=_at(8, day=26),
        slots=tuple(
            SettledSlot(start=_at(a, day=26), end=_at(b, day=26), energy_kwh=kwh, price=price, carbon_g_per_kwh=94)
            for a, b, kwh, price in hours
        ),
        promise=Promise.MET, reason="target_reached",
    )  # fmt: skip
    yield STATUS.name, DriverStatus(
        car=CAR, driver="driver7", reason=StatusReason.WAITING_FOR_CHEAP, plug=Plug.PLUGGED, charge=Charge.IDLE,
        sentence="Plugged in; charging starts about 03:00.", soc_pct=55, soc_time=_at(18, 2), at_home=True,
        session_id=_STAY, plan_revision=1, next_start=_at(2, day=26), ready_at=_at(4, 11, day=26),
        ready_by=_at(8, day=26), target_soc_pct=80, expected_soc_pct=80, home_zone="Europe/London", version="9a41",
        at=_at(18, 4),
    )  # fmt: skip
    yield NOTIFICATION.name, NotificationEvent(
        id="n77d0a", car=CAR, driver="driver7", session_id=_STAY, kind=NotificationKind.PLUGGED_IN,
        phase=NotificationPhase.SENT, title="Plugged in", body="Charging starts about 03:00.", at=_at(18, 5),
    )  # fmt: skip
    yield DEAD_LETTER.name, DeadLetter(
        stage="vehicle_state", topic=TELEMETRY.name, partition=0, offset=4711, cause="soc_pct: not a number",
        sealed_key="c2VhbGVkIGtleQ==", sealed_value="c2VhbGVkIHZhbHVl", at=_at(18, 4),
    )  # fmt: skip
