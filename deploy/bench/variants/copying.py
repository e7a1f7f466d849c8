"""The floor: the bare client, told beforehand what to write. It decodes nothing, folds nothing and keeps no state."""

from __future__ import annotations

import asyncio
import os
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deploy.bench.variants import bare
from deploy.bench.variants.job import Job


def copying(file: Path) -> bare.States:
    """Looks the states up by offset in the file that the bench prepared."""
    prepared: Sequence[Sequence[bytes]] = pickle.loads(file.read_bytes())  # noqa: S301 - written by the bench itself

    def states(partition: int, records: Sequence[Any]) -> list[bare.Row]:
        known = prepared[partition]
        return [(record.key, known[record.offset]) for record in records]

    return states


if __name__ == "__main__":
    job = Job.from_arguments()
    asyncio.run(bare.run(job, copying(Path(job.states))))
    os._exit(0)
