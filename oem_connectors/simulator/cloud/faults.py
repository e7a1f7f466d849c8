"""What goes wrong, when and for whom, as data: a script that hits the same cars and calls on every run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from oem_connectors.simulator.cloud.chance import chance


class FaultKind(StrEnum):
    """Kinds of trouble. Those from ASLEEP down befall commands only."""

    LATENCY = "latency"  # `delay_seconds` of real time before the answer
    OUTAGE = "outage"  # 503, nothing applied, tokens neither
    ERROR = "error"  # 500; half of the commands were applied all the same
    DROPPED = "dropped"  # applied, then the connection closes without an answer
    TOKEN_LOST = "token_lost"  # noqa: S105 - the token was rotated, then the connection closes
    ASLEEP = "asleep"  # "asleep", whatever the car does
    DUPLICATE = "duplicate"  # "another request is in flight": not applied
    NO_EFFECT = "no_effect"  # 200, and nothing happens


@dataclass(frozen=True, slots=True)
class Fault:
    """Trouble in [start, end) for a share of the cars (accounts, where no car is named) and their calls."""

    kind: FaultKind
    start: datetime
    end: datetime
    share_of_cars: float = 1.0
    share_of_calls: float = 1.0
    delay_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class FaultScript:
    """All the trouble of a run."""

    faults: Sequence[Fault] = ()

    def hitting(self, seed: int, whom: str, call_number: int, now: datetime) -> dict[FaultKind, Fault]:
        """The faults that befall this call. `call_number` counts the calls about this car or account."""
        hits: dict[FaultKind, Fault] = {}
        for place, fault in enumerate(self.faults):
            if (
                fault.start <= now < fault.end
                and chance(seed, place, whom) < fault.share_of_cars
                and chance(seed, place, whom, call_number) < fault.share_of_calls
            ):
                hits[fault.kind] = fault
        return hits
