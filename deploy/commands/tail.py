"""`d2ev tail`: watch the events of a topic."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer


def tail(
    topic: Annotated[str, typer.Argument(help="Full or short name, for example plug.event.")],
    car: Annotated[str | None, typer.Option(help="Only records with this key.")] = None,
    from_start: Annotated[bool, typer.Option("--from-start", help="Begin with what is already there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print whole records, one JSON object per line.")] = False,
    count: Annotated[int | None, typer.Option(help="End after so many records.", min=1)] = None,
    unseal: Annotated[
        bool, typer.Option("--unseal", help="Open dead letters with D2EV_SEAL_KEY; implies --json.")
    ] = False,
) -> None:
    """Print the records of a topic as they come, one line each, until Ctrl-C."""
    from agents.settings import load
    from deploy.reading import Reader, topic_named
    from deploy.tail import as_json as json_line
    from deploy.tail import line

    wanted = topic_named(topic)
    settings = load()
    sealer = settings.sealer() if unseal else None
    with Reader(settings.bootstrap) as reader:
        entries = reader.follow(wanted, from_start=from_start)
        chosen = (entry for entry in entries if car is None or entry.key == car)
        try:
            for entry in islice(chosen, count):
                print(json_line(entry, sealer) if as_json or unseal else line(entry), flush=True)
        except KeyboardInterrupt:
            return
