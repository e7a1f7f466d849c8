"""`d2ev broker`: a real Kafka on this machine, without Docker."""

from __future__ import annotations

from typing import Annotated

import typer


def app() -> typer.Typer:
    """up, down, status."""
    group = typer.Typer(no_args_is_help=True, help="Run Apache Kafka on loopback from its jars (needs Java 17).")
    group.command("up")(up)
    group.command("down")(down)
    group.command("status")(status)
    return group


def up(port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 9092) -> None:
    """Start it, fetching the jars through Maven the first time. Data stays under .kafka/."""
    from deploy.brokers import local

    print(local.up(port))


def down() -> None:
    """Stop it; the data stays."""
    from deploy.brokers import local

    print("stopped; its data stay under .kafka/" if local.down() else "it was not running")


def status() -> None:
    """Say whether it runs, and where."""
    from deploy.brokers import local

    print(local.status())
