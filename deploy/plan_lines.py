"""One line of `d2ev plan`: a car, its prices and its deadline as a JSON object, answered with a plan or a complaint.

docs/planning.md has every field with unit and default. Slots that come again, byte for byte, are prepared once.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from deploy.plan_answer import Asked, answer_of
from deploy.plan_complaints import Complaint, at, complaint_of, unreadable
from streams.domain.planner import CostSlot, Curve, PlanRequest, Policy, plan
from streams.domain.planner.taper import taper_points

#: Further away than this, a ready-by is taken for a mistake.
LONGEST_WINDOW: Final = timedelta(days=14)
#: A need that takes longer is taken for a mistake in the power.
LONGEST_CHARGE: Final = timedelta(days=366)
_YEARS: Final = (1971, 2200)
_CURVES: Final = 64

Time = Annotated[datetime, Meta(tz=True)]
Percent = Annotated[float, Meta(ge=0, le=100)]
Energy = Annotated[float, Meta(gt=0, le=1000)]
Power = Annotated[float, Meta(gt=0, le=1000)]
Money = Annotated[float, Meta(ge=-1e6, le=1e6)]
Penalty = Annotated[float, Meta(ge=0, le=1e6)]
Minutes = Annotated[float, Meta(ge=0, le=1440)]


class SlotLine(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """[start, end) with its price in currency per kWh and its carbon intensity in g per kWh."""

    start: Time
    end: Time
    price_per_kwh: Money
    carbon_g_per_kwh: Annotated[float, Meta(ge=0, le=1e5)] = 0.0
    #: Counts when choosing, never as cost.
    price_adder_per_kwh: Money = 0.0


class VehicleLine(Struct, frozen=True, forbid_unknown_fields=True):
    """The car. `soc_pct` null: unknown. `power_kw` at the wall; `efficiency`: battery kWh per kWh at the wall."""

    soc_pct: Percent | None
    target_soc_pct: Percent
    usable_kwh: Energy
    power_kw: Power
    min_soc_pct: Percent = 0.0
    efficiency: Annotated[float, Meta(gt=0, le=1)] = 0.9
    charging_now: bool = False
    taper: tuple[tuple[Percent, Power], ...] = ()


class PolicyLine(Struct, frozen=True, forbid_unknown_fields=True):
    """How the plan may look; what is left out leaves everything to the prices."""

    carbon_price_per_tonne: Penalty = 0.0
    start_penalty: Penalty = 0.0
    max_blocks: Annotated[int, Meta(ge=1, le=100)] | None = None
    min_block_minutes: Minutes = 0.0
    min_pause_minutes: Minutes = 0.0
    edge_delay_seconds: Annotated[float, Meta(ge=0, le=3600)] = 0.0
    margin_minutes: Minutes = 0.0


class GoalLine(Struct, frozen=True, forbid_unknown_fields=True):
    """At least this state of charge by then."""

    by: Time
    soc_pct: Percent


class PlanLine(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole line. `slots` is decoded only when it differs from what came before."""

    now: Time
    ready_by: Time
    slots: msgspec.Raw
    vehicle: VehicleLine
    policy: PolicyLine = PolicyLine()
    goals: tuple[GoalLine, ...] = ()
    id: str | int | None = None
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")] | None = None


_LINE: Final = msgspec.json.Decoder(PlanLine)
_SLOTS: Final = msgspec.json.Decoder(tuple[SlotLine, ...])


def answer(line: bytes, number: int) -> dict[str, Any]:
    """The plan for one line, or what is wrong with it: an object with `error`. `number` counts lines from 1."""
    try:
        asked = read(line)
        return answer_of(asked, plan(asked.request))
    except Complaint as complaint:
        return complaint.answer(line, number)


def read(line: bytes) -> Asked:
    """What a line asks for. Raises Complaint."""
    try:
        given = _LINE.decode(line)
    except msgspec.ValidationError as error:
        raise complaint_of(error, line, PlanLine) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise unreadable(error, line, PlanLine) from None
    _check_times(given)
    return _asked(given, _curve(bytes(given.slots), given.policy.carbon_price_per_tonne))


@lru_cache(maxsize=_CURVES)
def _curve(slots: bytes, carbon_price_per_tonne: float) -> Curve:
    """The prepared curve of `slots` as JSON. Raises Complaint."""
    try:
        given = _SLOTS.decode(slots)
    except msgspec.ValidationError as error:
        raise complaint_of(error, slots, tuple[SlotLine, ...], "slots") from None
    for i, slot in enumerate(given):
        if slot.end <= slot.start:
            raise Complaint(f"slots[{i}].end", at(slot.end), "is not after its start")
        if i and slot.start < given[i - 1].end:
            raise Complaint(f"slots[{i}].start", at(slot.start), "is before the slot before ends; sort them, disjoint")
    prepared = [CostSlot(s.start, s.end, s.price_per_kwh, s.carbon_g_per_kwh, s.price_adder_per_kwh) for s in given]
    return Curve.of(prepared, carbon_price_per_tonne)


def _check_times(given: PlanLine) -> None:
    for field, instant in (("now", given.now), ("ready_by", given.ready_by)):
        if not _YEARS[0] <= instant.year <= _YEARS[1]:
            raise Complaint(field, at(instant), f"is out of range; give a year from {_YEARS[0]} to {_YEARS[1]}")
    if given.ready_by - given.now > LONGEST_WINDOW:
        raise Complaint("ready_by", at(given.ready_by), f"is more than {LONGEST_WINDOW.days} days after now")


def _asked(given: PlanLine, curve: Curve) -> Asked:
    car, policy = given.vehicle, given.policy
    soc_pct = car.soc_pct or 0.0
    per_pct = car.usable_kwh / car.efficiency / 100
    need_kwh = max(0.0, car.target_soc_pct - soc_pct) * per_pct
    if need_kwh / car.power_kw > LONGEST_CHARGE / timedelta(hours=1):
        raise Complaint("vehicle.power_kw", car.power_kw, f"needs more than a year for {need_kwh:g} kWh")
    # Not knowing how full it is, the car charges at once.
    least_pct = min(car.min_soc_pct, car.target_soc_pct) - soc_pct if car.soc_pct is not None else car.target_soc_pct
    request = PlanRequest(
        now=given.now.astimezone(UTC),
        ready_by=given.ready_by.astimezone(UTC),
        curve=curve,
        need_kwh=need_kwh,
        power_kw=car.power_kw,
        min_need_kwh=max(0.0, least_pct) * per_pct,
        charging_now=car.charging_now,
        goals=_goals(given, soc_pct, per_pct),
        taper=_taper(car, soc_pct, per_pct),
        policy=Policy(
            start_penalty=policy.start_penalty,
            max_blocks=policy.max_blocks,
            min_block=timedelta(minutes=policy.min_block_minutes),
            min_pause=timedelta(minutes=policy.min_pause_minutes),
            margin=timedelta(minutes=policy.margin_minutes),
        ),
    )
    goals = tuple((goal.by.astimezone(UTC), min(goal.soc_pct, car.target_soc_pct)) for goal in given.goals)
    return Asked(given.id, request, car.soc_pct, per_pct, car.min_soc_pct, goals, policy.edge_delay_seconds)


def _goals(given: PlanLine, soc_pct: float, per_pct: float) -> tuple[tuple[datetime, float], ...]:
    """Energy at the wall by instant, the strictest of each."""
    strictest: dict[datetime, float] = {}
    for goal in given.goals:
        kwh = (min(goal.soc_pct, given.vehicle.target_soc_pct) - soc_pct) * per_pct
        if kwh > 0:
            by = goal.by.astimezone(UTC)
            strictest[by] = max(kwh, strictest.get(by, 0.0))
    return tuple(sorted(strictest.items()))


def _taper(car: VehicleLine, soc_pct: float, per_pct: float) -> tuple[tuple[float, float], ...]:
    for i in range(1, len(car.taper)):
        if car.taper[i][0] <= car.taper[i - 1][0]:
            raise Complaint(f"vehicle.taper[{i}][0]", car.taper[i][0], f"is not above {car.taper[i - 1][0]:g}")
    return taper_points(soc_pct, car.taper, car.power_kw, per_pct) if car.taper else ()
