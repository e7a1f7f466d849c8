"""command intents -> the OEM: `sending` is on the log before the call, the outcome after; never twice, never late."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import NamedTuple

from agents.cars import Cars
from agents.clock import Clock
from agents.engine.stage import Lane, Stage, Work
from agents.failpoints import reach
from agents.metrics import Metrics
from oem_connectors.errors import Asleep, OemError, OutcomeUnknown, Throttled
from streams.contracts.base import account_of
from streams.contracts.command import CommandEvent, CommandPhase
from streams.contracts.registration import Registration
from streams.topics import COMMAND, REGISTRATION
from tables import OUTBOX
from tables.rows import OutboxRow


def stage(cars: Callable[[], Cars], clock: Clock, metrics: Metrics) -> Stage:
    """The stage, sending with `cars`."""
    sender = Sender(cars, clock, metrics)
    return Stage(
        "commands",
        reads=(REGISTRATION, COMMAND),
        writes=(COMMAND,),
        tables=(OUTBOX,),
        step=sender.step,
        restore=sender.restore,
    )


class Outcome(NamedTuple):
    """What the OEM said to a command."""

    phase: CommandPhase
    detail: str | None = None
    retry_at: datetime | None = None


class Sender:
    """Sends each intent once. The outbox row says how far a sending has come, so that a new owner knows."""

    def __init__(self, cars: Callable[[], Cars], clock: Clock, metrics: Metrics) -> None:
        self._cars = cars
        self._clock = clock
        self._metrics = metrics

    def step(self, work: Work) -> None:
        """Take intents; what this stage itself has reported is passed over."""
        for record in work:
            row = work.get(OUTBOX, record.key) or OutboxRow()
            match record.value:
                case Registration() as registration:
                    work.put(OUTBOX, record.key, row.model_copy(update={"registration": registration}))
                case CommandEvent(phase=CommandPhase.INTENT) as intent if _is_new(row, intent):
                    work.put(OUTBOX, record.key, row.model_copy(update={"command": intent}))
                    work.spawn(account_of(intent.car), partial(self._send, intent=intent))
                case None if record.topic == REGISTRATION.name:
                    work.delete(OUTBOX, record.key)

    def restore(self, work: Work) -> None:
        """After a take-over: an intent is sent if still valid, a `sending` without an outcome is unknown."""
        for _, row in work.items(OUTBOX):
            command = row.command
            if command is None:
                continue
            if command.phase is CommandPhase.INTENT:
                work.spawn(account_of(command.car), partial(self._send, intent=command))
            elif command.phase is CommandPhase.SENDING:
                lost = {"phase": CommandPhase.UNKNOWN, "detail": "the sender stopped before the answer"}
                _record(work, command.model_copy(update=lost))

    async def _send(self, lane: Lane, intent: CommandEvent) -> None:
        row = lane.get(OUTBOX, intent.car)
        if row is None or row.registration is None or row.command != intent:
            return
        car = row.registration
        if self._now(intent) > intent.not_after:
            await self._report(lane, car, intent, Outcome(CommandPhase.EXPIRED, "not sent in time"))
            return
        reach("command.taken")
        await self._report(lane, car, intent, Outcome(CommandPhase.SENDING))
        reach("command.sending")
        outcome = await self._call(lane, car, intent)
        reach("command.answered")
        await self._report(lane, car, intent, outcome)
        reach("command.written")

    async def _call(self, lane: Lane, car: Registration, intent: CommandEvent) -> Outcome:
        try:
            return Outcome(CommandPhase.SENT, await self._cars().command(lane.partition, car, intent))
        except OutcomeUnknown:
            return Outcome(CommandPhase.UNKNOWN, "no answer")
        except Throttled as error:
            wait = error.retry_after
            return Outcome(CommandPhase.FAILED, "throttled", None if wait is None else self._now(intent) + wait)
        except Asleep:
            return Outcome(CommandPhase.FAILED, "asleep")
        except OemError as error:
            return Outcome(CommandPhase.FAILED, type(error).__name__.lower())

    def _now(self, intent: CommandEvent) -> datetime:
        """Never before the intent: after a take-over, a clock that follows the log may not have seen a tick yet."""
        return max(self._clock.now(), intent.at)

    async def _report(self, lane: Lane, car: Registration, intent: CommandEvent, outcome: Outcome) -> None:
        event = intent.model_copy(update={**outcome._asdict(), "at": self._now(intent)})
        await lane.commit(lambda work: _record(work, event))
        self._metrics.commands.labels(car.oem, event.action.value, event.phase.value).inc()


def _is_new(row: OutboxRow, intent: CommandEvent) -> bool:
    known = row.command
    return known is None or (known.id != intent.id and known.decided_at <= intent.decided_at)


def _record(work: Work, event: CommandEvent) -> None:
    row = work.get(OUTBOX, event.car)
    if row is None:
        return  # erased while it was sent
    known = row.command
    if known is None or known.id == event.id or known.decided_at <= event.decided_at:
        work.put(OUTBOX, event.car, row.model_copy(update={"command": event}))
    work.send(COMMAND, event.car, event)
