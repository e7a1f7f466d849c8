"""One car behind its maker's cloud in virtual time, without HTTP: what a call meets and what it answers."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from oem_connectors.simulator.cloud import wire
from oem_connectors.simulator.cloud.budgets import Budgets
from oem_connectors.simulator.cloud.car import SimCar
from oem_connectors.simulator.cloud.log import Cause, Log, Who
from oem_connectors.simulator.cloud.states import Reply
from oem_connectors.simulator.cloud.truth import Truth
from streams.contracts.command import CommandEvent, CommandPhase


class Answer(NamedTuple):
    """What a command comes back with, as the commands stage reports it."""

    phase: CommandPhase
    detail: str | None = None
    retry_at: datetime | None = None


_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_FAILED, _SENT = CommandPhase.FAILED, CommandPhase.SENT
_ANSWERS = {
    Reply.ACCEPTED: Answer(_SENT),
    Reply.ALREADY: Answer(_SENT, "already"),
    Reply.ASLEEP: Answer(_FAILED, "asleep"),
    Reply.BUSY: Answer(_FAILED, "unavailable"),
    Reply.NOT_PLUGGED: Answer(_FAILED, "rejected"),
    Reply.UNSUPPORTED: Answer(_FAILED, "rejected"),
    Reply.NOT_FUTURE: Answer(_FAILED, "rejected"),
}


@dataclass(slots=True)
class Trouble:
    """What goes wrong with the next calls. Counts are spent, one per command."""

    outage_until: datetime = _LONG_AGO
    throttled_until: datetime = _LONG_AGO
    lost_answers: int = 0  # applied, but nobody hears of it
    lost_requests: int = 0  # not applied, and nobody hears of it
    asleep: int = 0  # "asleep", whatever the car does
    no_effect: int = 0  # accepted, and nothing happens


@dataclass
class Cloud:
    """The cloud of one car. `calls` are those it counted against the account's quota, reads and commands apart."""

    car: SimCar
    born: datetime
    seed: int = 1
    trouble: Trouble = field(default_factory=Trouble)
    calls: list[tuple[datetime, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.log = Log()
        self.truth = Truth(self.car, self.log, self.seed, self.born)
        self._budgets = Budgets()
        self.refused = 0

    def reachable(self, now: datetime) -> bool:
        """Nothing general is wrong."""
        return now >= max(self.trouble.outage_until, self.trouble.throttled_until)

    def read(self, now: datetime) -> dict[str, Any] | None:
        """The answer of the state endpoint, None where none comes."""
        if not self.reachable(now) or self._over(now, "read"):
            return None
        sample = self.truth.sample(now)
        body: dict[str, Any] = json.loads(wire.state(self.car, sample, now, len(self.calls)))
        return body

    def command(self, intent: CommandEvent, now: datetime) -> Answer:
        """Take a command."""
        trouble = self.trouble
        if now < trouble.outage_until:
            return Answer(_FAILED, "unavailable")
        if now < trouble.throttled_until:
            return Answer(_FAILED, "throttled", trouble.throttled_until)
        if self._over(now, "command"):
            return Answer(_FAILED, "throttled")
        for name, answer in _PRETENCES.items():
            if getattr(trouble, name):
                setattr(trouble, name, getattr(trouble, name) - 1)
                return answer
        cause = Cause(Who.COMMAND, intent.id, intent.serves or "")
        reply = self.truth.command(intent.action, now, cause, intent.start_at)
        if trouble.lost_answers:
            trouble.lost_answers -= 1
            return Answer(CommandPhase.UNKNOWN, "no answer")
        return _ANSWERS[reply]

    def _over(self, now: datetime, kind: str) -> bool:
        """Count a call. Is it beyond the quota?"""
        self.calls.append((now, kind))
        over = self._budgets.take(self.car.account, now, command=kind == "command") is not None
        self.refused += over
        return over


_PRETENCES = {
    "lost_requests": Answer(CommandPhase.UNKNOWN, "no answer"),
    "asleep": _ANSWERS[Reply.ASLEEP],
    "no_effect": _ANSWERS[Reply.ACCEPTED],
}
