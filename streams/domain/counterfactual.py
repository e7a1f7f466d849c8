"""The same energy charged at once, by a timer, or with perfect foresight: what a saving is measured by."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict

from streams.contracts.registration import Registration
from streams.domain.planner import CostSlot, Curve, PlanRequest, Policy, Profile, plan
from streams.domain.ready import next_local

#: A timer as drivers set it: from half past midnight on; at once for who comes home before six.
TIMER_AT: Final = time(0, 30)
TIMER_UNTIL: Final = time(6)


class Baseline(BaseModel):
    """What the car would have done without us, written down when the cable goes in and never defined anew.

    Energies from a state of charge rest on it as well, and so do the curves that the session is priced by.
    """

    model_config = ConfigDict(frozen=True)

    usable_kwh: float
    power_kw: float
    efficiency: float
    home_zone: str
    tariff: str
    region: str
    timer_at: time
    timer_until: time

    @classmethod
    def of(cls, registration: Registration) -> Baseline:
        """By the registration in force."""
        return cls(
            usable_kwh=registration.usable_kwh,
            power_kw=registration.power_kw,
            efficiency=registration.efficiency,
            home_zone=registration.home_zone,
            tariff=registration.tariff,
            region=registration.region,
            timer_at=TIMER_AT,
            timer_until=TIMER_UNTIL,
        )


def unmanaged(energy_kwh: float, power_kw: float, start: datetime, end: datetime) -> Profile:
    """Everything from plug-in at the car's power; faster than that only if it had to fit before `end`."""
    if energy_kwh <= 0 or end <= start:
        return ()
    return ((start, min(end, start + timedelta(hours=energy_kwh / power_kw)), energy_kwh),)


def timer(
    energy_kwh: float,
    power_kw: float,
    start: datetime,
    end: datetime,
    zone: str,
    at: time = TIMER_AT,
    until: time = TIMER_UNTIL,
) -> Profile:
    """From the local time `at` on; at once when plugged in between `at` and `until`.

    A timer does not know the departure: what does not fit after it is charged from plug-in, as a driver who sees
    that would have it. So the energy is always delivered in full.
    """
    if energy_kwh >= power_kw * ((end - start) / timedelta(hours=1)):
        return unmanaged(energy_kwh, power_kw, start, end)
    local = start.astimezone(ZoneInfo(zone)).time()
    begin = start if at <= local < until else next_local(at, zone, start - timedelta(microseconds=1))
    room_kwh = max(0.0, (end - begin) / timedelta(hours=1) * power_kw)
    later_kwh = min(energy_kwh, room_kwh)
    before = unmanaged(energy_kwh - later_kwh, power_kw, start, end)
    return before + unmanaged(later_kwh, power_kw, begin, end)


def oracle(
    energy_kwh: float,
    power_kw: float,
    start: datetime,
    end: datetime,
    slots: Sequence[CostSlot],
    carbon_price: float,
) -> Profile:
    """The cheapest way within [start, end], knowing every price, in any number of blocks: what nothing can beat.

    `carbon_price` in currency per tonne.
    """
    if energy_kwh > power_kw * ((end - start) / timedelta(hours=1)):
        return unmanaged(energy_kwh, power_kw, start, end)
    best = plan(
        PlanRequest(
            now=start,
            ready_by=end,
            curve=Curve.of(slots, carbon_price),
            need_kwh=energy_kwh,
            power_kw=power_kw,
            policy=Policy(max_blocks=None),
        )
    )
    return best.blocks
