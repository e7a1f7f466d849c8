"""`d2ev queries`: the process that analysts' tools talk to."""

from __future__ import annotations

import asyncio
import signal
import socket
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from agents.settings import Settings


def queries(
    new_key: Annotated[
        str | None, typer.Option("--new-key", help="Make a key for this NAME, print it and its setting, and end.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="A question that takes longer is cancelled.", min=0.1, max=600)] = 10.0,
) -> None:
    """Serve questions in SQL over HTTP, read-only, to those who hold a key of D2EV_QUERY_KEYS; docs/analysing.md."""
    from agents.settings import load
    from deploy.logs import configure

    if new_key is not None:
        _make_key(new_key)
        return
    settings = load()
    configure(settings.log_level)
    asyncio.run(_serve(settings, seconds))


def _make_key(name: str) -> None:
    import json

    from deploy.analysis.serving.keys import hash_of, new_key

    key = new_key()
    print(f"key      {key}")
    print(f"setting  D2EV_QUERY_KEYS='{json.dumps({name: hash_of(key)})}'")


async def _serve(settings: Settings, seconds: float) -> None:
    from agents import probes
    from agents.clock import SystemClock
    from agents.driver_api.process import Server
    from deploy.analysis.serving.app import Counter, build
    from deploy.analysis.serving.desk import Desk
    from deploy.analysis.serving.keys import Keys
    from deploy.analysis.serving.metrics import Probed, QueryMetrics

    keys = Keys(settings.query_keys)
    family = socket.AF_INET6 if ":" in settings.listen else socket.AF_INET
    with socket.create_server((settings.listen, settings.queries_port), family=family) as door:
        base_url = settings.queries_url or f"http://127.0.0.1:{door.getsockname()[1]}"
        counter = Counter(settings, Desk(settings, seconds), keys, QueryMetrics(), SystemClock())
        server, probed = Server(build(counter, base_url)), Probed(counter)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, stop.set)
        runner, port = await probes.serve(probed, settings.listen, settings.health_port)
        answering = asyncio.create_task(server.serve(sockets=[door]))
        watching = asyncio.create_task(probed.watch())
        print(f"http://127.0.0.1:{port}", flush=True)
        print(base_url, flush=True)
        try:
            await asyncio.wait([answering, asyncio.create_task(stop.wait())], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await server.stop(answering)
            await runner.cleanup()
            watching.cancel()
            counter.desk.close()
