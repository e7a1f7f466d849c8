"""Who is commanded first when not all can be at once: releases, then starts, then stops, within every budget."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from agents.quotas import Quotas
from streams.contracts.base import account_of
from streams.contracts.command import Action, CommandEvent
from streams.domain.budget import Budget, Key, Rate
from streams.domain.reconcile import ControlState, Decision

#: Why a start is made that can wait for its turn; every other one keeps a promise or is the driver's word.
_CAN_WAIT: Final = frozenset({"in_block"})


class Wanted(NamedTuple):
    """A command that a car is due; in order of precedence."""

    rank: int
    slack_seconds: float
    car: str
    oem: str
    command: CommandEvent
    control: ControlState
    decision: Decision
    limit: datetime | None

    @property
    def urgent(self) -> bool:
        return self.rank == 0


def wanted(
    control: ControlState,
    decision: Decision,
    command: CommandEvent,
    oem: str,
    limit: datetime | None,
    margin: timedelta,
) -> Wanted:
    """The command with its rank; `limit` is the last safe start, within `margin` of which a start is a release."""
    slack = timedelta.max if limit is None else limit - command.at
    rank = {Action.START: 1, Action.WAKE: 1, Action.STOP: 2}.get(command.action, 3)
    if rank == 1 and (command.reason not in _CAN_WAIT or slack <= margin):
        rank = 0
    return Wanted(rank, slack.total_seconds(), command.car, oem, command, control, decision, limit)


class Turns:
    """Grants commands within the quotas of the OEMs and the pace at which a fleet may start."""

    def __init__(self, quotas: Quotas, partitions: int, starts_per_second: float) -> None:
        """`starts_per_second`: those that the plan asks for, over the whole fleet: more would shake the grid."""
        self._quotas = quotas
        pace = max(1.0, starts_per_second / partitions)
        self._pace = {("starts", "paced"): Rate(pace, pace)}

    def take(
        self, due: Iterable[Wanted], budget: Budget, not_before: Mapping[str, datetime], now: datetime
    ) -> Iterator[tuple[Wanted, datetime]]:
        """Each command, the most pressing first, with its instant: now if it may be made, else when to ask again.

        Those that wait stand in line: each asks again when the ones before it will have had their turn.
        """
        ahead: Counter[Key] = Counter()
        for one in sorted(due, key=lambda one: one[:3]):
            limits = self._limits(one)
            at = max(now + budget.wait(limits, now, ahead), not_before.get(account_of(one.car), now))
            if at <= now:
                budget.charge(limits, now)
            else:
                ahead.update(limits.keys())
            yield one, max(now, at)

    def _limits(self, one: Wanted) -> Mapping[Key, Rate]:
        limits = self._quotas.command(one.oem, one.car, one.command.action)
        return limits if one.rank != 1 else {**limits, **self._pace}
