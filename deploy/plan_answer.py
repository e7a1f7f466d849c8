"""The answer of `d2ev plan`: the plan with its car's own delay applied, in numbers and in a few words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from streams.domain.planner import Plan, PlanRequest

_DECIMALS: Final = 6
_OF_MONEY: Final = 9  # plans are compared to a millionth
_ROUNDING_POINTS: Final = 0.05


class Asked(NamedTuple):
    """A line, read. `soc_pct` None: unknown. `goals` in percent, as given. `per_pct`: wall kWh for one percent."""

    id: str | int | None
    request: PlanRequest
    soc_pct: float | None
    per_pct: float
    min_soc_pct: float
    goals: tuple[tuple[datetime, float], ...]
    edge_delay_seconds: float

    @property
    def chosen(self) -> bool:
        """Is there anything to choose by: prices, and knowing how full the car is?"""
        return bool(self.request.curve.slots) and self.soc_pct is not None

    def soc_at(self, made: Plan, instant: datetime) -> float:
        """The state of charge then, if all goes to plan."""
        before = (kwh * max(0.0, min(1.0, (instant - a) / (b - a))) for a, b, kwh in made.blocks)
        return min(100.0, (self.soc_pct or 0.0) + sum(before) / self.per_pct)


def answer_of(asked: Asked, made: Plan) -> dict[str, Any]:
    """The object that is printed. Without prices nothing is known of cost; without a charge, nothing of the end."""
    made = _delayed(asked, _never_nothing(asked, made))
    shortfall_kwh = _number(made.shortfall_kwh)
    priced = bool(asked.request.curve.slots) or not made.blocks
    return {
        "id": asked.id,
        "blocks": [{"start": a, "end": b, "energy_kwh": _number(kwh)} for a, b, kwh in made.blocks],
        "energy_kwh": _number(made.energy_kwh),
        "cost": _number(made.cost, _OF_MONEY) if priced else None,
        "carbon_g": _number(made.carbon_g) if priced else None,
        "objective": _number(made.objective, _OF_MONEY) if priced else None,
        "reachable": shortfall_kwh == 0,
        "shortfall_kwh": shortfall_kwh,
        "expected_soc_pct": (None if asked.soc_pct is None else _number(asked.soc_at(made, asked.request.ready_by))),
        "ready_at": made.ready_at,
        "known_until": made.known_until.astimezone(UTC) if made.known_until else None,
        "provisional": made.provisional,
        "reason": _reason(asked, made),
    }


def _never_nothing(asked: Asked, made: Plan) -> Plan:
    """A ready-by that has passed leaves no time, yet the car is to charge: from now, until it is full."""
    request = asked.request
    if made.reachable or made.blocks:
        return made
    blocks = ((request.now, made.ready_at, request.need_kwh),)
    return _billed(request, made._replace(blocks=blocks, energy_kwh=request.need_kwh))


def _delayed(asked: Asked, made: Plan) -> Plan:
    """Blocks moved later together, if that still ends in time; what runs already, or must at once, stays."""
    request, delay = asked.request, timedelta(seconds=asked.edge_delay_seconds)
    if not (delay and made.blocks and made.reachable and asked.chosen):
        return made
    if made.blocks[-1][1] + delay > request.ready_by - request.policy.margin:
        return made
    stays = request.charging_now or request.min_need_kwh > 0
    moved = tuple(b if stays and b[0] <= request.now else (b[0] + delay, b[1] + delay, b[2]) for b in made.blocks)
    return _billed(request, made._replace(blocks=moved, ready_at=moved[-1][1]))


def _billed(request: PlanRequest, made: Plan) -> Plan:
    """The plan with cost, carbon and objective of the blocks that it has now."""
    curve = request.curve
    cost, carbon_g = curve.bill(made.blocks)
    goes_on = request.charging_now and made.blocks[0][0] == request.now
    starts = len(made.blocks) - goes_on
    objective = cost + curve.carbon_price * carbon_g * 1e-6 + request.policy.start_penalty * starts
    return made._replace(cost=cost, carbon_g=carbon_g, objective=objective)


def _number(value: float, decimals: int = _DECIMALS) -> float:
    return round(value, decimals) + 0.0  # never -0.0


def _reason(asked: Asked, made: Plan) -> str:
    request = asked.request
    if not made.blocks:
        return "at target"
    by, ready = _clock(request.ready_by, request.now), _clock(made.ready_at, request.now)
    if asked.soc_pct is None:
        return f"state of charge unknown: charging from now as if empty, done at {ready}"
    if not made.reachable:
        return f"charging from now; {made.shortfall_kwh:.1f} kWh short at {by}, ready at {ready}"
    if not request.curve.slots:
        return f"no prices known: charging from now, done at {ready}"
    first, soon_s = "", request.min_need_kwh / request.power_kw * 3600
    if request.min_need_kwh > 0:
        first = f"{asked.min_soc_pct:g} % first"
        if request.min_need_kwh >= request.need_kwh:
            return f"{first}, done at {ready}{_missed(asked, made)}"
        first += ", then the "
    rest_s = sum((b - a).total_seconds() for a, b, _ in made.blocks) - soon_s
    known = f"; prices known until {_clock(made.known_until, request.now)}" if made.provisional else ""
    return f"{first}cheapest {_length(rest_s)} before {by}{known}{_missed(asked, made)}"


def _missed(asked: Asked, made: Plan) -> str:
    """The goals on the way that nothing could reach."""
    found = ""
    for by, soc_pct in asked.goals:
        then_pct = asked.soc_at(made, by)
        if then_pct < soc_pct - _ROUNDING_POINTS:
            found += f"; {then_pct:.0f} % instead of {soc_pct:g} % at {_clock(by, asked.request.now)}"
    return found


def _clock(instant: datetime | None, now: datetime) -> str:
    """UTC, with the date from a day on."""
    if instant is None:
        return "unknown"
    instant = instant.astimezone(UTC)
    return f"{instant:%H:%M}" if abs(instant - now) < timedelta(days=1) else f"{instant:%Y-%m-%d %H:%M}"


def _length(seconds: float) -> str:
    hours, minutes = divmod(max(1, round(seconds / 60)), 60)
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
