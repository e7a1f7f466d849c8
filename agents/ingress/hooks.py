"""`POST /hooks/{oem}`: a delivery is answered with 200 once all it told is on the log, and not before."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from aiohttp import web
from pydantic import SecretStr

from agents.engine.log import NotDurable
from agents.ingress.intake import Intake, Origin, Parcel
from agents.ingress.metrics import IngressMetrics
from oem_connectors.answers import translated
from oem_connectors.base import Connector
from oem_connectors.errors import OemError, Unreadable
from oem_connectors.push import Delivery, Hook

#: More than any maker sends: Enode's largest batch has 100 vehicles.
MOST_BYTES: Final = 256 * 1024
#: A request that only asks whether we are there is not signed, so it is looked at only if it is short,
GREETING_BYTES: Final = 4096
#: and never if it holds a JSON text inside a text: where a greeting is answered with a signature of what it says,
#: a forged delivery in its place would be signed by us.
ESCAPE: Final = b"\\"
#: A sender that has not sent its body by then is dropped.
BODY_SECONDS: Final = 10.0
SECRET: Final = "hook_secret"  # noqa: S105 - the name under which it is given

NOT_JSON: Final = "not JSON"


class Door(NamedTuple):
    """A maker that may post to us."""

    connector: Connector
    hook: Hook
    secret: SecretStr


def doors(connectors: Mapping[str, Connector], apps: Mapping[str, Mapping[str, SecretStr]]) -> Mapping[str, Door]:
    """The makers with a hook for which the operator has given a secret."""
    found = {}
    for name, connector in connectors.items():
        secret = apps.get(name, {}).get(SECRET)
        if connector.hook is not None and secret is not None and secret.get_secret_value():
            found[name] = Door(connector, connector.hook, secret)
    return found


class Hooks:
    """Answers deliveries. `open_now` says whether the directory is read and Kafka there."""

    def __init__(
        self, found: Mapping[str, Door], intake: Intake, metrics: IngressMetrics, open_now: Callable[[], bool]
    ) -> None:
        self._doors = found
        self._intake = intake
        self._metrics = metrics
        self._open_now = open_now

    async def post(self, request: web.Request) -> web.Response:
        """One request. What is no delivery of a maker leaves no trace but a count."""
        door = self._doors.get(request.match_info["oem"])
        if door is None:
            return _answer(404, "no such hook")
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await request.read()
        except TimeoutError:
            return self._end(door, 408, "slow", "the body did not come")
        except web.HTTPRequestEntityTooLarge:
            return self._end(door, 413, "too_large", f"more than {MOST_BYTES} bytes")
        headers = {name.lower(): value for name, value in request.headers.items()}
        delivery = Delivery(headers, body)
        if not _genuine(door, delivery):
            return self._greet(door, body)
        return await self._take(door, body)

    async def _take(self, door: Door, body: bytes) -> web.Response:
        if not self._open_now():
            return self._end(door, 503, "unavailable", "not ready")
        oem = door.connector.name
        self._metrics.newest.labels(oem).set_to_current_time()
        parcels = opened(door, body)
        try:
            await self._intake.take(door.connector, parcels)
        except NotDurable:
            return self._end(door, 503, "unavailable", "come again")
        if parcels and parcels[0].cause == NOT_JSON:
            return self._end(door, 400, "broken", NOT_JSON)
        return self._end(door, 200, "taken", "")

    def _greet(self, door: Door, body: bytes) -> web.Response:
        told = _greeting(door, body)
        if told is None:
            return self._end(door, 401, "forged", "the signature is not the maker's")
        self._metrics.deliveries.labels(door.connector.name, "greeted").inc()
        return web.json_response(dict(told))

    def _end(self, door: Door, status: int, outcome: str, text: str) -> web.Response:
        self._metrics.deliveries.labels(door.connector.name, outcome).inc()
        return _answer(status, text)


def opened(door: Door, body: bytes) -> list[Parcel]:
    """The news of a delivery. In a list each one stands for itself: a bad one does not keep the others."""
    origin = Origin(f"hooks/{door.connector.name}")
    try:
        told = parsed(body)
    except Unreadable as error:
        return [Parcel(origin, body, cause=str(error))]
    parcel = _understood(door, origin, told, body)
    if not parcel.cause or not isinstance(told, list):
        return [parcel]
    return [_understood(door, origin, [one], json.dumps(one).encode()) for one in told]


def _understood(door: Door, origin: Origin, told: Any, body: bytes) -> Parcel:
    try:
        return Parcel(origin, body, translated(door.hook.events, told))
    except OemError as error:
        return Parcel(origin, body, cause=str(error))


def parsed(body: bytes) -> Any:
    """The JSON of a body. Raises Unreadable, which does not quote it."""
    try:
        return json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Unreadable(NOT_JSON) from None


def _no_number(name: str) -> Any:
    raise ValueError(name)


def _genuine(door: Door, delivery: Delivery) -> bool:
    try:
        return translated(door.hook.genuine, delivery, door.secret)
    except OemError:
        return False  # whatever confuses the check was not signed


def _greeting(door: Door, body: bytes) -> Mapping[str, str] | None:
    if len(body) > GREETING_BYTES or ESCAPE in body:
        return None
    try:
        return translated(door.hook.greeting, parsed(body), door.secret)
    except OemError:
        return None


def _answer(status: int, text: str) -> web.Response:
    headers = {"Retry-After": "30"} if status == 503 else None
    return web.Response(status=status, text=text, headers=headers)


async def serve(hooks: Hooks, host: str, port: int) -> tuple[web.AppRunner, int]:
    """Listen for deliveries; returns the runner to clean up and the port in use."""
    app = web.Application(client_max_size=MOST_BYTES)
    app.router.add_post("/hooks/{oem}", hooks.post)
    # What is signed are the bytes as they came, compressed or not.
    runner = web.AppRunner(app, access_log=None, auto_decompress=False)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner, runner.addresses[0][1]
