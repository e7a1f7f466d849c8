"""`d2ev export`: a table or topic as Parquet."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer


def export(
    name: Annotated[str, typer.Argument(help="Table or topic, for example plans or session.event.")],
    to: Annotated[Path, typer.Option(help="A folder, filled by day and maker, or a file F.parquet.")],
    since: Annotated[
        str | None,
        typer.Option(help="From this time on (RFC 3339, UTC where it says none); a folder: from its day on."),
    ] = None,
) -> None:
    """Write a table or topic as Parquet, projected as in `d2ev sql`. Run again, it is stated anew."""
    from agents.settings import load
    from deploy.analysis import export as exporting
    from tables.relations import relation

    done = exporting.export(name, to, _instant(since), load())
    kept = f"; {done.kept_days} days stay as they were, the log no longer has them whole" if done.kept_days else ""
    print(f"{relation(name).full_name}: {done.rows:,} rows in {done.files} files under {to}{kept}")


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"--since {text}: give a time, for example 2026-03-25T18:00:00Z or 2026-03-25") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
