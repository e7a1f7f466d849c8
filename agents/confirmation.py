"""commands and vehicle states -> what became of each command: confirmed by telemetry, contradicted, or unobservable."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any, Final

from agents.engine.stage import DAWN, Record, Stage, Work
from agents.metrics import Metrics
from streams.contracts.command import FINAL, Action, CommandEvent, CommandPhase
from streams.contracts.internal import Tick, TickPhase
from streams.contracts.lead import LeadTime
from streams.contracts.registration import Registration
from streams.contracts.vehicle import VehicleState
from streams.domain.confirm import judge
from streams.domain.leads import LEARNED, learned, quantile, worth_telling
from streams.topics import COMMAND, LEAD, REGISTRATION, TICK, VEHICLE
from tables import IN_FLIGHT, LESSONS
from tables.rows import InFlightRow, LessonRow

#: What may become of a stop that was sent, for machines.
VERDICTS: Final = frozenset({"obeyed", "ignored", "contradicted", "unobservable"})


def stage(window: timedelta, metrics: Metrics) -> Stage:
    """The stage, waiting `window` for fresh telemetry before it calls a command ignored or unobservable."""

    def step(work: Work) -> None:
        for record in work:
            if isinstance(record.value, Tick):
                if record.value.phase is TickPhase.CHECK:
                    work.attend(partial(_check, work, window=window, metrics=metrics))
            elif record.value is not None:
                _note(work, record, metrics)
            elif record.topic in {REGISTRATION.name, VEHICLE.name}:
                work.delete(IN_FLIGHT, record.key)
                work.due.set(record.key, None)

    return Stage(
        "confirmation",
        reads=(REGISTRATION, COMMAND, VEHICLE, TICK),
        writes=(COMMAND, LEAD),
        tables=(IN_FLIGHT, LESSONS),
        step=step,
        restore=_restore,
    )


def _note(work: Work, record: Record, metrics: Metrics) -> None:
    known = work.get(IN_FLIGHT, record.key)
    row = known or InFlightRow()
    match record.value:
        case Registration() as registration:
            row = row.model_copy(update={"model": registration.model})
        case CommandEvent() as command:
            row = _with_command(row, command, metrics)
        case VehicleState() as state:
            row = row.model_copy(update={"state": state})
    if row is known:
        return
    work.put(IN_FLIGHT, record.key, row)
    if row.command is not None and row.command.phase not in FINAL:
        work.due.set(record.key, DAWN)


def _with_command(row: InFlightRow, command: CommandEvent, metrics: Metrics) -> InFlightRow:
    """The row with a step of a command, unless a later command is known or this one is through."""
    known = row.command
    if known is not None and (
        known.decided_at > command.decided_at or (known.id == command.id and known.phase in FINAL)
    ):
        return row
    changed: dict[str, Any] = {"command": command}
    if command.phase is CommandPhase.SENDING:
        changed["sending_at"] = command.at
        if command.action is Action.STOP and row.stopped_session != command.session_id:
            changed["stopped_session"] = command.session_id
            _note_delay(row, command, metrics)
    return row.model_copy(update=changed)


def _note_delay(row: InFlightRow, stop: CommandEvent, metrics: Metrics) -> None:
    session = None if row.state is None else row.state.session
    if session is not None and session.id == stop.session_id:
        metrics.stop_delay.observe(max(0.0, (stop.at - session.seen_at).total_seconds()))


def _check(work: Work, car: str, window: timedelta, metrics: Metrics) -> None:
    row = work.get(IN_FLIGHT, car)
    if row is None or row.command is None or row.command.phase in FINAL:
        return
    verdict = judge(row.command, row.state, work.now, window)
    if verdict is None:
        work.due.set(car, max(row.command.at + window, work.now) + timedelta(seconds=1))
        return
    work.put(IN_FLIGHT, car, row.model_copy(update={"command": verdict}))
    work.send(COMMAND, car, verdict)
    oem = "unknown" if row.state is None else row.state.oem
    metrics.commands.labels(oem, verdict.action.value, verdict.phase.value).inc()
    if verdict.action is Action.STOP and verdict.detail in VERDICTS:
        metrics.stop_verdicts.labels(oem, verdict.detail).inc()
    _learn(work, row, verdict)


def _learn(work: Work, row: InFlightRow, verdict: CommandEvent) -> None:
    """How long the car took. One that was already so took no time, and one whose sending nobody saw, who knows."""
    command, state, sent_at = row.command, row.state, row.sending_at
    if verdict.phase is not CommandPhase.CONFIRMED or verdict.action not in LEARNED or row.model is None:
        return
    if command is None or command.detail == "already" or state is None or sent_at is None:
        return
    name = f"{state.oem}/{row.model}/{verdict.action}"
    lesson: LessonRow = work.get(LESSONS, name) or LessonRow()
    seconds = learned(lesson.seconds, (state.charge_at - sent_at).total_seconds())
    lesson = LessonRow(seconds=seconds, samples=lesson.samples + 1, told=lesson.told)
    if worth_telling(seconds, lesson.samples, lesson.told):
        told = LeadTime(
            oem=state.oem, model=row.model, action=verdict.action, partition=work.partition, samples=lesson.samples,
            median_seconds=quantile(seconds, 0.5), p90_seconds=quantile(seconds, 0.9), at=work.now,
        )  # fmt: skip
        lesson = lesson.model_copy(update={"told": told})
        work.broadcast(LEAD, f"{name}/{work.partition}", told)
    work.put(LESSONS, name, lesson)


def _restore(work: Work) -> None:
    for car, row in work.items(IN_FLIGHT):
        if row.command is not None and row.command.phase not in FINAL:
            work.due.set(car, DAWN)
