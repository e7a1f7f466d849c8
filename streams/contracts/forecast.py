"""Prices, carbon and regional adders by vintage: slots [start, end) with a value that is constant inside the slot."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, Self

from pydantic import Field, model_validator

from streams.contracts.base import Contract, Instant, check_order

#: What a carbon value means: of all energy in the grid, or of the next kWh. The two are never mixed.
Basis = Literal["average", "marginal"]


class ForecastKind(StrEnum):
    """What is forecast."""

    PRICE = "price"
    CARBON = "carbon"
    ADDER = "adder"


class Slot(Contract):
    """A half-open interval [start, end) with one value."""

    start: Instant
    end: Instant
    value: float


class Forecast(Contract):
    """One vintage, keyed by tariff (price) or region (others). Slots are sorted and disjoint; gaps are unknown."""

    kind: ForecastKind
    key: str = Field(min_length=1, max_length=60, description="tariff or region")
    unit: str = Field(description="currency per kWh, for example EUR/kWh, or gCO2/kWh")
    issued_at: Instant
    source: str
    known_until: Instant
    slots: tuple[Slot, ...] = Field(min_length=1, max_length=2000)
    basis: Basis | None = Field(None, description="carbon of all energy (average) or of the next kWh (marginal)")
    flags: tuple[str, ...] = Field((), description="what to know of it: partial, preliminary, spike")
    good_until: Instant | None = Field(
        None, description="plans no longer count with it from then on, unless renewed; null: as long as it reaches"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        check_order(self.slots)
        return self
