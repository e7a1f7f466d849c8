"""The same energy charged at once, by a timer, or with perfect foresight: what a saving is measured by."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from streams.domain.planner import CostSlot, PlanRequest, Profile, plan
from streams.domain.ready import next_local


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
    at: time = time(0, 30),
    until: time = time(6),
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
    """The cheapest way within [start, end], knowing every price. `carbon_price` in currency per tonne."""
    if energy_kwh > power_kw * ((end - start) / timedelta(hours=1)):
        return unmanaged(energy_kwh, power_kw, start, end)
    best = plan(
        PlanRequest(
            now=start,
            ready_by=end,
            slots=tuple(slots),
            need_kwh=energy_kwh,
            min_need_kwh=0,
            power_kw=power_kw,
            carbon_price_per_tonne=carbon_price,
            charging_now=False,
            margin=timedelta(0),
        )
    )
    return best.blocks
