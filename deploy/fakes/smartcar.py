"""A fake Smartcar, v3: one token for the whole app, users by header, commands that may be held open with 202."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from functools import partial
from urllib.parse import parse_qsl

from aiohttp import web
from pydantic import SecretStr

from deploy.fakes import smartcar_words as words
from deploy.fakes.app import AppDesk
from deploy.fakes.maker import APP, Maker, home_text, place
from deploy.fakes.smartcar_words import vehicle_of
from oem_connectors.credential import pack
from oem_connectors.simulator.cloud.chance import chance, digest
from oem_connectors.simulator.cloud.consent import ConsentPage
from oem_connectors.simulator.cloud.desk import Said, Trouble, Visit
from oem_connectors.simulator.cloud.faults import FaultKind
from oem_connectors.simulator.cloud.log import CallEntry
from oem_connectors.simulator.cloud.states import Reply
from oem_connectors.simulator.cloud.truth import Truth
from oem_connectors.simulator.cloud.world import World
from streams.contracts.command import Action

#: How long the rest of an answer of 202 is waited for, in true seconds.
HELD_OPEN_SECONDS = 0.05
_COMMANDS = (Action.START, Action.STOP)
_TROUBLES = {
    Trouble.OUTAGE: words.INTERNAL,
    Trouble.NO_CAR: words.NO_PATH,
    Trouble.ERROR: words.UPSTREAM,
    Trouble.THROTTLED: words.THROTTLED,
}


def user_of(account: str) -> str:
    """Smartcar's id of a driver."""
    return digest("smartcar user", account)


class Smartcar(AppDesk):
    """`withdrawn` are the accounts whose drivers have taken their consent back."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._cars = {(truth.car.account, vehicle_of(truth.car)): truth for truth in world.cars.values()}
        self._accounts = {user_of(account): account for account, _ in self._cars}
        self.withdrawn: set[str] = set()
        self._connect = ConsentPage(world, lambda account, _asked: {"user_id": user_of(account), "code": "unused"})

    def routes(self) -> list[web.RouteDef]:
        """Consent, token, connections, signals, start and stop."""
        car = "/v3/vehicles/{vehicle}"
        commands = (
            self.at("POST", f"{car}/commands/charge/{action.value}", action.value, partial(self.command, action))
            for action in _COMMANDS
        )
        return [
            *self._connect.routes("/oauth/authorize"),
            web.post("/oauth2/token", self.token),
            self.at("GET", "/v3/connections", "vehicles", self._connections),
            self.at("GET", f"{car}/signals", "state", lambda visit: self.read(visit, self._signals)),
            *commands,
        ]

    def account_of(self, request: web.Request) -> str | None:
        """The token says only that it is the app; the header names the driver."""
        account = self._accounts.get(self._user(request))
        return account if self.admits(request) and account not in self.withdrawn else None

    def truth_of(self, account: str, vehicle: str) -> Truth | None:
        """By Smartcar's own id."""
        return self._cars.get((account, vehicle))

    def trouble(self, trouble: Trouble, visit: Visit) -> Said:
        """An error object; too many calls name the seconds to wait."""
        if trouble is Trouble.NOBODY:
            return _said(self._refused(visit.request))
        headers = {"retry-after": str(visit.wait_seconds)} if trouble is Trouble.THROTTLED else {}
        return _said(_TROUBLES[trouble], headers)

    def reply(self, reply: Reply, action: Action, visit: Visit) -> Said:
        """Success means sent to the car."""
        refused = words.refusal(reply, action, visit.car.mode)
        if refused is not None:
            return _said(refused)
        return Said(200, words.SUCCESSES[chance(visit.car.car.key, visit.number, "success") < 0.5])

    def stranger(self, visit: Visit) -> Said | None:
        """The app asks by form, or by JSON."""
        asked = _asked(visit)
        if asked.get("grant_type") != "client_credentials":
            return Said(400, {"error": "invalid_request"})
        if any(asked.get(name) != APP[name] for name in ("client_id", "client_secret")):
            return Said(401, {"error": "invalid_client"})
        return None

    async def answer(self, visit: Visit, endpoint: str, said: Said) -> web.StreamResponse:
        """A command that takes its time, or that waits for a sleeping car, is told by 202 before its outcome."""
        slow = FaultKind.LATENCY in visit.faults or said.status == 0 or (visit.truth is not None and visit.truth.asleep)
        if endpoint not in _COMMANDS or not slow:
            return await super().answer(visit, endpoint, said)
        self.world.log.calls.append(CallEntry(self.world.clock(), visit.account, endpoint, 202 if said.status else 0))
        response = web.StreamResponse(status=202, headers={"Content-Type": "application/json"})
        await response.prepare(visit.request)
        await asyncio.sleep(HELD_OPEN_SECONDS)
        if said.status == 0 and visit.request.transport is not None:
            visit.request.transport.abort()
            return response
        await response.write(json.dumps(said.body).encode())
        await response.write_eof()
        return response

    def _signals(self, visit: Visit) -> Said:
        truth = visit.car
        sample = truth.sample(visit.now)
        where = place(at_home=sample.at_home)
        return Said(
            200,
            words.answer(truth.car, sample, place=where, asleep=truth.asleep, now=visit.now, number=visit.number),
        )

    def _connections(self, visit: Visit) -> Said:
        query = visit.request.query
        user, cars = user_of(visit.account), self.world.of(visit.account)
        listed = [(user, vehicle_of(truth.car)) for truth in cars]
        page, size = int(query.get("page[number]", "1")), int(query.get("page[size]", "10"))
        return Said(200, words.connections(listed, page, size, visit.now))

    def _user(self, request: web.Request) -> str:
        return request.headers.get("sc-user-id") or request.query.get("filter[userId]", "")

    def _refused(self, request: web.Request) -> words.Trouble:
        if not self.admits(request):
            return words.UNAUTHORIZED
        return words.DENIED if self._user(request) else words.NO_USER


def _asked(visit: Visit) -> Mapping[str, str]:
    """What a token is asked for with: a form, or JSON."""
    body = visit.json
    return body if isinstance(body, dict) and body else dict(parse_qsl(visit.body.decode(errors="replace")))


def _said(trouble: words.Trouble, headers: Mapping[str, str] | None = None) -> Said:
    return Said(trouble.status, words.error(trouble), headers or {})


def _grant(_world: World, account: str) -> SecretStr:
    """No driver has a token of his own: his user id is what calls need."""
    return pack("none", {"user_id": user_of(account), "home": home_text()})


MAKER = Maker(oem="smartcar", desk=Smartcar, model="TESLA Model 3", vehicle=vehicle_of, grant=_grant)
