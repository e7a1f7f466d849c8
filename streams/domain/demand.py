"""What the cars of a region still need, as cohorts: from their schedules, but not from the slots these chose.

A schedule says how much a car needs, by when, and how much of it is beyond choice. Adders are found from that alone, so
plans that follow them do not change what they were found from, and the loop settles.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from pydantic import BaseModel, ConfigDict

from streams.contracts.capacity import Cohort, CurveName, RegionDemand
from streams.contracts.preference import Preference
from streams.contracts.registration import Registration
from streams.contracts.schedule import PlanReason, Schedule
from streams.domain.caps import group_of
from streams.domain.planner.curve import EPOCH

#: Cars in one cohort end within this, and need hours within this of each other.
ALIKE: Final = timedelta(minutes=15)
_MINUTE: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(hours=1)


class CarNeed(BaseModel):
    """What is known of a car's need: where it is, on which tariff, what it wants, and its schedule in force."""

    model_config = ConfigDict(frozen=True)

    region: str = ""
    tariff: str = ""
    margin: timedelta = timedelta(minutes=Preference.model_fields["margin_minutes"].default)
    schedule: Schedule | None = None


def observe_registration(need: CarNeed, message: Registration) -> CarNeed:
    """Where the car is; one whose consent is withdrawn is nowhere."""
    given = message.consent == "given"
    return need.model_copy(update={"region": message.region if given else "", "tariff": message.tariff})


def observe_preference(need: CarNeed, message: Preference) -> CarNeed:
    """What of a preference is not in the schedule."""
    return need.model_copy(update={"margin": timedelta(minutes=message.margin_minutes)})


def observe_schedule(need: CarNeed, message: Schedule) -> CarNeed:
    """The schedule in force."""
    return need.model_copy(update={"schedule": message})


def demand(region: str, partition: int, cars: Iterable[tuple[str, CarNeed]], now: datetime) -> RegionDemand:
    """The cohorts of those `cars` that are in `region` and still have to charge."""
    found: dict[CurveName, list[Cohort]] = {}
    for car, need in cars:
        if need.region == region and need.schedule is not None:
            one = _one(car, need, need.schedule, now)
            if one is not None:
                weight = need.schedule.inputs.carbon_price_per_tonne or 0.0
                found.setdefault(CurveName(need.tariff, weight), []).append(one)
    curves = tuple(sorted(found))
    cohorts = (cohort._replace(curve=n) for n, curve in enumerate(curves) for cohort in _alike(found[curve]))
    return RegionDemand(region=region, partition=partition, at=now, curves=curves, cohorts=tuple(cohorts))


def _one(car: str, need: CarNeed, schedule: Schedule, now: datetime) -> Cohort | None:
    """A car as a cohort of one; None when nothing is left to charge."""
    left = [(max(block.start, now), block.end) for block in schedule.blocks if block.end > now]
    hours = sum((end - start) / _HOUR for start, end in left)
    if hours <= 0:
        return None
    whole_hours = sum((block.end - block.start) / _HOUR for block in schedule.blocks)
    power_kw = schedule.inputs.power_kw or schedule.energy_kwh / whole_hours
    until = left[-1][1] if schedule.ready_by is None else schedule.ready_by - need.margin
    at_once = hours
    if schedule.reason is PlanReason.CHEAPEST:
        # A block that runs is kept; one for the minimum runs from the moment it is planned.
        at_once = (left[0][1] - now) / _HOUR if left[0][0] <= now else 0.0
    return Cohort(0, group_of(car), (until - EPOCH) // _MINUTE, 1, power_kw, hours, at_once)


def _alike(cohorts: list[Cohort]) -> Iterable[Cohort]:
    """The same cars in as few cohorts as tell them apart enough."""
    for _, members in groupby(sorted(cohorts, key=_kind), key=_kind):
        same = list(members)
        power_kw = sum(one.power_kw for one in same)
        hours = sum(one.power_kw * one.hours for one in same) / power_kw
        at_once = sum(one.power_kw * one.at_once_hours for one in same) / power_kw
        until = min(one.until_minute for one in same)
        yield Cohort(0, same[0].group, until, len(same), round(power_kw, 3), round(hours, 4), round(at_once, 4))


def _kind(one: Cohort) -> tuple[int, int, int, int]:
    step = ALIKE / _HOUR
    whole = ALIKE // _MINUTE
    return one.group, one.until_minute // whole, int(one.hours / step), int(one.at_once_hours / step)
