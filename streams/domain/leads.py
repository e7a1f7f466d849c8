"""How long cars take to obey, and so how much earlier they are told: learned from what confirmed commands took.

A sample ends with the first reading that shows the effect, so it is an upper bound: sooner by up to one poll.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import Final

from streams.contracts.command import Action
from streams.contracts.lead import LeadTime


@dataclass(frozen=True, slots=True)
class Leads:
    """From sending a command to its effect, for cars of one OEM and model: nine in ten are faster."""

    start: timedelta = timedelta(0)
    stop: timedelta = timedelta(0)
    wake: timedelta = timedelta(0)


#: Nothing learned yet.
NO_LEADS: Final = Leads()
#: What commands take is learned for these.
LEARNED: Final = frozenset({Action.START, Action.STOP, Action.WAKE})
#: The newest samples count; fewer than `FEW` say nothing.
KEPT: Final = 64
FEW: Final = 5
#: Said again once nine in ten moved by more than this, and after so many more samples.
MOVED_SECONDS: Final = 5.0
AGAIN: Final = 100


def learned(samples: Sequence[float], seconds: float) -> tuple[float, ...]:
    """The newest samples, in seconds, with one more."""
    return (*samples, max(0.0, seconds))[-KEPT:]


def quantile(samples: Sequence[float], share: float) -> float:
    """The least sample that `share` of them do not exceed: outliers move it little."""
    return sorted(samples)[max(0, ceil(share * len(samples)) - 1)]


def worth_telling(samples: Sequence[float], count: int, told: LeadTime | None) -> bool:
    """Is what `count` samples taught, the newest of them `samples`, news after `told`?"""
    if len(samples) < FEW:
        return False
    if told is None or count - told.samples >= AGAIN:
        return True
    return abs(quantile(samples, 0.9) - told.p90_seconds) > MOVED_SECONDS


def combined(told: Iterable[LeadTime]) -> Leads:
    """What all partitions say of one OEM and model, weighted by their samples."""
    sums: dict[Action, tuple[float, int]] = {}
    for lead in told:
        seconds, samples = sums.get(lead.action, (0.0, 0))
        sums[lead.action] = seconds + lead.p90_seconds * lead.samples, samples + lead.samples
    return Leads(_mean(sums, Action.START), _mean(sums, Action.STOP), _mean(sums, Action.WAKE))


def _mean(sums: Mapping[Action, tuple[float, int]], action: Action) -> timedelta:
    seconds, samples = sums.get(action, (0.0, 1))
    return timedelta(seconds=seconds / samples)
