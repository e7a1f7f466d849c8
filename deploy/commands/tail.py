"""`d2ev tail`: watch the events of a topic."""

from __future__ import annotations

from typing import Annotated

import typer


def tail(
    topic: Annotated[str, typer.Argument(help="Full or short name, for example plug.event.")],
    car: Annotated[str | None, typer.Option(help="Only records of this car.")] = None,
    account: Annotated[str | None, typer.Option(help="Only records of the cars of this OEM account.")] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="Only records in which field=value (or != < <= > >=); may be repeated.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="Begin with what happened then: 2h, 30m, 1d or a time.")] = None,
    last: Annotated[int | None, typer.Option(help="Only the newest so many that are there; then end.", min=1)] = None,
    from_start: Annotated[bool, typer.Option("--from-start", help="Begin with what is already there.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", "--count", help="End after so many records.", min=1)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print whole records, one JSON object per line.")] = False,
    headers: Annotated[bool, typer.Option("--headers", help="With the CloudEvents headers; implies --json.")] = False,
    unseal: Annotated[
        bool, typer.Option("--unseal", help="Open dead letters with D2EV_SEAL_KEY; implies --json.")
    ] = False,
) -> None:
    """Print the records of a topic as they come, one line each, until Ctrl-C. Personal data are shown as they are."""
    from datetime import UTC, datetime

    from agents.settings import load
    from deploy.choosing import choice, instant
    from deploy.reading import Reader, topic_named
    from deploy.tail import as_json as json_line
    from deploy.tail import line, wanted

    found = topic_named(topic)
    if last is not None and limit is not None:
        raise ValueError("--last and --limit: one of them says how many")
    begin = None if since is None else instant(since, datetime.now(UTC))
    chosen = choice(found, car=car, account=account, since=begin, where=where or ())
    settings = load()
    sealer = settings.sealer() if unseal else None
    with Reader(settings) as reader:
        try:
            for entry in wanted(reader, found, chosen, last, limit, from_start=from_start or begin is not None):
                whole = as_json or headers or unseal
                print(json_line(entry, sealer, headers=headers) if whole else line(entry), flush=True)
        except KeyboardInterrupt:
            return
