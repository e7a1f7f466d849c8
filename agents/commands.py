"""command intents -> the OEM: on the log as `sending` before the call and with its outcome after; never sent twice, never late."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agents.cars import Cars
from agents.clock import Clock
from agents.engine.stage import Lane, Stage, Work
from agents.metrics import Metrics
from oem_connectors.errors import Asleep, NotApplied, OemError, OutcomeUnknown, Throttled
from streams.contracts.base import account_of
from streams.contracts.command import CommandEvent, CommandPhase
from streams.contracts.registration import Registration
from streams.topics import COMMAND, REGISTRATION
from tables import OUTBOX
from tables.rows import OutboxRow


def stage(cars: Callable[[], Cars], clock: Clock, metrics: Metrics) -> Stage:
    """The stage. An intent found after a take-over is sent if still valid; a `sending` without outcome is unknown."""

    def step(work: Work) -> None:
        for record in work:
            row = work.get(OUTBOX, record.key) or OutboxRow()
            match record.value:
                case Registration() as registration:
                    work.put(OUTBOX, record.key, row.model_copy(update={"registration": registration}))
                case CommandEvent(phase=CommandPhase.INTENT) as intent if _is_new(row, intent):
                    work.put(OUTBOX, record.key, row.model_copy(update={"command": intent}))
                    work.spawn(account_of(intent.car), lambda lane, intent=intent: _send(lane, intent))
                case None if record.topic == REGISTRATION.name:
                    work.delete(OUTBOX, record.key)

    async def _send(lane: Lane, intent: CommandEvent) -> None:
        row = lane.get(OUTBOX, intent.car)
        if row is None or row.registration is None or row.command != intent:
            return
        if clock.now() > intent.not_after:
            await _report(lane, row.registration, intent, CommandPhase.EXPIRED, "not sent in time")
            return
        await _report(lane, row.registration, intent, CommandPhase.SENDING)
        phase, details = await _call(lane, row.registration, intent)
        await _report(lane, row.registration, intent, phase, **details)

    async def _call(
        lane: Lane, car: Registration, intent: CommandEvent
    ) -> tuple[CommandPhase, dict[str, Any]]:
        try:
            return CommandPhase.SENT, {"detail": await cars().command(lane.partition, car, intent)}
        except OutcomeUnknown:
            return CommandPhase.UNKNOWN, {"detail": "no answer"}
        except Throttled as error:
            retry_at = None if error.retry_after is None else clock.now() + error.retry_after
            return CommandPhase.FAILED, {"detail": "throttled", "retry_at": retry_at}
        except Asleep:
            return CommandPhase.FAILED, {"detail": "asleep"}
        except NotApplied as error:
            return CommandPhase.FAILED, {"detail": type(error).__name__.lower()}
        except OemError as error:
            return CommandPhase.FAILED, {"detail": type(error).__name__.lower()}

    async def _report(
        lane: Lane, car: Registration, intent: CommandEvent, phase: CommandPhase, detail: str | None = None,
        retry_at: Any = None,
    ) -> None:
        event = intent.model_copy(
            update={"phase": phase, "at": clock.now(), "detail": detail, "retry_at": retry_at}
        )
        await lane.commit(lambda work: _record(work, event))
        metrics.commands.labels(car.oem, event.action.value, phase.value).inc()

    def _restore(work: Work) -> None:
        for _, row in work.items(OUTBOX):
            command = row.command
            if command is None:
                continue
            if command.phase is CommandPhase.INTENT:
                work.spawn(account_of(command.car), lambda lane, intent=command: _send(lane, intent))
            elif command.phase is CommandPhase.SENDING:
                lost = {"phase": CommandPhase.UNKNOWN, "detail": "the sender stopped before the answer"}
                _record(work, command.model_copy(update=lost))

    return Stage(
        "commands", reads=(REGISTRATION, COMMAND), writes=(COMMAND,), tables=(OUTBOX,), step=step, restore=_restore
    )


def _is_new(row: OutboxRow, intent: CommandEvent) -> bool:
    known = row.command
    return known is None or (known.id != intent.id and known.decided_at <= intent.decided_at)


def _record(work: Work, event: CommandEvent) -> None:
    row = work.get(OUTBOX, event.car) or OutboxRow()
    work.put(OUTBOX, event.car, row.model_copy(update={"command": event}))
    work.send(COMMAND, event.car, event)


