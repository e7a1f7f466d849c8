"""The plan in force for a car: blocks, cost, carbon, reachability, and the reason with its inputs."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from streams.contracts.base import CarKey, Contract, Instant, Percent


class PlanReason(StrEnum):
    """Why the plan looks as it does."""

    CHEAPEST = "cheapest"
    UNREACHABLE = "unreachable"
    AT_TARGET = "at_target"
    BOOST = "boost"
    PAUSED = "paused"
    NO_FORECAST = "no_forecast"
    UNKNOWN_SOC = "unknown_soc"
    AWAY = "away"
    UNPLUGGED = "unplugged"


class Block(Contract):
    """Charge in [start, end): energy at the wall."""

    start: Instant
    end: Instant
    energy_kwh: float


class PlanInputs(Contract):
    """What the plan was made from, so that it can be made again."""

    now: Instant
    soc_pct: Percent | None = None
    soc_time: Instant | None = None
    price_issued_at: Instant | None = None
    carbon_issued_at: Instant | None = None
    preference_updated_at: Instant | None = None
    carbon_price_per_tonne: float | None = Field(default=None, description="in the plan's currency")
    power_kw: float | None = Field(default=None, description="at the wall, as expected of the car")


class Schedule(Contract):
    """The plan in force, keyed by car. `revision` grows within a session; an older one never undoes a newer one."""

    car: CarKey
    session_id: str | None
    revision: int = Field(ge=0)
    blocks: tuple[Block, ...]
    energy_kwh: float = Field(ge=0, description="at the wall")
    cost: float
    currency: str
    carbon_g: float
    objective: float = Field(description="cost + carbon price x carbon + start penalties")
    reachable: bool
    shortfall_kwh: float = Field(ge=0, description="battery energy missing at ready-by")
    target_soc_pct: Percent | None = None
    expected_soc_pct: Percent | None = None
    ready_by: Instant | None = None
    ready_at: Instant | None = None
    known_until: Instant | None = None
    provisional: bool = False
    reason: PlanReason
    sentence: str
    inputs: PlanInputs
