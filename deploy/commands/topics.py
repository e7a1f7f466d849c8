"""`d2ev topics`: what is declared, and whether the cluster agrees."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from agents.settings import Settings
    from deploy.acls import Principal

Json = Annotated[bool, typer.Option("--json", help="Print a JSON array.")]


def app() -> typer.Typer:
    """list, apply, check, acls."""
    group = typer.Typer(no_args_is_help=True, help="List, create and check the topics; who may use them.")
    group.command("list")(listing)
    group.command("apply")(apply)
    group.command("check")(check)
    group.command("acls")(acls)
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


def acls(
    as_json: Json = False,
    form: Annotated[
        Literal["table", "kafka-acls"], typer.Option("--format", help="kafka-acls: lines for kafka-acls.sh.")
    ] = "table",
    apply: Annotated[
        bool, typer.Option("--apply", help="Create what is missing on the cluster; name the rest.")
    ] = False,
    prune: Annotated[bool, typer.Option("--prune", help="With --apply: take away what is not declared.")] = False,
    prefix: Annotated[str, typer.Option(help="What names of logins begin with, as the chart's do: d2ev-")] = "",
) -> None:
    """Who needs which rights at Kafka; with --apply as an administrator, give them."""
    from agents.settings import load
    from deploy import rights

    if prune and not apply:
        raise ValueError("--prune: give it with --apply")
    settings = load()
    everybody = rights.everybody(settings.app_id, prefix)
    if apply:
        _give(settings, everybody, prune=prune)
    elif as_json:
        print(json.dumps(rights.rows(everybody), indent=1))
    elif form == "kafka-acls":
        print("\n".join(rights.commands(everybody)))
    else:
        for row in rights.rows(everybody):
            name = f"{row['name']}*" if row["prefix"] else row["name"]
            print(f"{row['principal']:12} {row['resource']:6} {name:42} {', '.join(row['operations'])}")


def _give(settings: Settings, everybody: tuple[Principal, ...], *, prune: bool) -> None:
    from deploy import rights

    missing, beyond = rights.compare(settings, everybody)
    rights.create(settings, missing)
    print(f"created {len(missing)} rights" if missing else "all declared rights are there")
    if prune:
        rights.delete(settings, beyond)
    for right in beyond:
        print(f"{'taken away' if prune else 'not declared'}: {right}")
