"""`d2ev report`: a period on one page."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer


def report(
    since: Annotated[
        str | None, typer.Option(help="From this day or time on. Without: from the first that is there.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Up to this day or time, itself not in it.")] = None,
    to: Annotated[Path, typer.Option(help="The page.")] = Path("report.html"),
    source: Annotated[
        Path | None,
        typer.Option(
            "--from", help="Lines of `d2ev tail --json`, or a folder of these or of `d2ev export`. Without: Kafka."
        ),
    ] = None,
    zone: Annotated[str, typer.Option(help="IANA zone of days and times.")] = "UTC",
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as one JSON object as well.")] = False,
) -> None:
    """What charging cost, emitted and kept of its promises over a period, as one HTML page without scripts."""
    from agents.settings import load
    from deploy.report.figures import figures, period
    from deploy.report.page import write
    from deploy.report.source import store
    from deploy.report.words import lead

    with store(load(), source) as opened:
        found = figures(opened, period(opened, since, until, zone))
        for name, lost in opened.unreadable.items():
            if lost:
                print(f"d2ev: {lost} records of {name} are unreadable and left out", file=sys.stderr)
    write(found, to)
    if as_json:
        print(json.dumps(found, ensure_ascii=False, allow_nan=False))
    else:
        print(lead(found))
        print(f"The report is {to}")
