"""The last command of a car and how far its sending has come: every change of the outbox row, as data."""

from __future__ import annotations

from datetime import datetime, timedelta

from agents.engine.stage import Work
from streams.contracts.command import Action, CommandEvent, CommandPhase
from streams.contracts.plug_event import PlugEvent, PlugEventKind
from streams.domain.ids import stable_id
from streams.domain.outcome import NO_TRY
from streams.topics import COMMAND
from tables import OUTBOX
from tables.rows import OutboxRow

#: A release of our own is not sent later than this: the car may have been driven meanwhile.
RELEASE_WITHIN = timedelta(minutes=15)
#: One that failed because the cloud could not take it is asked for again after this.
RELEASE_AGAIN = timedelta(minutes=1)
CONSENT_LOST, ERASED = "consent_lost", "erased"
_NOT_SENT = frozenset({CommandPhase.FAILED, CommandPhase.EXPIRED})


def take(work: Work, intent: CommandEvent) -> bool:
    """Put a new intent in the place of the last command. One that was not sent by then never is."""
    row = work.get(OUTBOX, intent.car) or OutboxRow()
    known = row.command
    if row.leaving or (known is not None and (known.id == intent.id or known.decided_at > intent.decided_at)):
        return False
    if known is not None and known.phase is CommandPhase.INTENT:
        update = {"phase": CommandPhase.EXPIRED, "detail": "superseded", "at": intent.at}
        work.send(COMMAND, intent.car, known.model_copy(update=update))
    work.put(OUTBOX, intent.car, row.model_copy(update={"command": intent}))
    return True


def record(work: Work, event: CommandEvent) -> None:
    """Note a step of a command and tell it. What a newer command has replaced unsent takes no step."""
    row = work.get(OUTBOX, event.car)
    if row is None or row.leaving:
        return  # erased while it was sent
    known = row.command
    if known is not None and known.id == event.id:
        update = {"command": event, "stopped": _stopped(row, event), "scheduled": _scheduled(row, event)}
        work.put(OUTBOX, event.car, row.model_copy(update=update))
        work.due.set(event.car, release_again_at(event))
    elif event.phase is CommandPhase.SENDING:
        return
    work.send(COMMAND, event.car, event)


def release(stop: CommandEvent, now: datetime, reason: str, attempt: int = 1) -> CommandEvent:
    """The intent that undoes a stop of ours."""
    at = max(now, stop.at)
    return stop.model_copy(
        update={
            "id": stable_id(stop.id, "release", attempt),
            "action": Action.START,
            "phase": CommandPhase.INTENT,
            "attempt": attempt,
            "at": at,
            "decided_at": at,
            "not_after": at + RELEASE_WITHIN,
            "reason": reason,
            "detail": None,
            "retry_at": None,
        }
    )


def release_again_at(command: CommandEvent) -> datetime | None:
    """When to ask once more for a start that we owe since consent was lost: the OEM's cloud could not take it."""
    if command.reason != CONSENT_LOST or command.phase is not CommandPhase.FAILED or command.detail not in NO_TRY:
        return None
    return command.retry_at or command.at + RELEASE_AGAIN


def leave(work: Work, car: str) -> bool:
    """Forget a car, unless we have changed it: then it is only marked, so that this is undone first. True then."""
    row = work.get(OUTBOX, car)
    if row is None:
        return False
    if row.registration is None or (row.stopped is None and row.scheduled is None):
        work.delete(OUTBOX, car)
        return False
    work.put(OUTBOX, car, row.model_copy(update={"leaving": True}))
    return True


def plug_event(work: Work, event: PlugEvent) -> None:
    """The stay in which we stopped the car is over: nothing of ours holds it any more."""
    row = work.get(OUTBOX, event.car)
    if row is None or row.stopped is None:
        return
    same = row.stopped.session_id == event.session_id
    if same is (event.kind is PlugEventKind.UNPLUGGED) and event.observed_at >= row.stopped.at:
        work.put(OUTBOX, event.car, row.model_copy(update={"stopped": None}))


def forget(work: Work, car: str) -> None:
    """The farewell is said; a car that came back meanwhile stays."""
    row = work.get(OUTBOX, car)
    if row is not None and row.leaving:
        work.delete(OUTBOX, car)


def _scheduled(row: OutboxRow, event: CommandEvent) -> CommandEvent | None:
    """The start of ours that may stand in the car, after this step."""
    match event.action:
        case Action.SCHEDULE if event.phase is CommandPhase.SENDING:
            return event
        case Action.UNSCHEDULE if event.phase is CommandPhase.SENT:
            return None
    return row.scheduled


def farewells(row: OutboxRow, now: datetime) -> list[CommandEvent]:
    """What undoes our changes to a car that is erased: a start if we may hold it, its schedule taken back."""
    undo = [] if row.stopped is None else [release(row.stopped, now, ERASED)]
    if row.scheduled is not None and row.scheduled.start_at is not None and row.scheduled.start_at > now:
        taken_back = {"action": Action.UNSCHEDULE, "start_at": None}
        undo.append(release(row.scheduled, now, ERASED).model_copy(update=taken_back))
    return undo


def _stopped(row: OutboxRow, event: CommandEvent) -> CommandEvent | None:
    """The stop of ours that may hold the car, after this step."""
    known = row.stopped
    match event.action:
        case Action.STOP if event.phase is CommandPhase.SENDING:
            return event
        case Action.STOP if event.phase in _NOT_SENT and known is not None and known.id == event.id:
            return None
        case Action.START if event.phase is CommandPhase.SENT:
            return None
    return known
