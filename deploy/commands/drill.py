"""`d2ev drill`: what becomes of the drivers' promises when all workers die."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer


def drill(
    vehicles: Annotated[int, typer.Option(help="Cars held when the workers die.", min=1, max=100_000)] = 10_000,
    broker_gone: Annotated[bool, typer.Option("--broker-gone", help="Kafka dies too: only the file is left.")] = False,
    seed: Annotated[int, typer.Option(help="Same seed, same night.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """All workers die at 23:00 on a winter night while every car is held. Exit code 1 if any promise is missed."""
    from deploy.commands.processes import use_uvloop
    from deploy.drill.run import drill as run
    from deploy.logs import configure

    configure("error")
    use_uvloop()
    with TemporaryDirectory() as folder:
        found = asyncio.run(run(vehicles, seed, Path(folder), broker_gone=broker_gone))
    print(json.dumps(found, indent=None if as_json else 1))
    if found["missed"]:
        raise typer.Exit(1)
