"""`d2ev release-all`: starts every held car, with most of the platform down if need be."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from agents.settings import Settings
    from deploy.release import Released, Source
    from streams.contracts.held import HeldCar


def release_all(
    file: Annotated[
        Path | None, typer.Option(help="The guardian's copy to read instead of the log.", show_default=False)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say who would be started.")] = False,
    oem: Annotated[str | None, typer.Option(help="Only cars of this maker.")] = None,
    per_minute: Annotated[
        int | None, typer.Option(help="Starts per minute, at most D2EV_RELEASES_PER_MINUTE.", min=1, show_default=False)
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Start every held car now. Reads the log, or the guardian's copy when Kafka is gone; one log line per car.

    Exit code 0: all were started, or none is held; 1: some could not be; 2: bad input.
    """
    from agents.settings import load
    from deploy.release import chosen

    settings = load()
    pace = per_minute or settings.releases_per_minute
    if pace > settings.releases_per_minute:
        raise ValueError(f"--per-minute {pace}: D2EV_RELEASES_PER_MINUTE allows {settings.releases_per_minute}")
    if oem is not None:
        _known_maker(oem)
    source = _found(settings, file)
    if source.instead:
        print(f"{source.instead}; the copy of the guardian is used instead", file=sys.stderr)
    cars = chosen(source.known, oem)
    _show(cars, source)
    if dry_run or not cars:
        return
    if not yes and sys.stdin.isatty():
        typer.confirm(f"Start {len(cars)} cars, {pace} a minute?", abort=True)
    raise typer.Exit(_release(settings, source, cars, pace))


def _known_maker(oem: str) -> None:
    from oem_connectors import registry

    if oem not in (names := registry.load()):
        raise ValueError(f"--oem {oem}: unknown; there are {', '.join(names)}")


def _found(settings: Settings, file: Path | None) -> Source:
    from deploy.release import held_cars

    try:
        return asyncio.run(held_cars(settings, file))
    except FileNotFoundError as error:
        raise ValueError(f"{error.filename}: no such file; give --file, or a Kafka that answers") from None


def _show(cars: list[HeldCar], source: Source) -> None:
    from deploy.release import overview

    print(f"{len(cars)} cars are held, by {source.where}")
    for maker, count, first in overview(cars):
        print(f"{maker:16} {count:8}   earliest last safe start {first:%Y-%m-%d %H:%M} UTC")


def _release(settings: Settings, source: Source, cars: list[HeldCar], pace: int) -> int:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from deploy.logs import configure
    from deploy.release import release

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(), disable=not sys.stdout.isatty()) as progress:
        configure(settings.log_level)  # now, so that its lines go above the bar
        task = progress.add_task("Releasing", total=len(cars))
        ended = asyncio.run(
            release(settings, source.known, cars, pace, lambda done: progress.update(task, completed=done))
        )
    print(_sentence(ended))
    return 1 if ended.failed or ended.without_token else 0


def _sentence(ended: Released) -> str:
    words = f"{ended.started} started, {ended.charging} charge already, {ended.gone} unplugged or away"
    if ended.without_token:
        words += f", {ended.without_token} without a good access token"
    return words + (f", {ended.failed} could not be started" if ended.failed else "")
