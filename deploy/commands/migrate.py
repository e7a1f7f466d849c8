"""`d2ev migrate`: more partitions for a system that runs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from deploy.migrate.expansion import Expansion


def migrate(
    partitions: Annotated[int, typer.Option(help="How many there shall be; more than now.", min=2, max=1000)],
    app: Annotated[str | None, typer.Option(help="The new version's D2EV_APP_ID; by default d2ev-N.")] = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait until the workers have stopped.", min=0)] = 60,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and what is done.")] = False,
    retire: Annotated[
        bool, typer.Option("--retire", help="Delete what only the old version used, once the new one runs.")
    ] = False,
) -> None:
    """More partitions, with settings as they were before. Stopped at any point, it is run again and goes on."""
    from agents.settings import load
    from deploy.migrate.expansion import Expansion
    from deploy.migrate.log import RawLog
    from deploy.migrate.retire import retire as forget

    settings = load()
    new_app = app or f"{re.sub(r'-[0-9]+$', '', settings.app_id)}-{partitions}"
    with RawLog(settings) as log:
        expansion = Expansion(settings, partitions, new_app, log, print)
        if dry_run:
            _print_plan(expansion)
        elif retire:
            print(f"deleted {len(forget(expansion))} topics of {settings.app_id}")
        else:
            expansion.run(wait)
            _print_next(expansion)


def _print_plan(expansion: Expansion) -> None:
    was = expansion.progress
    print(f"{was.before} partitions ({was.old_app}) become {was.after} ({expansion.new.app_id})")
    for name, what in expansion.WORDS.items():
        print(f"  {'done' if name in was.done else 'to do':6} {name:8} {what}")


def _print_next(expansion: Expansion) -> None:
    new = expansion.new
    print(f"now start every process with D2EV_APP_ID={new.app_id} D2EV_PARTITIONS={new.partitions}, workers first;")
    print("when all of them run so, the same command with --retire, and the workers once more, one by one")
