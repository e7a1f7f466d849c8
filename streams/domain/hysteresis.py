"""Keep the plan that was announced unless something material changed: drivers rely on what they were told."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from math import ceil
from typing import Final

from streams.contracts.schedule import PlanReason, Schedule
from streams.domain.case import TOLERANCE_POINTS, Case, blocks_of, projected_pct
from streams.domain.ids import spread_seconds
from streams.domain.planner import Curve, Policy, Profile, plan

#: After the last block, a car short by more than this is topped up.
TOP_UP_POINTS: Final = 1.0
#: Cars report whole percents: less than this below the minimum is not below it.
LOW_POINTS: Final = 0.5

_MINUTE: Final = timedelta(minutes=1)
_PRICED: Final = {PlanReason.CHEAPEST, PlanReason.UNREACHABLE}
#: Which schedules may stay in force when the new one would have this reason.
_MAY_STAY: Final = {
    PlanReason.BOOST: {PlanReason.BOOST},
    PlanReason.UNREACHABLE: _PRICED,
    PlanReason.CHEAPEST: _PRICED,
    PlanReason.NO_FORECAST: {*_PRICED, PlanReason.NO_FORECAST},
}


def keeps(case: Case, reason: PlanReason, curve: Curve | None) -> bool:
    """Does the schedule in force stay, although the newest facts would give one with `reason`?"""
    old = case.schedule
    if old is None or not case.same_terms:
        return False
    if case.soc_pct is None or reason not in _MAY_STAY:
        return old.reason is reason
    if old.reason is PlanReason.AT_TARGET:
        return reason is not PlanReason.BOOST and case.target_pct - case.soc_pct <= TOLERANCE_POINTS
    if old.reason not in _MAY_STAY[reason] or _off_course(case, old, case.soc_pct):
        return False
    if reason is PlanReason.BOOST or _done(case, old):
        return True
    return old.ready_by == case.ready_by and not _worthwhile(case, reason, curve)


def missed_ready_by(case: Case) -> datetime | None:
    """The ready-by that passed before the car was full. Late beats another day: it stays the deadline."""
    old = case.schedule
    if old is None or old.ready_by is None or old.ready_by > case.now or not case.same_terms:
        return None
    if old.reason is PlanReason.AT_TARGET or case.soc_pct is None:
        return None
    short = case.target_pct - projected_pct(case, old, case.soc_pct) > TOP_UP_POINTS
    return old.ready_by if short or blocks_of(old, case.now) else None


def running_kwh(case: Case) -> float:
    """What is left of the cheap block that runs now: it is kept. One that runs for want of facts is not."""
    if case.schedule is None or case.schedule.reason is not PlanReason.CHEAPEST or not case.same_terms:
        return 0.0
    left = blocks_of(case.schedule, case.now)
    return left[0][2] if left and left[0][0] <= case.now else 0.0


def at_once_kwh(case: Case) -> float:
    """What does not wait for a better price: the rest of the running block, and what the minimum lacks.

    At least a block of the least length, so that a car that reports late is not sent one start after the other.
    """
    running = running_kwh(case)
    low = min(case.preference.min_soc_pct, case.target_pct) - (case.soc_pct or 0.0)
    if low < LOW_POINTS:
        return running
    block_kwh = case.rules.min_block / timedelta(hours=1) * case.power_kw
    return min(case.need_kwh, max(case.wall_kwh(low), block_kwh, running))


def cheapest(case: Case, curve: Curve, need_kwh: float, at_once_kwh: float) -> tuple[Profile, bool]:
    """The cheapest blocks, the car's own offset applied, and whether they are provisional.

    The offset keeps a fleet from switching at once. What already runs, or must at once, stays; the rest
    moves together, and only if that ends before the margin.
    """
    request = case.request(curve, need_kwh, at_once_kwh)
    best = plan(request)
    blocks = _exactly(best.blocks, need_kwh, case)
    widest = int(case.rules.edge_spread.total_seconds())
    offset = timedelta(seconds=spread_seconds(case.registration.car, case.session.id, spread=widest))
    if blocks[-1][1] + offset > case.ready_by - case.margin:
        return blocks, best.provisional
    stays = case.charging or at_once_kwh > 0
    moved = (b if stays and b[0] <= case.now else (b[0] + offset, b[1] + offset, b[2]) for b in blocks)
    return tuple(moved), best.provisional


def _exactly(profile: Profile, need_kwh: float, case: Case) -> Profile:
    """The profile of whole minutes, from now on, its end moved to the second at which the need is met."""
    blocks = [
        (max(start, case.now), end, kwh * ((end - max(start, case.now)) / (end - start)))
        for start, end, kwh in profile
        if end > case.now
    ]
    if not blocks:  # less than a minute is left, so there is nothing to choose
        return ((case.now, case.now + case.duration(need_kwh), need_kwh),)
    missing_kwh = need_kwh - sum(kwh for _, _, kwh in blocks)
    start, end, kwh = blocks[-1]
    seconds = ceil(missing_kwh * (end - start).total_seconds() / kwh - 1e-6)
    until = max(start, min(end + timedelta(seconds=seconds), max(end, case.ready_by)))
    if start < until:
        blocks[-1] = (start, until, kwh + missing_kwh)
    return tuple(blocks)


def _off_course(case: Case, old: Schedule, soc_pct: float) -> bool:
    end_pct = projected_pct(case, old, soc_pct)
    if abs(end_pct - case.target_pct) > TOLERANCE_POINTS:
        return True
    return not blocks_of(old, case.now) and case.target_pct - end_pct > TOP_UP_POINTS


def _done(case: Case, old: Schedule) -> bool:
    """Full but for rounding, and its ready-by has passed: no new plan for a last percent."""
    return old.ready_by is not None and old.ready_by <= case.now and not blocks_of(old, case.now)


def _worthwhile(case: Case, reason: PlanReason, curve: Curve | None) -> bool:
    """Would planning anew save enough on the energy that the old plan still charges?

    What the prices alone allow is asked first: no plan that keeps to the rules is cheaper, and it is quickly known.
    """
    old = case.schedule
    if old is None or curve is None or old.reason is not PlanReason.CHEAPEST or reason is not PlanReason.CHEAPEST:
        return False
    left, kept_kwh = blocks_of(old, case.now), at_once_kwh(case)
    left_kwh = sum(kwh for _, _, kwh in left)
    if left_kwh <= 0 or case.now < left[0][0] <= case.now + case.rules.edge_spread:
        return False  # a block that only waits for its offset is as good as running
    if kept_kwh > running_kwh(case) and left[0][0] > case.now:
        return True  # below the minimum, and the plan would wait
    if left_kwh <= kept_kwh:
        return False
    bar = curve.weigh(_after(left, kept_kwh)) - case.rules.worthwhile
    request = case.request(curve, left_kwh, kept_kwh)
    free = plan(replace(request, policy=Policy(max_blocks=None, margin=case.margin)))
    if curve.weigh(_after(free.blocks, kept_kwh)) >= bar:
        return False
    best, _ = cheapest(case, curve, left_kwh, kept_kwh)
    return curve.weigh(_after(best, kept_kwh)) < bar and not _same(best, left)


def _same(profile: Profile, other: Profile) -> bool:
    """Would a driver see no difference?"""
    edges, others = ([at for block in blocks for at in block[:2]] for blocks in (profile, other))
    return len(edges) == len(others) and all(abs(a - b) <= _MINUTE for a, b in zip(edges, others, strict=True))


def _after(profile: Profile, kwh: float) -> Profile:
    """What comes after the first `kwh` of a profile."""
    left: list[tuple[datetime, datetime, float]] = []
    for start, end, energy_kwh in profile:
        share = min(1.0, max(0.0, kwh) / energy_kwh)
        begin = start + (end - start) * share
        kwh -= energy_kwh * share
        if begin < end:
            left.append((begin, end, energy_kwh * (1 - share)))
    return tuple(left)
