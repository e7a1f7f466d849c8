"""`d2ev oem`: the connectors, their promises, and what a recorded answer means."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from oem_connectors.base import Connector

Name = Annotated[str, typer.Argument(help="Name of the connector, as in `d2ev oem list`.")]


def app() -> typer.Typer:
    """list, new, normalise, check, link."""
    from deploy.commands.link import link

    group = typer.Typer(no_args_is_help=True, help="Car makers: what they can do, and how to add one.")
    group.command("list")(listing)
    group.command("new")(new)
    group.command("normalise")(normalise)
    group.command("check")(check)
    group.command("link")(link)
    return group


def listing(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
    quality: Annotated[bool, typer.Option("--quality", help="Also print what is done, to do and exempt.")] = False,
) -> None:
    """List every connector with what its cars can do."""
    from deploy.oem.listing import lines, rows
    from oem_connectors import registry

    found = rows(registry.load())
    print(json.dumps(found, indent=1, ensure_ascii=False) if as_json else "\n".join(lines(found, with_quality=quality)))


def new(
    name: Annotated[str, typer.Argument(help="Name of the new connector: lower-case letters, digits and _.")],
    title: Annotated[str | None, typer.Option(help="The maker's name as drivers know it.")] = None,
    into: Annotated[Path | None, typer.Option(help="Folder to write to; else beside the other connectors.")] = None,
) -> None:
    """Write the folder of a new connector. Its promises then say what is still missing."""
    import oem_connectors
    from deploy.oem.scaffold import write

    for path in write(name, title, into or Path(oem_connectors.__path__[0])):
        print(path)
    if into is None:
        print(f"next: fill it until `d2ev oem check {name}` is content; see docs/adding-an-oem.md")


def normalise(
    name: Name,
    file: Annotated[str, typer.Argument(help="A recorded answer, JSON; - for standard input.")],
    kind: Annotated[str | None, typer.Option(help="What the answer is; else it is recognised.")] = None,
    car: Annotated[str, typer.Option(help="Car key to put in.")] = "account.car",
    received: Annotated[str | None, typer.Option(help="When it was received, RFC 3339; else now.")] = None,
    home: Annotated[str | None, typer.Option(help="Home as LATITUDE,LONGITUDE, to tell at home from away.")] = None,
) -> None:
    """Print a recorded answer as one telemetry object; null is what the car did not say."""
    from deploy.commands.explain import instant
    from deploy.oem.recording import telemetry

    at = datetime.now(UTC) if received is None else instant("--received", received)
    print(json.dumps(telemetry(_connector(name), file, kind, car, at, home)))


def check(name: Name) -> None:
    """Check every promise that a connector has to keep. Exit code 1 if one is broken."""
    from oem_connectors.conformance import PROMISES
    from oem_connectors.conformance import check as examine

    found = examine(_connector(name))
    for promise in PROMISES:
        complaints = found[promise.__name__]
        print(f"{'kept  ' if not complaints else 'BROKEN'} {(promise.__doc__ or '').strip()}")
        for complaint in complaints[:5]:
            print(f"         {complaint}")
        if len(complaints) > 5:
            print(f"         and {len(complaints) - 5} more")
    if any(found.values()):
        raise SystemExit(1)


def _connector(name: str) -> Connector:
    from oem_connectors import registry

    connectors = registry.load()
    if name not in connectors:
        raise ValueError(f"no connector {name!r}; there are {', '.join(connectors)}")
    return connectors[name]
