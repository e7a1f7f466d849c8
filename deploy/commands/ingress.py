"""`d2ev ingress`: the process that takes what makers post and stream."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agents.settings import Settings


def ingress() -> None:
    """Take deliveries and streams of makers. Runs beside the workers, any number; docs/ingress.md has the rest."""
    from agents.settings import load
    from deploy.commands.processes import use_uvloop
    from deploy.logs import configure

    settings = load()
    configure(settings.log_level)
    use_uvloop()
    asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    from agents import probes
    from agents.ingress import hooks
    from agents.ingress.process import Ingress
    from oem_connectors import registry

    taking = Ingress(settings, registry.load())
    task = asyncio.create_task(taking.run())
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    door, door_port = await hooks.serve(taking.hooks, settings.listen, settings.ingress_port)
    runner, port = await probes.serve(taking, settings.listen, settings.health_port)
    print(f"http://127.0.0.1:{port}", flush=True)
    print(f"http://127.0.0.1:{door_port}/hooks/", flush=True)
    try:
        await asyncio.wait([task, asyncio.create_task(stop.wait())], return_when=asyncio.FIRST_COMPLETED)
    finally:
        # No more deliveries first: those under way still find the log.
        await door.cleanup()
        await runner.cleanup()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
