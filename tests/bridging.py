"""A fake Firestore that listens, and records of statuses as a consumer gives them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import httpx
from aiohttp import web
from pydantic import SecretStr

from agents.bridge.firestore import Firestore
from agents.clock import SystemClock
from agents.google import DATASTORE, GoogleTokens, service_account
from deploy.fakes.firestore import PROJECT, FakeFirestore
from streams import serde
from streams.contracts.driver_status import DriverStatus, StatusReason
from streams.contracts.telemetry import Charge, Plug

NOW = datetime(2026, 11, 23, 20, tzinfo=UTC)
COLLECTION = "d2ev-status"


class Record(NamedTuple):
    """What the sink reads of a consumer's record."""

    offset: int
    key: bytes | None
    value: bytes | None
    topic: str = "d2ev.driver.status.v1"
    partition: int = 0
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp: int = 0


def status(car: str, number: int = 0, **changed: Any) -> DriverStatus:
    """A status whose sentence and time tell its number."""
    told: dict[str, Any] = {
        "car": car, "driver": "anna", "reason": StatusReason.WAITING_FOR_CHEAP, "sentence": f"status {number}",
        "plug": Plug.PLUGGED, "charge": Charge.IDLE, "soc_pct": 55, "plan_revision": number,
        "home_zone": "Europe/London", "at_home": True, "version": f"v{number}", "at": NOW + timedelta(minutes=number),
    }  # fmt: skip
    return DriverStatus.model_validate(told | changed)


def record(offset: int, car: str, number: int | None = 0, **changed: Any) -> Record:
    """A record of a status, or the tombstone where `number` is None."""
    value = None if number is None else serde.encode(status(car, number, **changed))
    return Record(offset, car.encode(), value)


@asynccontextmanager
async def listening(app: web.Application) -> AsyncIterator[str]:
    """The address of an application that listens on loopback."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def spoken_to(fake: FakeFirestore) -> AsyncIterator[Firestore]:
    """A client of a fake that listens."""
    async with listening(fake.app()) as url, httpx.AsyncClient(trust_env=False) as http:
        tokens = GoogleTokens(service_account(SecretStr(fake.key_file(url))), DATASTORE, http, SystemClock())
        yield Firestore(url, PROJECT, "(default)", tokens, http)
