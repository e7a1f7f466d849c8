"""`d2ev api`: the process that drivers and their apps talk to."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from agents.settings import Settings

#: Objects that are made between two looks for garbage.
_YOUNG: Final = 20_000


def api() -> None:
    """Serve drivers: API and page. Runs beside the workers, any number; docs/driver-api.md has the rest."""
    from agents.settings import load
    from deploy.commands.processes import use_uvloop
    from deploy.logs import configure

    settings = load()
    configure(settings.log_level)
    use_uvloop()
    asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    from agents import probes
    from agents.driver_api.process import DriverApi, Server
    from oem_connectors import registry

    # The port is known before anything is made: addresses that lead back here name it.
    family = socket.AF_INET6 if ":" in settings.listen else socket.AF_INET
    door = socket.create_server((settings.listen, settings.api_port), family=family)
    base_url = settings.api_url or f"http://127.0.0.1:{door.getsockname()[1]}"
    serving = DriverApi(settings, registry.load(), base_url)
    server = Server(serving.app)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    runner, port = await probes.serve(serving, settings.listen, settings.health_port)
    following = asyncio.create_task(serving.run())
    answering = asyncio.create_task(server.serve(sockets=[door]))
    print(f"http://127.0.0.1:{port}", flush=True)
    print(base_url, flush=True)
    # What is here by now never is garbage; a look through all of it keeps every driver waiting for half a second.
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 20)
    waits = [following, answering, asyncio.create_task(stop.wait())]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        # No more requests first: those under way still find the log.
        await server.stop(answering)
        await runner.cleanup()
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
