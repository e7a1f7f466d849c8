"""`d2ev topics`: what is declared, and whether the cluster agrees."""

from __future__ import annotations

import json
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print a JSON array.")]


def app() -> typer.Typer:
    """list, apply, check."""
    group = typer.Typer(no_args_is_help=True, help="List, create and check the topics.")
    group.command("list")(listing)
    group.command("apply")(apply)
    group.command("check")(check)
    return group


def listing(as_json: Json = False) -> None:
    """List every topic, published and private."""
    from agents.settings import load
    from deploy.topics import rows

    found = rows(load())
    if as_json:
        print(json.dumps(found, indent=1))
        return
    for row in found:
        kept = "compacted" if row["compacted"] else f"{row['retention_hours'] / 24:g} days"
        seen = "public" if row["public"] else "private"
        print(f"{row['name']:42} {seen:8} {kept:10} by {row['owner']:14} {row['purpose']}")


def apply() -> None:
    """Create what is missing on the cluster; what exists must agree."""
    from agents.settings import load
    from deploy.topics import apply as create

    made = create(load())
    print(f"created {len(made)} topics" if made else "all topics exist and agree")


def check(as_json: Json = False) -> None:
    """Compare the cluster's topics with the declarations. Exit code 1 when they differ, 0 when all is well."""
    from agents.settings import load
    from deploy.topics import check_all

    found = check_all(load())
    if as_json:
        print(json.dumps([one._asdict() for one in found], indent=1))
    else:
        print("\n".join(map(str, found)) or "all topics exist and agree")
    if found:
        raise typer.Exit(1)
