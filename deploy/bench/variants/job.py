"""What a variant is told and what it tells: shared by all of them, so it needs nothing but the standard library."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Job:
    """One measured run: take `events` readings from `source`, write states to `target`, keep state in `directory`.

    `name` is new for every run: it is the consumer group and the prefix of the changelog. `states` is a file with the
    bytes that the fold produces, for the variant that does no folding.
    """

    bootstrap: str
    name: str
    source: str
    target: str
    changelog: str
    partitions: int
    events: int
    directory: str
    states: str

    def arguments(self) -> str:
        """The job as one command-line argument."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_arguments() -> Job:
        """The job this process was started with."""
        return Job(**json.loads(sys.argv[1]))


class Meter:
    """Wall time and processor time of this process, all threads, from the first reading to the last durable effect."""

    def __init__(self) -> None:
        self._started: tuple[float, float] | None = None

    def start(self) -> None:
        """Called for every reading or chunk; only the first call counts."""
        if self._started is None:
            self._started = (time.perf_counter(), time.process_time())

    def stop(self, events: int) -> None:
        """Print what was measured."""
        wall, cpu = time.perf_counter(), time.process_time()
        if self._started is None:
            raise RuntimeError("nothing was measured")
        result = {"events": events, "seconds": wall - self._started[0], "cpu_seconds": cpu - self._started[1]}
        print(json.dumps(result), flush=True)
