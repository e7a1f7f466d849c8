"""Runs a cloud: inside another program, or alone with the system clock."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta

from aiohttp import web

from oem_connectors.simulator.cloud.fleet import commuters
from oem_connectors.simulator.cloud.server import make_app
from oem_connectors.simulator.cloud.world import World

HOST = "127.0.0.1"
_DAYS = 28


async def serve(world: World, port: int = 0) -> tuple[web.AppRunner, str]:
    """Serve on loopback, any port if 0. Returns the runner, to be ended by `cleanup()`, and the base URL."""
    runner = web.AppRunner(make_app(world), access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, HOST, port).start()
    return runner, f"http://{HOST}:{runner.addresses[0][1]}"


def main(port: int, cars: int, seed: int) -> None:
    """Serve commuters until interrupted. Prints one JSON line per car with its first refresh token."""
    now = datetime.now(UTC)
    world = World(commuters(cars, now - timedelta(days=1), _DAYS, seed), lambda: datetime.now(UTC), seed)
    for car in world.cars.values():
        line = {
            "car": car.car.key,
            "model": car.car.model,
            "refresh_token": world.tokens.consent(car.car.account),
        }
        sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
    web.run_app(make_app(world), host=HOST, port=port, access_log=None, print=None)
