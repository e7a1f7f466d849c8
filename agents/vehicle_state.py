"""telemetry -> vehicle state: the newest word on every field, and whether the cable is in. The hot path."""

from __future__ import annotations

from agents.engine.stage import Stage, Work
from streams.domain.vehicle import fold
from streams.topics import REGISTRATION, TELEMETRY, VEHICLE
from tables import VEHICLES


def step(work: Work) -> None:
    """Fold each reading into its car; a reading that says nothing new ends here."""
    for record in work:
        if record.topic == REGISTRATION.name:
            if record.value is None:
                _forget(work, record.key)
            continue
        before = work.get(VEHICLES, record.key)
        after = fold(before, record.value)
        if after is not before:
            work.put(VEHICLES, record.key, after)
            work.send(VEHICLE, record.key, after)


def _forget(work: Work, car: str) -> None:
    """The car was erased; all who read its state learn of it by the tombstone."""
    if work.get(VEHICLES, car) is not None:
        work.delete(VEHICLES, car)
        work.send(VEHICLE, car, None)


STAGE = Stage("vehicle_state", reads=(REGISTRATION, TELEMETRY), writes=(VEHICLE,), tables=(VEHICLES,), step=step)
