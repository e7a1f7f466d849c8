"""`d2ev backtest`: history through the very same rules as live."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import typer

Files = list[Path] | None


def backtest(
    prices: Annotated[
        Files, typer.Option(help="CSV of prices; several are compared. [default: a small extract]")
    ] = None,
    carbon: Annotated[
        Files, typer.Option(help="CSV of carbon intensity; vintages may come in several, beside one of actual values.")
    ] = None,
    sessions: Annotated[Path | None, typer.Option(help="CSV of charging sessions. Without: an extract.")] = None,
    zone: Annotated[str | None, typer.Option(help="IANA zone of the homes. Without: that of the sessions.")] = None,
    currency: Annotated[str, typer.Option(help="Of price files that name none.")] = "EUR",
    days: Annotated[int | None, typer.Option(help="Only the first so many days with prices.", min=1)] = None,
    most: Annotated[int | None, typer.Option(help="At most so many sessions, spread evenly.", min=1)] = None,
    ready_by: Annotated[
        str | None, typer.Option(help="Local time, for example 07:00. Without: the true departure.")
    ] = None,
    power_kw: Annotated[float, typer.Option(help="Of cars whose power is not recorded.", min=1, max=45)] = 7.4,
    carbon_price: Annotated[float, typer.Option(help="Currency per tonne.", min=0, max=5000)] = 50.0,
    detection_minutes: Annotated[float, typer.Option(help="A car charges so long unnoticed.", min=0, max=120)] = 2.0,
    command_seconds: Annotated[float, typer.Option(help="A car obeys so late.", min=0, max=3600)] = 30.0,
    honest_cars: Annotated[
        bool, typer.Option("--honest-cars", help="Cars draw what they say and tell exact states of charge.")
    ] = False,
    max_blocks: Annotated[int, typer.Option(help="Blocks in a plan.", min=1, max=10)] = 2,
    seed: Annotated[int, typer.Option(help="Of the cars' imperfections and of the intervals.")] = 1,
    out: Annotated[Path, typer.Option(help="Where report.html and its pictures go.")] = Path(".d2ev/backtest"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as one JSON object.")] = False,
) -> None:
    """Drive recorded sessions on recorded prices and carbon; beside unmanaged, timer, evcc's rule and an oracle."""
    from dataclasses import replace
    from datetime import timedelta

    from deploy.backtest.job import Job
    from deploy.backtest.stays import Wishes
    from deploy.backtest.visit import Conduct
    from streams.domain.case import PlanRules

    ready_at = _clock(ready_by) if ready_by else None
    wishes = Wishes(power_kw=power_kw, carbon_price_per_tonne=carbon_price, ready_at=ready_at)
    job = Job(
        prices=prices,
        carbon=carbon,
        sessions=sessions,
        zone=zone,
        currency=currency,
        days=days,
        most=most,
        conduct=Conduct(timedelta(minutes=detection_minutes), timedelta(seconds=command_seconds), not honest_cars),
        wishes=replace(wishes, power_error=0.0) if honest_cars else wishes,
        rules=replace(PlanRules(), max_blocks=max_blocks),
        seed=seed,
    )
    _carry_out(job, out, as_json=as_json)


def _carry_out(job: Any, out: Path, *, as_json: bool) -> None:
    from deploy.backtest.job import run
    from deploy.backtest.report import write

    started = perf_counter()
    with _progress() as progress:
        summary = run(job, progress)
    summary["wall_seconds"] = round(perf_counter() - started, 1)
    page = write(summary, out)
    if as_json:
        print(json.dumps(summary, ensure_ascii=False))
    else:
        _show(summary, page)


def _clock(text: str) -> Any:
    try:
        return datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007 - wall time, its zone is the home's
    except ValueError:
        raise ValueError(f"--ready-by {text}: write a local time like 07:00") from None


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on stderr, when somebody watches."""
    if not sys.stderr.isatty():
        yield lambda name, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        tasks: dict[str, Any] = {}

        def progress(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=total)
            bar.update(tasks[name], completed=done)

        yield progress


def _show(summary: dict[str, Any], page: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    from deploy.backtest.report.findings import lead
    from deploy.backtest.report.tables import promises, ways

    console = Console()
    console.print(lead(summary), highlight=False)
    for table in (ways(summary), promises(summary)):
        shown = Table(*table.head)
        for n, row in enumerate(table.rows):
            shown.add_row(*row, style="bold" if n == table.own else None)
        console.print(shown)
    console.print(f"The report is {page}", highlight=False)
