"""What a plan is asked for and what it says: one car, one deadline. Energies and power at the wall."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from streams.domain.planner.curve import HOUR_US, Curve, Profile
from streams.domain.planner.taper import Pace


@dataclass(frozen=True, slots=True)
class Policy:
    """How a plan may look. Penalties are in currency: a share of a price would vanish when power is free."""

    #: Currency per start; a car that is charging goes on for free.
    start_penalty: float = 0.0
    #: None: any number. A block that goes on from `charging_now` counts.
    max_blocks: int | None = 2
    #: No block is shorter, unless the whole need is.
    min_block: timedelta = timedelta(0)
    #: No gap between blocks is shorter.
    min_pause: timedelta = timedelta(0)
    #: Finish this long before ready-by, when that is possible.
    margin: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """One car. `need_kwh` reaches the target; its first `min_need_kwh` are charged at once, whatever they cost.

    `goals`: at least so many kWh by then, each with its instant. `taper`: (kWh charged since now, kW) points, between
    which power runs straight; before the first and after the last it is constant; without points it is `power_kw`.
    """

    now: datetime
    ready_by: datetime
    curve: Curve
    need_kwh: float
    power_kw: float
    min_need_kwh: float = 0.0
    charging_now: bool = False
    goals: tuple[tuple[datetime, float], ...] = ()
    taper: tuple[tuple[float, float], ...] = ()
    policy: Policy = Policy()


class Plan(NamedTuple):
    """When to charge. `objective` = cost + carbon price x carbon + start penalties.

    Energy in time without a known price counts at the average known price. `provisional`: part of the window
    has no price yet. `ready_at` is when the target is reached, after `ready_by` if it is not reachable.
    """

    blocks: Profile
    energy_kwh: float
    cost: float
    carbon_g: float
    objective: float
    reachable: bool
    shortfall_kwh: float
    ready_at: datetime
    known_until: datetime | None
    provisional: bool


class Window(NamedTuple):
    """A request in microseconds: the minimum until `soon`, then `left` more time on before `deadline`."""

    now: int
    soon: int
    deadline: int
    left: int
    #: None while power is the same all the way.
    pace: Pace | None

    @property
    def head(self) -> list[tuple[int, int]]:
        """What is charged at once."""
        return [(self.now, self.soon)] if self.soon > self.now else []


def start_cost(penalty: float, power_kw: float, unit_us: int) -> int:
    """A penalty in currency as cost per kWh x units of time on, the measure in which plans are compared."""
    return round(penalty * 1e6 * HOUR_US / (power_kw * unit_us))
