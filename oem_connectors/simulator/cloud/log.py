"""What really happened: every call and every change of a car, append-only. Judges read nothing else."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Who(StrEnum):
    """Who changed the car."""

    COMMAND = "command"
    CAR = "car"
    SCHEDULE = "schedule"  # the one in the car; a command id names who wrote it there
    DRIVER = "driver"
    APP = "app"  # another one


class What(StrEnum):
    """How the car changed."""

    PLUGGED = "plugged"
    UNPLUGGED = "unplugged"
    STARTED = "started"
    STOPPED = "stopped"
    FULL = "full"
    ASLEEP = "asleep"
    AWAKE = "awake"


@dataclass(frozen=True, slots=True)
class Cause:
    """Who did it; for a command its id and the desired state it served, as its headers named them."""

    who: Who
    command_id: str = ""
    plan: str = ""


BY_CAR = Cause(Who.CAR)
BY_DRIVER = Cause(Who.DRIVER)
BY_APP = Cause(Who.APP)


@dataclass(frozen=True, slots=True)
class CallEntry:
    """One HTTP call as the cloud saw it. Status 0: the connection was dropped without an answer."""

    at: datetime
    account: str
    endpoint: str
    status: int


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one car. `stay` counts its stays from 0."""

    at: datetime
    car: str
    stay: int
    what: What
    cause: Cause
    soc_pct: float


@dataclass(frozen=True, slots=True)
class Metered:
    """Wall energy of one car in [start, end): constant power, or less than a quarter of an hour."""

    start: datetime
    end: datetime
    energy_kwh: float
    car: str
    stay: int


@dataclass(slots=True)
class Log:
    """Append-only lists, each in the order in which things became known."""

    calls: list[CallEntry] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    metered: list[Metered] = field(default_factory=list)

    def calls_by_endpoint(self) -> Counter[tuple[str, int]]:
        """Number of calls per (endpoint, status)."""
        return Counter((call.endpoint, call.status) for call in self.calls)

    def energy_by_stay(self) -> dict[tuple[str, int], float]:
        """Wall energy in kWh per (car, stay)."""
        total: dict[tuple[str, int], float] = {}
        for piece in self.metered:
            key = piece.car, piece.stay
            total[key] = total.get(key, 0.0) + piece.energy_kwh
        return total

    def effective(self) -> list[Change]:
        """Every start and stop by command that changed its car, in time order per car."""
        return [change for change in self._switches() if change.cause.who is Who.COMMAND]

    def duplicate_effective(self) -> list[Change]:
        """Effective commands that should not have been.

        A second effective start (or stop) in one stay is a duplicate when it bears the same command id, or
        when it serves the same desired state (`X-Plan`) and nothing but commands switched the car in between:
        repeating a command that the car or its driver undid is a repair.
        """
        ids: set[tuple[str, int, What, str]] = set()
        plans: defaultdict[tuple[str, int], set[tuple[What, str]]] = defaultdict(set)
        found: list[Change] = []
        for change in self._switches():
            cause, in_force = change.cause, plans[change.car, change.stay]
            if cause.who is not Who.COMMAND:
                in_force.clear()
                continue
            by_id, by_plan = (change.car, change.stay, change.what, cause.command_id), (change.what, cause.plan)
            if (cause.command_id and by_id in ids) or (cause.plan and by_plan in in_force):
                found.append(change)
            ids.add(by_id)
            in_force.add(by_plan)
        return found

    def _switches(self) -> Iterator[Change]:
        switches = (change for change in self.changes if change.what in {What.STARTED, What.STOPPED})
        yield from sorted(switches, key=lambda change: (change.car, change.at))


def energy_in(metered: Sequence[Metered], start: datetime, end: datetime) -> float:
    """Wall energy in kWh that fell into [start, end). Exact for edges on quarters of an hour."""
    total = 0.0
    for piece in metered:
        overlap = (min(piece.end, end) - max(piece.start, start)).total_seconds()
        if overlap > 0:
            total += piece.energy_kwh * overlap / (piece.end - piece.start).total_seconds()
    return total
