"""The simulated maker's own words over HTTP: OAuth, vehicle list, state, commands and limit."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from aiohttp import web

from oem_connectors.simulator.cloud import wire
from oem_connectors.simulator.cloud.consent import ConsentPage
from oem_connectors.simulator.cloud.desk import Desk, Said, Trouble, Visit
from oem_connectors.simulator.cloud.states import Reply
from oem_connectors.simulator.cloud.tokens import Issued
from oem_connectors.simulator.cloud.world import World
from streams.contracts.command import Action

_CAR = "/v1/vehicles/{vehicle}"
_REPLIES: Mapping[Reply, Said] = {
    Reply.ACCEPTED: Said(200, {"result": "accepted"}),
    Reply.ALREADY: Said(200, {"result": "already"}),
    Reply.ASLEEP: Said(408, {"error": "asleep", "applied": False}),
    Reply.BUSY: Said(409, {"error": "duplicate_request", "applied": False}),
    Reply.NOT_PLUGGED: Said(409, {"error": "not_plugged", "applied": False}),
    Reply.UNSUPPORTED: Said(403, {"error": "not_supported", "applied": False}),
    Reply.NOT_FUTURE: Said(400, {"error": "start_at_must_be_future", "applied": False}),
}
_TROUBLES: Mapping[Trouble, tuple[int, Mapping[str, Any]]] = {
    Trouble.OUTAGE: (503, {"error": "maintenance", "applied": False}),
    Trouble.NOBODY: (401, {"error": "invalid_token", "applied": False}),
    Trouble.THROTTLED: (429, {"error": "too_many_requests", "applied": False}),
    Trouble.NO_CAR: (404, {"error": "unknown_vehicle", "applied": False}),
    Trouble.ERROR: (500, {"error": "internal"}),
    Trouble.DEAD_TOKEN: (400, {"error": "invalid_grant"}),
}


def make_app(world: World) -> web.Application:
    """The cloud of this world as an aiohttp application."""
    return Cloud(world).app()


class Cloud(Desk):
    """The simulated maker's desk."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._consents = ConsentPage(world)

    def routes(self) -> list[web.RouteDef]:
        commands = [
            self.at("POST", f"{_CAR}/{action.value}", action.value, partial(self._switch, action)) for action in Action
        ]
        return [
            *self._consents.routes("/oauth/authorize"),
            web.post("/oauth/token", self._token),
            self.at("GET", "/v1/vehicles", "vehicles", self._vehicles),
            self.at("GET", f"{_CAR}/state", "state", lambda visit: self.read(visit, _state)),
            self.at("POST", f"{_CAR}/limit/{{percent}}", "limit", self._limit),
            *commands,
        ]

    def trouble(self, trouble: Trouble, visit: Visit) -> Said:
        status, body = _TROUBLES[trouble]
        headers = {"Retry-After": str(visit.wait_seconds)} if trouble is Trouble.THROTTLED else {}
        return Said(status, body, headers)

    def reply(self, reply: Reply, action: Action, visit: Visit) -> Said:
        del action, visit
        return _REPLIES[reply]

    async def _token(self, request: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        spent = form.get("refresh_token", "")
        if form.get("grant_type") == "authorization_code":
            account = self._consents.account(form)
            spent = "" if account is None else self.world.tokens.consent(account)

        def said(issued: Issued) -> Said:
            return Said(200, {"token_type": "Bearer"} | issued.as_json())

        return await self.exchange(request, spent, said)

    def _vehicles(self, visit: Visit) -> Said:
        """The cars of the account."""
        cars = self.world.of(visit.account)
        return Said(200, {"vehicles": [{"id": truth.car.vehicle, "model": truth.car.model} for truth in cars]})

    def _switch(self, action: Action, visit: Visit) -> Said:
        start_at = _start_at(visit)
        if action is Action.SCHEDULE and start_at is None:
            return _REPLIES[Reply.NOT_FUTURE]
        return self.command(action, visit, start_at)

    def _limit(self, visit: Visit) -> Said:
        """Set the charge limit, 50 to 100 percent."""
        percent = visit.request.match_info["percent"]
        if not percent.isdecimal() or not 50 <= int(percent) <= 100:
            return Said(400, {"error": "limit_must_be_50_to_100", "applied": False})
        visit.car.set_limit(float(percent), visit.now, visit.cause)
        return _REPLIES[Reply.ACCEPTED]


def _state(visit: Visit) -> Said:
    """A cheap read: the cloud's newest sample. It wakes nobody."""
    truth, now = visit.car, visit.now
    sample = truth.sample(now)
    return Said(200, wire.state(truth.car, sample, sample.at if truth.asleep else now, visit.number))


def _start_at(visit: Visit) -> datetime | None:
    """The instant in the body, None where it names none."""
    try:
        at = datetime.fromisoformat(visit.json["start_at"])
    except (ValueError, TypeError, KeyError):
        return None
    return at.astimezone(UTC)
