"""How often cars of a model are read: what the maker allows and the cars bear, in the terms of the rule."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

from oem_connectors.base import Can, Connector, Quota
from streams.domain.polling import PollPolicy

#: Looking for plug-ins takes this part of a quota at most.
_LOOKS_SHARE: Final = 0.5
_DAY: Final = timedelta(days=1)
#: How rarely a car is read that tells by itself: to see whether it still does.
_RECONCILE: Final = timedelta(hours=6)
#: A car that tells by itself should have told what a command did by then.
_SILENCE: Final = timedelta(minutes=2)


def poll_policy(connector: Connector, model: str, grid: timedelta) -> PollPolicy:
    """How cars of this model are read."""
    if Can.STREAM in connector.capabilities(model):
        return PollPolicy(
            idle=_RECONCILE, soonest=_RECONCILE, rarest=_RECONCILE, plugged_waiting=_RECONCILE,
            after_change=_SILENCE, command_pending=_SILENCE, around_edge=(_SILENCE,), grid=grid,
        )  # fmt: skip
    usual, pace, limits = PollPolicy(grid=grid), connector.pace, connector.limits
    quotas = (limits.reads, limits.wakes if pace.reads_wake else None)
    idle = max((pace.idle, *(_mean_look(quota) for quota in quotas if quota is not None)))
    return replace(
        usual,
        idle=idle,
        soonest=max(usual.soonest, pace.plugged),
        rarest=max(usual.rarest, 3 * idle),
        plugged_waiting=max(usual.plugged_waiting, pace.plugged),
        charging=max(usual.charging, pace.plugged),
        after_change=max(usual.after_change, pace.plugged),
        command_pending=max(usual.command_pending, pace.plugged),
        sleeps_after=pace.sleeps_after,
        reads_wake=pace.reads_wake,
    )


def _mean_look(quota: Quota) -> timedelta:
    """Time between looks that use their part of the quota."""
    return min(_DAY, quota.per / (quota.calls * _LOOKS_SHARE))
