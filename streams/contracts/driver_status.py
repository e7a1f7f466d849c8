"""What the driver sees: one record that answers plugged in? charging? ready when? and why."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from streams.contracts.account import Link
from streams.contracts.base import CarKey, Contract, Instant, Language, Percent
from streams.contracts.telemetry import Charge, Plug


class StatusReason(StrEnum):
    """Why the car is (not) charging, for machines; `sentence` says the same for people."""

    UNPLUGGED = "unplugged"
    AWAY = "away"
    WAITING_FOR_CHEAP = "waiting_for_cheap"
    CHARGING_AS_PLANNED = "charging_as_planned"
    CHARGING_BOOST = "charging_boost"
    CHARGING_BY_DRIVER = "charging_by_driver"
    STOPPED_BY_DRIVER = "stopped_by_driver"
    OWN_SCHEDULE = "own_schedule"
    AT_RISK = "at_risk"
    AT_TARGET = "at_target"
    STARTING = "starting"
    STOPPING = "stopping"
    CANNOT_CONTROL = "cannot_control"
    CANNOT_BE_READY = "cannot_be_ready"
    PLANNING = "planning"
    PAUSED = "paused"
    UNKNOWN = "unknown"
    LINK_LOST = "link_lost"
    ADVICE_ONLY = "advice_only"


class DriverStatus(Contract):
    """The driver's read model, keyed by car. `version` is a hash of the content: equal content, equal version."""

    car: CarKey
    driver: str
    reason: StatusReason
    sentence: str
    plug: Plug
    charge: Charge
    soc_pct: Percent | None = None
    soc_time: Instant | None = None
    at_home: bool | None = None
    session_id: str | None = None
    plan_revision: int | None = None
    next_start: Instant | None = None
    planned_until: Instant | None = Field(default=None, description="end of the planned block that runs now")
    ready_at: Instant | None = None
    ready_by: Instant | None = None
    target_soc_pct: Percent | None = None
    expected_soc_pct: Percent | None = None
    shortfall_kwh: float = 0
    home_zone: str
    name: str = Field(default="", description="what messages call the car: its model, else its maker")
    language: Language = "en"
    link: Link = Link.LINKED
    controllable: bool = Field(
        default=True, description="whether cars of this model take starts and stops; if not, the plan is advice"
    )
    saved: float | None = Field(default=None, description="of the last settled session, against unmanaged, in currency")
    saved_carbon_g: float | None = None
    cost: float | None = Field(default=None, description="of the last settled session, in currency")
    charged_kwh: float | None = Field(default=None, description="in the last settled session, at the wall")
    currency: str | None = None
    settled_session_id: str | None = None
    version: str
    at: Instant
