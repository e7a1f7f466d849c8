"""What a fake maker is: a desk in the maker's words, and what a registration of one of its cars holds."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from importlib import import_module
from typing import Protocol

from aiohttp import web
from pydantic import SecretStr

import deploy.fakes
from oem_connectors.simulator.cloud.car import SimCar
from oem_connectors.simulator.cloud.desk import Desk
from oem_connectors.simulator.cloud.world import World

#: Where every car of a night lives, and where it is when it is not at home: latitude, longitude.
HOME = (51.5007, -0.1246)
AWAY = (51.7520, -1.2577)
#: Every fake of a real maker, the accounts taking turns.
ALL = "all"
#: What is registered with a fake maker.
APP: Mapping[str, str] = {"client_id": "d2ev", "client_secret": "fake-secret"}


@dataclass(frozen=True, kw_only=True)
class Maker:
    """One fake. `model` is one that takes starts and stops, None: cars have their own; `vehicle` gives the maker's id.

    `grant(world, account)` is the first credential of an account, packed with the details that calls need.
    """

    oem: str
    desk: Callable[[World], Desk]
    model: str | None
    vehicle: Callable[[SimCar], str]
    grant: Callable[[World, str], SecretStr]
    app: Mapping[str, str] = field(default_factory=lambda: APP)


def makers(oem: str) -> tuple[Maker, ...]:
    """The fake of that name, or all fakes of real makers. ValueError names those that there are."""
    modules = (import_module(f"deploy.fakes.{module.name}") for module in pkgutil.iter_modules(deploy.fakes.__path__))
    known: dict[str, Maker] = {module.MAKER.oem: module.MAKER for module in modules if hasattr(module, "MAKER")}
    if oem == ALL:
        return tuple(known[name] for name in sorted(known) if name != "simulator")
    if oem not in known:
        raise ValueError(f"no fake of {oem!r}; there are {', '.join(sorted(known))}, and {ALL}")
    return (known[oem],)


def numbered(car: SimCar, prefix: str, length: int) -> str:
    """An id of `length` upper-case letters and digits that is always the same for a car."""
    digest = blake2b(car.key.encode(), digest_size=20).hexdigest().upper()
    return (prefix + digest)[:length]


def home_text() -> str:
    """The home as an account's details hold it."""
    return f"{HOME[0]},{HOME[1]}"


def place(*, at_home: bool) -> tuple[float, float]:
    """Where a car is."""
    return HOME if at_home else AWAY


class Served(Protocol):
    """What is an application."""

    def app(self) -> web.Application:
        """The application."""


async def serve(desk: Served) -> tuple[web.AppRunner, str]:
    """Serve on loopback, any port. Returns the runner, to be ended by `cleanup()`, and the base URL."""
    runner = web.AppRunner(desk.app(), access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"
