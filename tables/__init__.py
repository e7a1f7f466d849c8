"""What is remembered: every table as data. One stage writes a table; it is partitioned like the cars it is about."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from streams import hot
from streams.contracts.capacity import RegionDemand
from streams.contracts.forecast import Forecast
from streams.contracts.held import HeldCar
from streams.contracts.lead import LeadTime
from streams.domain.demand import CarNeed
from streams.domain.planning import PlanningState
from streams.domain.reconcile import ControlState
from tables.rows import (
    AccountRow,
    AnnouncedRow,
    CappedRow,
    CapRow,
    DevicesRow,
    InFlightRow,
    KeyRow,
    LessonRow,
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
KEYS = model_table(
    "data-keys", KeyRow, "accounts", "The key that seals an account's tokens, wrapped by the seal key.", key="account",
    forgets_within=timedelta(minutes=5),
)  # fmt: skip
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
NEEDS = model_table("needs", CarNeed, "demand", "What a car needs: its schedule, where it is and on which tariff.")
CAPPED_REGIONS = model_table(
    "capped-regions", CappedRow, "demand", "Regions with a cap, and what was last said of their cars.", key="region",
    personal=False,
)  # fmt: skip
CAPS = model_table("caps", CapRow, "capacity", "Caps and the adders in force.", key="region", personal=False)
DEMANDS = model_table(
    "demands", RegionDemand, "capacity", "What each partition's cars need.", key="region and partition", personal=False
)
CAPACITY_CURVES = model_table(
    "capacity-curves", Forecast, "capacity", "Price and carbon curves to find adders on.", key="curve", personal=False
)
CONTROL = model_table("control", ControlState, "dispatch", "Desired and observed state, command in flight, attempts.")
LEASES = model_table("leases", HeldCar, "dispatch", "Held cars as last told: who may be released, and from when on.")
LEADS = model_table(
    "leads", LeadTime, "dispatch", "How long cars take to obey.", key="OEM, model, action and partition", personal=False
)
OUTBOX = model_table("outbox", OutboxRow, "commands", "The last command of a car and how far its sending has come.")
IN_FLIGHT = model_table("in-flight", InFlightRow, "confirmation", "Commands that await proof.")
LESSONS = model_table(
    "lessons", LessonRow, "confirmation", "How long the newest commands took.", key="OEM, model and action",
    personal=False,
)  # fmt: skip
SETTLING = model_table("settling", SettlingRow, "settlement", "Open sessions, metered from telemetry.")
SETTLED = model_table("settled", SettledRow, "settlement", "Settled sessions that may still be corrected.")
SETTLEMENT_CURVES = model_table(
    "settlement-curves", Forecast, "settlement", "Price and carbon curves to settle on.", key="curve", personal=False
)
STATUSES = model_table("driver-status", StatusRow, "driver_status", "What the driver's read model is made of.")
DEVICES = model_table(
    "devices", DevicesRow, "notifications", "Phones and browsers of an account's drivers, sealed.", key="account"
)
NOTIFIED = model_table("notified", NotifiedRow, "notifications", "What every driver was already told.")

TABLES: tuple[Table[Any], ...] = (
    ACCOUNTS,
    KEYS,
    POLLS,
    VEHICLES,
    ANNOUNCED,
    VINTAGES,
    PLANS,
    CURVES,
    NEEDS,
    CAPPED_REGIONS,
    CAPS,
    DEMANDS,
    CAPACITY_CURVES,
    CONTROL,
    LEASES,
    LEADS,
    OUTBOX,
    IN_FLIGHT,
    LESSONS,
    SETTLING,
    SETTLED,
    SETTLEMENT_CURVES,
    STATUSES,
    DEVICES,
    NOTIFIED,
)
