"""`d2ev feeds`: the process that asks for prices and carbon, and what a recorded answer means."""

from __future__ import annotations

import asyncio
import json
import signal
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from agents.feeds.config import Feed
    from agents.feeds.round import Outcome
    from agents.settings import Settings


def app() -> typer.Typer:
    """The process itself, and sources, read."""
    group = typer.Typer(invoke_without_command=True, help="Prices and carbon: ask for them and publish what is new.")
    group.callback()(feeds)
    group.command("sources")(sources)
    group.command("read")(read)
    return group


def feeds(
    context: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="Ask every source once, then end.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Publish nothing; with --once. Needs no Kafka.")] = False,
) -> None:
    """Ask for the prices and carbon of D2EV_FEEDS_FILE, and publish what is new. docs/feeds.md has the rest."""
    if context.invoked_subcommand is not None:
        return
    from agents.feeds import config
    from agents.settings import load
    from deploy.logs import configure

    if dry_run and not once:
        raise ValueError("--dry-run goes with --once")
    settings = load()
    found = config.read(settings.feeds_file)
    configure("error" if once else settings.log_level)
    asyncio.run(_once(settings, found, publish=not dry_run) if once else _serve(settings, found))


async def _once(settings: Settings, found: tuple[Feed, ...], *, publish: bool) -> None:
    from agents.engine.log import NotDurable
    from agents.feeds.process import Feeds, askers
    from deploy.feed_lines import line
    from oem_connectors.http import make_http

    async with make_http() as http:
        try:
            outcomes = await Feeds(settings, found, askers(settings, found, http)).once(publish=publish)
        except (NotDurable, TimeoutError) as error:
            raise OSError(f"Kafka at {settings.bootstrap}: {error}") from None
    for feed, outcome in outcomes:
        print(line(feed, outcome))
    if any(_failed(outcome) for _, outcome in outcomes):
        raise typer.Exit(1)


def _failed(outcome: Outcome) -> bool:
    return outcome.error is not None and outcome.word != "not_published"


async def _serve(settings: Settings, found: tuple[Feed, ...]) -> None:
    from agents import probes
    from agents.feeds.process import Feeds, askers
    from oem_connectors.http import make_http

    async with make_http() as http:
        feeding = Feeds(settings, found, askers(settings, found, http))
        task = asyncio.create_task(feeding.run())
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, task.cancel)
        runner, port = await probes.serve(feeding, settings.listen, settings.health_port)
        print(f"http://127.0.0.1:{port}", flush=True)
        try:
            with suppress(asyncio.CancelledError):
                await task
        finally:
            await runner.cleanup()


def sources() -> None:
    """List every source with its settings."""
    from agents.feeds.sources import SOURCES
    from deploy.feed_lines import source_lines

    for source in SOURCES.values():
        print("\n".join(source_lines(source)))


def read(
    source: Annotated[str, typer.Argument(help="Name of the source, as in `d2ev feeds sources`.")],
    file: Annotated[Path, typer.Argument(help="A recorded answer, or a recorded file.")],
    param: Annotated[list[str] | None, typer.Option(help="A setting of the source, name=value; repeatable.")] = None,
    start: Annotated[str | None, typer.Option(help="Only from this instant on, RFC 3339.")] = None,
    end: Annotated[str | None, typer.Option(help="Only until this instant, RFC 3339.")] = None,
    status: Annotated[int, typer.Option(help="HTTP status that the answer came with.")] = 200,
) -> None:
    """Print the curve that an answer holds as JSON: what the process would have read."""
    from agents.feeds.source import Answer, FeedError
    from deploy.feed_lines import as_json, params_of, source_named

    found = source_named(source)
    asked = found.asked(params_of(found, param or ()), _instant("--start", start), _instant("--end", end))
    try:
        curve = found.parse(Answer(file.read_bytes(), status), asked)
    except FeedError as error:
        raise ValueError(f"{file}: {type(error).__name__}: {error}") from None
    print(json.dumps(as_json(curve), indent=1))


def _instant(name: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise ValueError(f"{name}: write a time with its offset, like 2026-03-28T00:00Z")
    return at
