"""`d2ev replay`: the log once more, by the rules as they are and by others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer


def replay(
    file: Annotated[
        Path | None, typer.Option("--from", help="Lines of `d2ev tail --json` instead of Kafka.", dir_okay=False)
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="NAME=NUMBER: a rule or wish that is otherwise; may be repeated."),
    ] = None,
    since: Annotated[str | None, typer.Option(help="Sessions that ended from then on: 2d, 12h or a time.")] = None,
    until: Annotated[str | None, typer.Option(help="Sessions that ended before.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, with a row per session.")] = False,
) -> None:
    """Make the published plans again from the log, and drive settled sessions under other rules."""
    from datetime import UTC, datetime, timedelta

    from agents.settings import load
    from deploy.choosing import instant
    from deploy.replay.changes import changes
    from deploy.replay.log import from_file, from_kafka
    from deploy.replay.report import replayed
    from streams.domain.case import PlanRules

    now = datetime.now(UTC)
    settings = load()
    rules = PlanRules(edge_spread=timedelta(seconds=settings.edge_spread_seconds))
    before, after = changes(rules, ()), changes(rules, change or ())
    period = [None if text is None else instant(text, now) for text in (since, until)]
    log = from_file(file) if file else from_kafka(settings)
    found = replayed(log, before, after, period[0], period[1])
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
    else:
        _show(found)


def _show(found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    from deploy.replay.report import rows, said

    console = Console()
    for line in said(found):
        console.print(line, highlight=False)
    head, *body = rows(found)
    if body:
        table = Table(*head)
        for row in body:
            table.add_row(*row)
        console.print(table)
