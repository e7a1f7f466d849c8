"""The processes of a deployment: a worker, and the OEM simulator on its own."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from contextlib import suppress
from typing import Annotated

import typer


def worker() -> None:
    """Run a worker: all stages, on the partitions that Kafka gives it. Configured by D2EV_* variables."""
    from agents.settings import load
    from deploy.logs import configure
    from deploy.topics import check_worker

    settings = load()
    configure(settings.log_level)
    expanded = check_worker(settings)
    use_uvloop()
    code = asyncio.run(_serve(settings, expanded=expanded))
    sys.stdout.flush()
    # Faust's threads may outlive a broken connection; everything that matters is durable by now.
    os._exit(code)


def use_uvloop() -> None:
    """A faster event loop where there is one; every thread of this process then uses it."""
    if sys.platform != "win32":
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())


async def _serve(settings: object, *, expanded: bool) -> int:
    from agents.app import build
    from agents.health import serve
    from agents.settings import Settings

    assert isinstance(settings, Settings)
    running = build(settings, expanded=expanded)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    runner, port = await serve(running, settings.listen, settings.health_port)
    print(f"http://127.0.0.1:{port}", flush=True)
    # Faust collects garbage once per table at every rebalance; what is here by now never is any.
    gc.freeze()
    await running.start()
    waits = [asyncio.create_task(stop.wait()), asyncio.create_task(running.failed.wait())]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    try:
        await asyncio.wait_for(running.stop(), 25)
    except TimeoutError:
        return 1
    await runner.cleanup()
    return 0 if running.failure is None else 1


def simulator(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 picks a free one.")] = 8770,
    vehicles: Annotated[int, typer.Option(help="Number of cars.", min=1, max=5000)] = 20,
    seed: Annotated[int, typer.Option(help="Same seed, same cars.")] = 1,
    enrol: Annotated[
        bool, typer.Option("--enrol", help="Enrol the cars at D2EV_BOOTSTRAP; their evening is now.")
    ] = False,
) -> None:
    """Run the simulated OEM cloud alone, in real time. Prints one JSON line per car with its first refresh token."""
    if enrol:
        _enrolled(port, vehicles, seed)
        return
    from oem_connectors.simulator.cloud.run import main

    main(port, vehicles, seed)


def _enrolled(port: int, vehicles: int, seed: int) -> None:
    from agents.settings import load
    from deploy.enrolled import main

    settings = load()
    if settings.env == "production":
        raise ValueError("--enrol: made-up cars are not for production")
    with suppress(KeyboardInterrupt):
        asyncio.run(main(port, vehicles, seed, settings))
