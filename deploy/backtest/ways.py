"""The same energy in the same stay, other ways: at once, by a timer, with foresight, in one block, by evcc's rule."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, NamedTuple

from deploy.backtest.evcc import evcc
from deploy.backtest.insight import Insight, Outturn
from deploy.backtest.stays import Stay
from streams.domain.counterfactual import timer, unmanaged
from streams.domain.planner import Curve, PlanRequest, Policy, Profile, plan

#: Beside managed; `ideal` is the live rule with a car that is noticed at once, obeys at once and is as it says.
OTHERS: Final = ("unmanaged", "timer", "ideal", "evcc", "one_block", "two_blocks", "oracle")

_BLOCKS: Final = {"one_block": 1, "two_blocks": 2, "oracle": None}


class Bill(NamedTuple):
    """What one way of charging cost, emitted, and in how many blocks."""

    cost: float = 0.0
    carbon_g: float = 0.0
    blocks: int = 0

    def objective(self, carbon_price_per_tonne: float) -> float:
        """Cost with carbon priced in: what a plan minimises."""
        return self.cost + carbon_price_per_tonne * self.carbon_g * 1e-6


def bill(profile: Profile, curve: Curve) -> Bill:
    """A profile on what came true."""
    cost, carbon_g = curve.bill(profile)
    return Bill(cost, carbon_g, len(profile))


def others(stay: Stay, managed: Profile, outturn: Outturn, insight: Insight, curve: Curve) -> dict[str, Bill]:
    """Each of `OTHERS` but `ideal`, for the energy of `managed`, at the car's real power, without leak or delay.

    The three with foresight know every price and all carbon; the oracle uses any number of blocks: nothing beats it.
    """
    energy_kwh = sum(kwh for _, _, kwh in managed)
    zone = stay.registration.home_zone
    start, end, power_kw = stay.plugged_at, stay.end, stay.power_kw
    by = min(end, max(stay.ready_by, managed[-1][1])) if managed else end
    bills = {
        "unmanaged": bill(unmanaged(energy_kwh, power_kw, start, end), curve),
        "timer": bill(timer(energy_kwh, power_kw, start, end, zone), curve),
        "evcc": bill(evcc(stay, energy_kwh, insight), curve),
    }
    for way, most in _BLOCKS.items():
        hours = timedelta(hours=energy_kwh / power_kw)
        if start + hours >= by:
            bills[way] = bills["unmanaged"]
        else:
            request = PlanRequest(start, by, curve, energy_kwh, power_kw, policy=Policy(max_blocks=most))
            bills[way] = bill(plan(request).blocks, curve)
    return bills
