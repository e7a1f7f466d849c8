"""`d2ev schemas`: the messages' JSON Schemas in a schema registry, for platforms that have one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from deploy.schema_registry import SchemaRegistry
    from deploy.schemas import Line

Registry = Annotated[str, typer.Option(help="Address of the registry, for example https://registry.example:8081.")]


def app() -> typer.Typer:
    """publish, check."""
    group = typer.Typer(no_args_is_help=True, help="Give the messages' schemas to a schema registry.")
    group.command("publish")(publish)
    group.command("check")(check)
    return group


def publish(
    registry: Registry,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    compatibility: Annotated[
        str | None, typer.Option(help="Judge these subjects by this level, such as FORWARD_TRANSITIVE, from now on.")
    ] = None,
) -> None:
    """Register every published message's schema that is not there yet. Exit code 1 when the registry refuses one."""
    from deploy.schemas import LEVELS, rehearse
    from deploy.schemas import publish as give

    if compatibility is not None and compatibility not in LEVELS:
        raise ValueError(f"--compatibility {compatibility}: unknown; there are {', '.join(LEVELS)}")
    todo = rehearse if dry_run else give
    _tell(registry, lambda asked: todo(asked, compatibility))


def check(registry: Registry) -> None:
    """Compare the registry with this version. Exit code 1 when they differ."""
    from deploy.schemas import check as compared

    _tell(registry, compared)


def _tell(url: str, todo: Callable[[SchemaRegistry], Iterator[Line]]) -> None:
    from agents.settings import load
    from deploy.schema_registry import SchemaRegistry, client

    well = True
    with client(url, load()) as http:
        for line in todo(SchemaRegistry(url, http)):
            print(line, flush=True)
            well = well and line.well
    if not well:
        raise typer.Exit(1)
