"""What is remembered: every table as data. One stage writes a table; it is partitioned like the cars it is about."""

from __future__ import annotations

from typing import Any

from streams import hot
from streams.contracts.forecast import Forecast
from streams.domain.planning import PlanningState
from streams.domain.reconcile import ControlState
from tables.rows import (
    AccountRow,
    AnnouncedRow,
    InFlightRow,
    NotifiedRow,
    OutboxRow,
    PollRow,
    SettledRow,
    SettlingRow,
    StatusRow,
    VintageRow,
)
from tables.table import Table, model_table

ACCOUNTS = model_table("accounts", AccountRow, "accounts", "Custody of OEM grants, by account.", key="account")
POLLS = model_table("polls", PollRow, "polling", "Which cars are read.")
VEHICLES: Table[hot.VehicleRow] = Table(
    "vehicle-state",
    hot.VehicleRow,
    "vehicle_state",
    "Folded state per car: the newest word on every field.",
    hot.encode_vehicle,
    hot.decode_vehicle,
)
ANNOUNCED = model_table("announced-sessions", AnnouncedRow, "plug_events", "The plug session as last announced.")
VINTAGES = model_table(
    "vintages", VintageRow, "forecasts", "The newest vintage of every curve.", key="curve", personal=False
)
PLANS = model_table("plans", PlanningState, "planning", "What planning knows of a car, and its plan in force.")
CURVES = model_table("curves", Forecast, "planning", "Price and carbon curves to plan on.", key="curve", personal=False)
CONTROL = model_table("control", ControlState, "dispatch", "Desired and observed state, command in flight, attempts.")
OUTBOX = model_table("outbox", OutboxRow, "commands", "The last command of a car and how far its sending has come.")
IN_FLIGHT = model_table("in-flight", InFlightRow, "confirmation", "Commands that await proof.")
SETTLING = model_table("settling", SettlingRow, "settlement", "Open sessions, metered from telemetry.")
SETTLED = model_table("settled", SettledRow, "settlement", "Settled sessions that may still be corrected.")
SETTLEMENT_CURVES = model_table(
    "settlement-curves", Forecast, "settlement", "Price and carbon curves to settle on.", key="curve", personal=False
)
STATUSES = model_table("driver-status", StatusRow, "driver_status", "What the driver's read model is made of.")
NOTIFIED = model_table("notified", NotifiedRow, "notifications", "What every driver was already told.")

TABLES: tuple[Table[Any], ...] = (
    ACCOUNTS,
    POLLS,
    VEHICLES,
    ANNOUNCED,
    VINTAGES,
    PLANS,
    CURVES,
    CONTROL,
    OUTBOX,
    IN_FLIGHT,
    SETTLING,
    SETTLED,
    SETTLEMENT_CURVES,
    STATUSES,
    NOTIFIED,
)
