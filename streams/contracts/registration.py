"""Enrolment of a car: who it belongs to, where it charges, on which tariff. A tombstone erases it."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from streams.contracts.base import CarKey, Contract, Instant, Percent


class TaperPoint(Contract):
    """AC power at the wall at a state of charge; never more than the registered power."""

    soc_pct: Percent
    power_kw: float = Field(gt=0, le=50)


class Registration(Contract):
    """One enrolled car, keyed by car."""

    car: CarKey
    driver: str = Field(min_length=1, max_length=128)
    oem: str = Field(min_length=1, max_length=40)
    vehicle: str = Field(min_length=1, max_length=64, description="the OEM's own id of the car")
    model: str = Field(max_length=120)
    usable_kwh: float = Field(gt=0, le=300)
    power_kw: float = Field(gt=0, le=50, description="AC power at home, at the wall")
    efficiency: float = Field(default=0.9, gt=0.3, le=1, description="battery kWh per wall kWh")
    taper: tuple[TaperPoint, ...] = Field(
        default=(), max_length=40, description="how AC power falls as the car fills; straight between rising points"
    )
    home_zone: str = Field(description="IANA time zone of the home; ready-by is wall time there")
    region: str = Field(description="carbon region, key of the carbon forecast")
    tariff: str = Field(description="key of the price forecast")
    consent: Literal["given", "withdrawn"] = "given"
    prove_control: bool = Field(
        default=False, description="at its first pause the car is started again at once, to see that it does"
    )
    grant_sealed: str | None = Field(default=None, description="sealed OAuth refresh token of the OEM account")
    registered_at: Instant

    @field_validator("taper")
    @classmethod
    def _rises(cls, value: tuple[TaperPoint, ...]) -> tuple[TaperPoint, ...]:
        if any(after.soc_pct <= before.soc_pct for before, after in pairwise(value)):
            raise ValueError("must rise in state of charge")
        return value

    @field_validator("home_zone")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ValueError, OSError, ZoneInfoNotFoundError):
            raise ValueError("must be an IANA time zone, for example Europe/London") from None
        return value
