"""What the driver API answers, as models: the contract with apps. Made from the log by `read_model`, never stored."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from streams.contracts.account import Link
from streams.contracts.base import CarKey, Instant, Language, Percent, WallTime
from streams.contracts.driver_status import StatusReason
from streams.contracts.notification import NotificationKind
from streams.contracts.preference import Weekday
from streams.contracts.schedule import PlanReason
from streams.contracts.session import Promise
from streams.contracts.telemetry import Charge, Plug


class View(BaseModel):
    """One answer, or a part of one. Units are in the names; times are RFC 3339 UTC."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, allow_inf_nan=False)


class BlockView(View):
    """Charging planned in [start, end)."""

    start: Instant
    end: Instant
    energy_kwh: float


class PlanView(View):
    """The plan in force."""

    session_id: str | None
    revision: int
    blocks: tuple[BlockView, ...]
    energy_kwh: float
    cost: float
    currency: str
    carbon_g: float
    reachable: bool
    shortfall_kwh: float
    ready_by: Instant | None
    ready_at: Instant | None
    known_until: Instant | None
    provisional: bool
    reason: PlanReason


class PreferenceView(View):
    """What the driver wants. Ready-by is wall time of the home."""

    ready_by: WallTime
    ready_by_days: dict[Weekday, WallTime]
    target_soc_pct: Percent
    min_soc_pct: Percent
    balance: Literal["money", "both", "carbon"] = Field(description="what charging is chosen by, in plain words")
    carbon_price_per_tonne: float = Field(description="the same as a number, in the tariff's currency")
    mode: Literal["smart", "boost", "paused"]
    language: Language
    updated_at: Instant | None = Field(description="null: nothing was chosen yet, these are the defaults")


class CarView(View):
    """One car of the driver: what is so, why, and what comes next. The first screen is made of this alone."""

    car: CarKey
    oem: str
    model: str
    home_zone: str
    controllable: bool
    link: Link
    reason: StatusReason
    sentence: str
    plug: Plug
    charge: Charge
    soc_pct: Percent | None
    soc_time: Instant | None
    at_home: bool | None
    stale: bool = Field(description="the car has not been heard for longer than it should; what is shown is old")
    next_start: Instant | None
    ready_by: Instant | None
    ready_at: Instant | None
    target_soc_pct: Percent | None
    expected_soc_pct: Percent | None
    shortfall_kwh: float
    plan: PlanView | None
    preference: PreferenceView
    last_session: SessionView | None
    version: str = Field(description="changes with the content; the id of the event that brought it")


class SlotView(View):
    """Price and carbon intensity in [start, end); null where not known."""

    start: Instant
    end: Instant
    price_per_kwh: float | None
    carbon_g_per_kwh: float | None


class OutlookView(View):
    """Price and carbon over the hours ahead, with the plan's blocks, for the chart and its table."""

    car: CarKey
    home_zone: str
    currency: str | None
    now: Instant
    price_known_until: Instant | None
    slots: tuple[SlotView, ...]
    blocks: tuple[BlockView, ...]


class SessionView(View):
    """One settled session."""

    session_id: str
    plugged_at: Instant
    ended_at: Instant
    energy_kwh: float
    start_soc_pct: Percent | None
    end_soc_pct: Percent | None
    currency: str
    cost: float | None
    saved: float | None = Field(description="against charging at once; negative when it cost more")
    carbon_kg: float | None
    carbon_saved_kg: float | None
    promise: Promise


class SavingsView(View):
    """What a car's settled sessions saved against charging at once, in one month of the home or in all."""

    month: str | None = Field(description="YYYY-MM; null: all together")
    sessions: int
    energy_kwh: float
    currency: str
    saved: float
    carbon_saved_kg: float
    unpriced_sessions: int = Field(description="sessions whose cost is not known and that are not in `saved`")


class HistoryView(View):
    """A car's settled sessions, newest first, with what they saved."""

    sessions: tuple[SessionView, ...]
    savings: tuple[SavingsView, ...]
    next: str | None = Field(description="give as `before` for the page after this; null: there is none")


class MessageView(View):
    """One message that was pushed to the driver."""

    id: str
    car: CarKey
    kind: NotificationKind
    title: str
    body: str
    at: Instant


CarView.model_rebuild()
