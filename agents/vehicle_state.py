"""telemetry -> vehicle state: the newest word on every field, and whether the cable is in. The hot path."""

from __future__ import annotations

from agents.engine.stage import Stage, Work
from streams.domain.vehicle import fold
from streams.topics import TELEMETRY, VEHICLE
from tables import VEHICLES


def step(work: Work) -> None:
    """Fold each reading into its car; a reading that says nothing new ends here."""
    for record in work:
        before = work.get(VEHICLES, record.key)
        after = fold(before, record.value)
        if after is not before:
            work.put(VEHICLES, record.key, after)
            work.send(VEHICLE, record.key, after)


STAGE = Stage("vehicle_state", reads=(TELEMETRY,), writes=(VEHICLE,), tables=(VEHICLES,), step=step)
