"""`d2ev guardian`: the process that starts held cars when control has died."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agents.settings import Settings


def guardian() -> None:
    """Start held cars that control no longer vouches for. Runs beside the workers; docs/fail-safe.md has the rest."""
    from agents.settings import load
    from deploy.commands.processes import use_uvloop
    from deploy.logs import configure

    settings = load()
    configure(settings.log_level)
    use_uvloop()
    asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    from agents.guardian.process import Guardian
    from agents.probes import serve

    guarding = Guardian(settings)
    task = asyncio.create_task(guarding.run())
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, task.cancel)
    runner, port = await serve(guarding, settings.listen, settings.health_port)
    print(f"http://127.0.0.1:{port}", flush=True)
    try:
        with suppress(asyncio.CancelledError):
            await task
    finally:
        await runner.cleanup()
