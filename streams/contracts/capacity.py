"""Regional power caps: the cap from outside, the adders that hold it, and in private what the cars need."""

from __future__ import annotations

from typing import NamedTuple, Self

from pydantic import Field, model_validator

from streams.contracts.base import Contract, Instant, check_order

#: A tariff, or a region: the key of its forecasts.
Name = str


class CapSlot(Contract):
    """[start, end): all cars of the region together may draw so much, on average and in every minute."""

    start: Instant
    end: Instant
    cap_kw: float = Field(ge=0, le=1e9, description="at the wall")


class RegionCap(Contract):
    """The cap in force in a region, keyed by region; times that no slot names have none. A tombstone lifts it."""

    region: Name = Field(min_length=1, max_length=60)
    issued_at: Instant
    slots: tuple[CapSlot, ...] = Field(min_length=1, max_length=2000, description="sorted and disjoint")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        check_order(self.slots)
        return self


class AdderSlot(Contract):
    """[start, end) with what planning adds to the price, and the load that is expected to follow."""

    start: Instant
    end: Instant
    adder: float = Field(ge=0, description="currency per kWh; counts when a plan is chosen, never as cost")
    cap_kw: float | None = Field(default=None, description="null: no cap")
    load_kw: float = Field(ge=0, description="expected with the adders")
    uncapped_kw: float = Field(ge=0, description="expected without")


class RegionAdder(Contract):
    """Slot adders that hold a region's cap, keyed by region. All zero: no cap is in the way."""

    region: Name
    currency: str
    issued_at: Instant
    slots: tuple[AdderSlot, ...] = Field(min_length=1, max_length=400)
    cars: int = Field(ge=0, description="that still have to charge")
    gap_pct: float = Field(ge=0, description="the cap costs at most this share of the saving more than it must")
    over_kwh: float = Field(ge=0, description="expected above the cap, so that no car misses its target")


class CurveName(NamedTuple):
    """What some cars plan on."""

    tariff: Name
    carbon_price_per_tonne: float


class Cohort(NamedTuple):
    """Cars that plan on the same curve, in the same dither group, until the same minute since 1970: sums, no names.

    Each of them charges `hours`, the first `at_once_hours` of them whatever they cost; `power_kw` is that of all.
    """

    curve: int
    group: int
    until_minute: int
    cars: int
    power_kw: float
    hours: float
    at_once_hours: float


class RegionDemand(Contract):
    """What one partition's cars in a capped region still need. `curve` of a cohort counts in `curves`."""

    region: Name
    partition: int = Field(ge=0)
    at: Instant
    curves: tuple[CurveName, ...]
    cohorts: tuple[Cohort, ...]
