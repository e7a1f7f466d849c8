"""`d2ev sql`: questions in SQL over all tables and topics, beside running workers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

if TYPE_CHECKING:
    from deploy.analysis.output import Format


def sql(
    query: Annotated[
        str | None, typer.Argument(help="One SELECT. Without it: from standard input, or a prompt on a terminal.")
    ] = None,
    form: Annotated[
        str | None, typer.Option("--format", help="table, csv, json (an object per line) or parquet.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write to this file; its name may tell the format.")] = None,
    param: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, for $NAME in the query; repeatable.")] = None,
    describe: Annotated[
        bool, typer.Option("--describe", help="The data dictionary, of one TABLE if named instead of the query.")
    ] = False,
) -> None:
    """Ask tables and topics in SQL (DuckDB), as they are when the question is put. Nothing can be changed."""
    from agents.settings import load
    from deploy.analysis import asking

    chosen = _format(form, out)
    settings = load()
    if describe:
        sys.stdout.write(asking.described(query, settings, as_json=chosen == "json"))
        return
    if query is None and sys.stdin.isatty():
        asking.prompt(settings, chosen or "table")
        return
    given = asking.parameters(param or [])
    asking.answer(query or sys.stdin.read(), given, settings, chosen or "table", out)


def _format(form: str | None, out: Path | None) -> Format | None:
    known = ("table", "csv", "json", "parquet")
    if form is None and out is not None and out.suffix.removeprefix(".") in known:
        form = out.suffix.removeprefix(".")
    if form is not None and form not in known:
        raise ValueError(f"--format {form}: give one of {', '.join(known)}")
    return cast("Literal['table', 'csv', 'json', 'parquet'] | None", form)


def pseudonym(
    names: Annotated[list[str] | None, typer.Argument(help="Cars, accounts, drivers or sessions.")] = None,
    find: Annotated[str | None, typer.Option(help="Whose pseudonym is this? Looks among enrolled cars.")] = None,
) -> None:
    """For operators, who hold the key: the pseudonym of a name, or the car, account or driver of a pseudonym."""
    from agents.settings import load
    from deploy.analysis import asking

    settings = load()
    for line in asking.pseudonyms_of(names or [], settings):
        print(line)
    if find is not None:
        print(asking.found(find, settings))
