"""What the driver wants: ready by when, how full, how money weighs against carbon, boost or pause."""

from __future__ import annotations

from datetime import time
from typing import Literal

from pydantic import Field

from streams.contracts.base import CarKey, Contract, Instant, Language, Percent, WallTime

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class Preference(Contract):
    """The preference in force, keyed by car. Ready-by is local wall time of the home."""

    car: CarKey
    ready_by: WallTime = Field(default=time(7, 0), description="local wall time of the home; ready_by_days go first")
    ready_by_days: dict[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], WallTime] = Field(
        default_factory=dict
    )
    target_soc_pct: Percent = 80
    min_soc_pct: Percent = 20
    carbon_price_per_tonne: float = Field(default=50, ge=0, le=5000, description="in the tariff's currency")
    margin_minutes: int = Field(default=20, ge=0, le=240, description="finish this long before ready-by")
    mode: Literal["smart", "boost", "paused"] = "smart"
    language: Language = Field(default="en", description="of the sentences and pushes about this car")
    updated_at: Instant
