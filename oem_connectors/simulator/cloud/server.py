"""The cloud's HTTP face: OAuth, vehicle list, state, commands and limit, with budgets and faults."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from aiohttp import web

from oem_connectors.simulator.cloud import wire
from oem_connectors.simulator.cloud.chance import chance
from oem_connectors.simulator.cloud.faults import Fault, FaultKind
from oem_connectors.simulator.cloud.log import CallEntry, Cause, Who
from oem_connectors.simulator.cloud.states import Reply
from oem_connectors.simulator.cloud.truth import Truth
from oem_connectors.simulator.cloud.world import World
from streams.contracts.command import Action

_JSON = {"Content-Type": "application/json"}
_NOBODY = "?"


@dataclass(frozen=True, slots=True)
class Said:
    """What the cloud answers. Status 0: nothing, the connection drops."""

    status: int
    body: Mapping[str, Any] | bytes = b""
    retry_after_seconds: int | None = None


_DROPPED = Said(0)
_REPLIES = {
    Reply.ACCEPTED: Said(200, {"result": "accepted"}),
    Reply.ALREADY: Said(200, {"result": "already"}),
    Reply.ASLEEP: Said(408, {"error": "asleep", "applied": False}),
    Reply.BUSY: Said(409, {"error": "duplicate_request", "applied": False}),
    Reply.NOT_PLUGGED: Said(409, {"error": "not_plugged", "applied": False}),
    Reply.UNSUPPORTED: Said(403, {"error": "not_supported", "applied": False}),
    Reply.NOT_FUTURE: Said(400, {"error": "start_at_must_be_future", "applied": False}),
}
#: Faults that answer a command without touching the car.
_PRETENCES = {
    FaultKind.ASLEEP: _REPLIES[Reply.ASLEEP],
    FaultKind.DUPLICATE: _REPLIES[Reply.BUSY],
    FaultKind.NO_EFFECT: _REPLIES[Reply.ACCEPTED],
}


@dataclass(frozen=True, slots=True)
class Visit:
    """A call that was let in."""

    request: web.Request
    now: datetime
    account: str
    body: bytes
    number: int
    faults: Mapping[FaultKind, Fault]
    truth: Truth | None

    @property
    def car(self) -> Truth:
        """The car that the call is about."""
        assert self.truth is not None
        return self.truth

    @property
    def cause(self) -> Cause:
        """Why a car changes because of this call."""
        headers = self.request.headers
        return Cause(Who.COMMAND, headers.get("X-D2EV-Command", ""), headers.get("X-Plan", ""))

    @property
    def start_at(self) -> datetime | None:
        """The instant in the body, None where it names none."""
        try:
            at = datetime.fromisoformat(json.loads(self.body)["start_at"])
        except (ValueError, TypeError, KeyError):
            return None
        return at.astimezone(UTC)


Endpoint = Callable[[Visit], Said]


def make_app(world: World) -> web.Application:
    """The cloud of this world as an aiohttp application."""
    cloud = _Cloud(world)
    app = web.Application(client_max_size=64 * 1024)
    app.router.add_post("/oauth/token", cloud.token)
    app.router.add_get("/v1/vehicles", partial(cloud.serve, "vehicles", cloud.vehicles))
    car = "/v1/vehicles/{vehicle}"
    app.router.add_get(f"{car}/state", partial(cloud.serve, "state", cloud.state))
    app.router.add_post(f"{car}/limit/{{percent}}", partial(cloud.serve, "limit", cloud.limit))
    for action in Action:
        endpoint = partial(cloud.command, action)
        app.router.add_post(f"{car}/{action.value}", partial(cloud.serve, action.value, endpoint))
    return app


class _Cloud:
    def __init__(self, world: World) -> None:
        self._world = world
        self._numbers: Counter[str] = Counter()

    async def serve(self, name: str, endpoint: Endpoint, request: web.Request) -> web.Response:
        """Every call but the token's: who is it, may they, and what goes wrong today?"""
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        account = self._world.tokens.account_of(token, self._world.clock()) or _NOBODY
        vehicle = request.match_info.get("vehicle")
        number, faults = await self._faults(f"{account}.{vehicle}" if vehicle else account)
        truth = self._world.cars.get(f"{account}.{vehicle}") if vehicle else None
        visit = Visit(request, self._world.clock(), account, await request.read(), number, faults, truth)
        said = self._refusal(visit, command=request.method == "POST") or endpoint(visit)
        return self._answer(request, account, name, said)

    async def token(self, request: web.Request) -> web.Response:
        """Rotates a refresh token."""
        spent = str((await request.post()).get("refresh_token", ""))
        account = self._world.tokens.owner_of(spent) or _NOBODY
        _, faults = await self._faults(f"{account} token")
        if FaultKind.OUTAGE in faults:
            return self._answer(request, account, "token", Said(503, {"error": "maintenance", "applied": False}))
        issued = self._world.tokens.rotate(spent, self._world.clock())
        if issued is None:
            said = Said(400, {"error": "invalid_grant"})
        elif FaultKind.TOKEN_LOST in faults:
            said = _DROPPED
        else:
            said = Said(200, {"token_type": "Bearer"} | issued.as_json())
        return self._answer(request, account, "token", said)

    def vehicles(self, visit: Visit) -> Said:
        """The cars of the account."""
        cars = self._world.of(visit.account)
        return Said(200, {"vehicles": [{"id": truth.car.vehicle, "model": truth.car.model} for truth in cars]})

    def state(self, visit: Visit) -> Said:
        """A cheap read: the cloud's newest sample. It wakes nobody."""
        if FaultKind.ERROR in visit.faults:
            return Said(500, {"error": "internal"})
        if FaultKind.DROPPED in visit.faults:
            return _DROPPED
        truth, now = visit.car, visit.now
        sample = truth.sample(now)
        return Said(200, wire.state(truth.car, sample, sample.at if truth.asleep else now, visit.number))

    def command(self, action: Action, visit: Visit) -> Said:
        """Start, stop, wake, or set the car's own schedule."""
        for kind, pretence in _PRETENCES.items():
            if kind in visit.faults:
                return pretence
        error = FaultKind.ERROR in visit.faults
        if error and chance(self._world.seed, visit.car.car.key, visit.number, "applied") < 0.5:
            return Said(500, {"error": "internal"})
        if action is Action.SCHEDULE and visit.start_at is None:
            return _REPLIES[Reply.NOT_FUTURE]
        reply = visit.car.command(action, visit.now, visit.cause, visit.start_at)
        if error:
            return Said(500, {"error": "internal"})
        return _DROPPED if FaultKind.DROPPED in visit.faults else _REPLIES[reply]

    def limit(self, visit: Visit) -> Said:
        """Set the charge limit, 50 to 100 percent."""
        percent = visit.request.match_info["percent"]
        if not percent.isdecimal() or not 50 <= int(percent) <= 100:
            return Said(400, {"error": "limit_must_be_50_to_100", "applied": False})
        visit.car.set_limit(float(percent), visit.now, visit.cause)
        return _REPLIES[Reply.ACCEPTED]

    def _refusal(self, visit: Visit, *, command: bool) -> Said | None:
        if FaultKind.OUTAGE in visit.faults:
            return Said(503, {"error": "maintenance", "applied": False})
        if visit.account == _NOBODY:
            return Said(401, {"error": "invalid_token", "applied": False})
        wait = self._world.budgets.take(visit.account, visit.now, command=command)
        if wait is not None:
            return Said(429, {"error": "too_many_requests", "applied": False}, retry_after_seconds=wait)
        if visit.truth is None and "vehicle" in visit.request.match_info:
            return Said(404, {"error": "unknown_vehicle", "applied": False})
        return None

    async def _faults(self, whom: str) -> tuple[int, Mapping[FaultKind, Fault]]:
        """The number of this call about `whom` and what befalls it. Lives through the latency, if any."""
        self._numbers[whom] += 1
        number = self._numbers[whom]
        faults = self._world.faults.hitting(self._world.seed, whom, number, self._world.clock())
        if FaultKind.LATENCY in faults:
            await asyncio.sleep(faults[FaultKind.LATENCY].delay_seconds)
        return number, faults

    def _answer(self, request: web.Request, account: str, endpoint: str, said: Said) -> web.Response:
        self._world.log.calls.append(CallEntry(self._world.clock(), account, endpoint, said.status))
        if said.status == 0:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        body = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
        headers = _JSON
        if said.retry_after_seconds is not None:
            headers = _JSON | {"Retry-After": str(said.retry_after_seconds)}
        return web.Response(status=said.status, body=body, headers=headers)
