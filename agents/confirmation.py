"""commands and vehicle states -> what became of each command: confirmed by telemetry, contradicted, or unobservable."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from agents.engine.stage import DAWN, Record, Stage, Work
from agents.metrics import Metrics
from streams.contracts.command import FINAL, CommandEvent
from streams.contracts.internal import Tick, TickPhase
from streams.contracts.vehicle import VehicleState
from streams.domain.confirm import judge
from streams.topics import COMMAND, TICK, VEHICLE
from tables import IN_FLIGHT
from tables.rows import InFlightRow


def stage(window: timedelta, metrics: Metrics) -> Stage:
    """The stage, waiting `window` for fresh telemetry before it calls a command ignored or unobservable."""

    def step(work: Work) -> None:
        for record in work:
            if isinstance(record.value, Tick):
                if record.value.phase is TickPhase.CHECK:
                    work.attend(partial(_check, work, window=window, metrics=metrics))
            elif record.value is not None:
                _note(work, record)
            elif record.topic == VEHICLE.name:
                work.delete(IN_FLIGHT, record.key)
                work.due.set(record.key, None)

    return Stage(
        "confirmation",
        reads=(COMMAND, VEHICLE, TICK),
        writes=(COMMAND,),
        tables=(IN_FLIGHT,),
        step=step,
        restore=_restore,
    )


def _note(work: Work, record: Record) -> None:
    row = work.get(IN_FLIGHT, record.key) or InFlightRow()
    message = record.value
    if isinstance(message, CommandEvent):
        known = row.command
        if known is not None and (
            known.decided_at > message.decided_at or (known.id == message.id and known.phase in FINAL)
        ):
            return
        row = row.model_copy(update={"command": message})
    elif isinstance(message, VehicleState):
        row = row.model_copy(update={"state": message})
    work.put(IN_FLIGHT, record.key, row)
    if row.command is not None and row.command.phase not in FINAL:
        work.due.set(record.key, DAWN)


def _check(work: Work, car: str, window: timedelta, metrics: Metrics) -> None:
    row = work.get(IN_FLIGHT, car)
    if row is None or row.command is None or row.command.phase in FINAL:
        return
    verdict = judge(row.command, row.state, work.now, window)
    if verdict is not None:
        work.put(IN_FLIGHT, car, row.model_copy(update={"command": verdict}))
        work.send(COMMAND, car, verdict)
        oem = "unknown" if row.state is None else row.state.oem
        metrics.commands.labels(oem, verdict.action.value, verdict.phase.value).inc()
    else:
        work.due.set(car, max(row.command.at + window, work.now) + timedelta(seconds=1))


def _restore(work: Work) -> None:
    for car, row in work.items(IN_FLIGHT):
        if row.command is not None and row.command.phase not in FINAL:
            work.due.set(car, DAWN)
