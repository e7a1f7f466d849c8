"""The last command of a car and how far its sending has come: every change of the outbox row, as data."""

from __future__ import annotations

from datetime import datetime, timedelta

from agents.engine.stage import Lane, Work
from streams.contracts.command import Action, CommandEvent, CommandPhase
from streams.contracts.plug_event import PlugEvent, PlugEventKind
from streams.domain.attempt import ASLEEP
from streams.domain.ids import stable_id
from streams.domain.outcome import NO_TRY, SWITCHES
from streams.topics import COMMAND
from tables import OUTBOX
from tables.rows import OutboxRow

#: A release of our own is not sent later than this: the car may have been driven meanwhile.
RELEASE_WITHIN = timedelta(minutes=15)
#: One that came to nothing is asked for again after this, then twice, and so on to ten times this.
RELEASE_AGAIN = timedelta(minutes=1)
CONSENT_LOST, CONSENT_IN_DOUBT, ERASED = "consent_lost", "consent_in_doubt", "erased"
_RELEASED_FOR = frozenset({CONSENT_LOST, CONSENT_IN_DOUBT})
_STOPS = frozenset({CommandPhase.SENT, CommandPhase.UNKNOWN})
_UNDER_WAY = frozenset({CommandPhase.INTENT, CommandPhase.SENDING})
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
    row = row.model_copy(update={"command": intent, "released": _released(row, intent)})
    work.put(OUTBOX, intent.car, row)
    work.due.set(intent.car, release_again_at(row))
    return True


def record(work: Work, event: CommandEvent) -> None:
    """Note a step of a command and tell it. What a newer command has replaced unsent takes no step."""
    row = work.get(OUTBOX, event.car)
    if row is None or row.leaving:
        return  # erased while it was sent
    known = row.command
    if known is not None and known.id == event.id:
        update = {
            "command": event,
            "stopped": _stopped(row, event),
            "released": _released(row, event),
            "scheduled": _scheduled(row, event),
        }
        row = row.model_copy(update=update)
        work.put(OUTBOX, event.car, row)
        work.due.set(event.car, release_again_at(row))
    elif event.phase is CommandPhase.SENDING:
        return
    work.send(COMMAND, event.car, event)


def may_hold(lane: Lane, car: str) -> bool:
    """Whether a stop of ours may keep the car from charging."""
    row = lane.get(OUTBOX, car)
    return row is not None and row.stopped is not None


def release(stop: CommandEvent, now: datetime, reason: str, last: CommandEvent | None = None) -> CommandEvent:
    """The intent that undoes a stop of ours, after `last`: a car that sleeps is woken first."""
    at, attempt = max(now, stop.at), 1 if last is None else last.attempt + 1
    return stop.model_copy(
        update={
            "id": stable_id(stop.id, "release", attempt),
            "action": Action.START if last is None or not _slept(last) else Action.WAKE,
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


def release_again_at(row: OutboxRow) -> datetime | None:
    """When to go on with a release that has not come to its end; None when nothing more is to be done."""
    last = row.released
    if row.stopped is None or last is None:
        return None
    if _slept(last):
        return last.at
    replaced = last.phase in _UNDER_WAY and (row.command is None or row.command.id != last.id)
    refused = last.phase is CommandPhase.FAILED and last.detail in NO_TRY
    woken = last.action is Action.WAKE and last.phase not in _UNDER_WAY
    if not (replaced or refused or woken or last.phase is CommandPhase.UNKNOWN):
        return None
    return last.retry_at or last.at + RELEASE_AGAIN * min(last.attempt, 10)


def _slept(release: CommandEvent) -> bool:
    return release.action is Action.START and release.phase is CommandPhase.FAILED and release.detail == ASLEEP


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
            # One before it may hold the car, and does so still when this one comes to nothing.
            return known if known is not None and known.session_id == event.session_id else event
        case Action.STOP if event.phase in _STOPS:
            return event
        case Action.STOP if event.phase in _NOT_SENT and known is not None and known.id == event.id:
            return None
        case Action.START if event.phase is CommandPhase.SENT:
            return None
    return known


def _released(row: OutboxRow, event: CommandEvent) -> CommandEvent | None:
    """The last step of a release, after this step. A start ends it, and another stop asks for another."""
    if event.phase is CommandPhase.SENT and event.action in SWITCHES:
        return None
    return event if event.reason in _RELEASED_FOR else row.released
