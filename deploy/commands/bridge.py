"""`d2ev bridge`: the process between the log and Firestore."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agents.settings import Settings


def bridge() -> None:
    """Write statuses to Firestore and take what apps write there. Any number; docs/firestore.md has the rest."""
    from agents.settings import load
    from deploy.commands.processes import use_uvloop
    from deploy.logs import configure

    settings = load()
    configure(settings.log_level)
    use_uvloop()
    asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    from agents import probes
    from agents.bridge import hook
    from agents.bridge.process import Bridge

    running = Bridge(settings)
    task = asyncio.create_task(running.run())
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    runner, port = await probes.serve(running, settings.listen, settings.health_port)
    print(f"http://127.0.0.1:{port}", flush=True)
    door = None
    if running.hook is not None:
        door, door_port = await hook.serve(running.hook, settings.listen, settings.bridge_port)
        print(f"http://127.0.0.1:{door_port}/hooks/firestore", flush=True)
    try:
        await asyncio.wait([task, asyncio.create_task(stop.wait())], return_when=asyncio.FIRST_COMPLETED)
    finally:
        # No more events first: those under way still find the log.
        if door is not None:
            await door.cleanup()
        await runner.cleanup()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
