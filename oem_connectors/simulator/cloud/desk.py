"""A cloud's desk, whatever its words: who is it, may they, what goes wrong today, and what the car makes of it."""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any

from aiohttp import web

from oem_connectors.simulator.cloud.chance import chance
from oem_connectors.simulator.cloud.faults import Fault, FaultKind
from oem_connectors.simulator.cloud.log import CallEntry, Cause, Who
from oem_connectors.simulator.cloud.states import Reply
from oem_connectors.simulator.cloud.tokens import Issued
from oem_connectors.simulator.cloud.truth import Truth
from oem_connectors.simulator.cloud.world import World
from streams.contracts.command import Action

NOBODY = "?"


@dataclass(frozen=True, slots=True)
class Said:
    """What the cloud answers. Status 0: nothing, the connection drops.

    `held_seconds` of real time pass between the headers and the body.
    """

    status: int
    body: Mapping[str, Any] | list[Any] | bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    held_seconds: float = 0.0


DROPPED = Said(0)


class Trouble(StrEnum):
    """Why a call is not served."""

    OUTAGE = "outage"
    NOBODY = "nobody"  # no living token
    THROTTLED = "throttled"
    NO_CAR = "no_car"
    ERROR = "error"  # it broke; the car may have been told or not
    DEAD_TOKEN = "dead_token"  # noqa: S105 - a refresh token that was spent or revoked


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
    wait_seconds: int = 0

    @property
    def car(self) -> Truth:
        """The car that the call is about."""
        assert self.truth is not None
        return self.truth

    @property
    def json(self) -> Any:
        """The body as JSON; an empty object where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return {}

    @property
    def cause(self) -> Cause:
        """Why a car changes because of this call."""
        headers = self.request.headers
        return Cause(Who.COMMAND, headers.get("X-D2EV-Command", ""), headers.get("X-Plan", ""))


Endpoint = Callable[[Visit], Said]


class Desk(ABC):
    """Serves a world in one maker's words, which subclasses give."""

    #: The maker's cloud wakes a car itself and delivers the command then; else it answers that the car sleeps.
    delivers_later = False

    def __init__(self, world: World) -> None:
        self.world = world
        self._numbers: Counter[str] = Counter()
        self._undelivered: dict[str, tuple[Action, Cause, datetime | None]] = {}

    @abstractmethod
    def routes(self) -> list[web.RouteDef]:
        """The maker's addresses, bound with `at` or to handlers of its own."""

    @abstractmethod
    def trouble(self, trouble: Trouble, visit: Visit) -> Said:
        """How the maker says that a call is not served; `wait_seconds` of the visit is for THROTTLED."""

    @abstractmethod
    def reply(self, reply: Reply, action: Action, visit: Visit) -> Said:
        """How the maker says what a car makes of a command."""

    def app(self) -> web.Application:
        """The cloud as an aiohttp application."""
        app = web.Application(client_max_size=64 * 1024)
        app.add_routes(self.routes())
        return app

    def at(self, method: str, path: str, name: str, endpoint: Endpoint) -> web.RouteDef:
        """A route about an account, or about `{vehicle}` where the path names one."""
        return web.route(method, path, partial(self.serve, name, endpoint))

    def account_of(self, request: web.Request) -> str | None:
        """Whose call it is: the bearer of a living token."""
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return self.world.tokens.account_of(token, self.world.clock())

    def truth_of(self, account: str, vehicle: str) -> Truth | None:
        """The car that the account calls so."""
        return self.world.cars.get(f"{account}.{vehicle}")

    async def serve(self, name: str, endpoint: Endpoint, request: web.Request) -> web.StreamResponse:
        """Every call but the token's."""
        body = await request.read()  # before anything takes time: the caller may have gone by then
        account = self.account_of(request) or NOBODY
        vehicle = request.match_info.get("vehicle")
        number, faults = await self._faults(f"{account}.{vehicle}" if vehicle else account)
        truth = self.truth_of(account, vehicle) if vehicle else None
        visit = Visit(request, self.world.clock(), account, body, number, faults, truth)
        self._deliver(truth, visit.now)
        said = self._refusal(visit, command=request.method != "GET") or endpoint(visit)
        return await self.answer(visit, name, said)

    async def exchange(self, request: web.Request, spent: str, said: Callable[[Issued], Said]) -> web.StreamResponse:
        """Rotates a refresh token."""
        account = self.world.tokens.owner_of(spent) or NOBODY
        number, faults = await self._faults(f"{account} token")
        visit = Visit(request, self.world.clock(), account, b"", number, faults, None)
        if FaultKind.OUTAGE in faults:
            return await self.answer(visit, "token", self.trouble(Trouble.OUTAGE, visit))
        issued = self.world.tokens.rotate(spent, self.world.clock())
        if issued is None:
            return await self.answer(visit, "token", self.trouble(Trouble.DEAD_TOKEN, visit))
        lost = FaultKind.TOKEN_LOST in faults
        return await self.answer(visit, "token", DROPPED if lost else said(issued))

    def read(self, visit: Visit, say: Endpoint) -> Said:
        """A reading in the maker's words, unless it breaks."""
        if FaultKind.ERROR in visit.faults:
            return self.trouble(Trouble.ERROR, visit)
        return DROPPED if FaultKind.DROPPED in visit.faults else say(visit)

    def command(self, action: Action, visit: Visit, start_at: datetime | None = None) -> Said:
        """Start, stop, wake, or set the car's own schedule. A 500 leaves open whether the car was told."""
        pretences = {
            FaultKind.ASLEEP: Reply.ASLEEP,
            FaultKind.DUPLICATE: Reply.BUSY,
            FaultKind.NO_EFFECT: Reply.ACCEPTED,
        }
        for kind, reply in pretences.items():
            if kind in visit.faults:
                return self.reply(reply, action, visit)
        error = FaultKind.ERROR in visit.faults
        if error and chance(self.world.seed, visit.car.car.key, visit.number, "applied") < 0.5:
            return self.trouble(Trouble.ERROR, visit)
        reply = visit.car.command(action, visit.now, visit.cause, start_at)
        if reply is Reply.ASLEEP and self.delivers_later:
            visit.car.command(Action.WAKE, visit.now, visit.cause)
            self._undelivered[visit.car.car.key] = action, visit.cause, start_at
            reply = Reply.ACCEPTED
        if error:
            return self.trouble(Trouble.ERROR, visit)
        return DROPPED if FaultKind.DROPPED in visit.faults else self.reply(reply, action, visit)

    def _deliver(self, truth: Truth | None, now: datetime) -> None:
        """A command that waited for its car to wake reaches it."""
        if truth is None or truth.car.key not in self._undelivered:
            return
        truth.advance(now)
        if not truth.asleep:
            action, cause, start_at = self._undelivered.pop(truth.car.key)
            truth.command(action, now, cause, start_at)

    def _refusal(self, visit: Visit, *, command: bool) -> Said | None:
        if FaultKind.OUTAGE in visit.faults:
            return self.trouble(Trouble.OUTAGE, visit)
        if visit.account == NOBODY:
            return self.trouble(Trouble.NOBODY, visit)
        wait = self.world.budgets.take(visit.account, visit.now, command=command)
        if wait is not None:
            return self.trouble(Trouble.THROTTLED, replace(visit, wait_seconds=wait))
        if visit.truth is None and "vehicle" in visit.request.match_info:
            return self.trouble(Trouble.NO_CAR, visit)
        return None

    async def _faults(self, whom: str) -> tuple[int, Mapping[FaultKind, Fault]]:
        """The number of this call about `whom` and what befalls it. Lives through the latency, if any."""
        self._numbers[whom] += 1
        number = self._numbers[whom]
        faults = self.world.faults.hitting(self.world.seed, whom, number, self.world.clock())
        if FaultKind.LATENCY in faults:
            await asyncio.sleep(faults[FaultKind.LATENCY].delay_seconds)
        return number, faults

    async def answer(self, visit: Visit, endpoint: str, said: Said) -> web.StreamResponse:
        """Log the call and send the answer."""
        self.world.log.calls.append(CallEntry(self.world.clock(), visit.account, endpoint, said.status))
        if said.status == 0:
            if visit.request.transport is not None:
                visit.request.transport.abort()
            return web.Response()
        body = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
        headers = {"Content-Type": "application/json"} | dict(said.headers)
        if not said.held_seconds:
            return web.Response(status=said.status, body=body or None, headers=headers)
        held = web.StreamResponse(status=said.status, headers=headers)
        await held.prepare(visit.request)
        await asyncio.sleep(said.held_seconds)
        await held.write(body)
        await held.write_eof()
        return held
