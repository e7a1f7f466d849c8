"""A fake of Tesla's clouds: tokens that are spent once, the Fleet API, and the signing proxy for commands."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from aiohttp import web
from pydantic import SecretStr

from deploy.fakes import tesla_words as words
from deploy.fakes.maker import HOME, Maker, home_text, place
from oem_connectors.credential import pack
from oem_connectors.home import NEAR_M, distance_m
from oem_connectors.simulator.cloud.consent import ConsentPage
from oem_connectors.simulator.cloud.desk import Desk, Said, Trouble, Visit
from oem_connectors.simulator.cloud.states import Reply
from oem_connectors.simulator.cloud.tokens import Issued
from oem_connectors.simulator.cloud.truth import Truth
from oem_connectors.simulator.cloud.world import World
from streams.contracts.command import Action

TOKEN = "/oauth2/v3/token"  # noqa: S105 - a path, no secret
_CAR = "/api/1/vehicles/{vehicle}"
_JSON = "application/json"
_DONE = Said(200, words.DONE)


class Tesla(Desk):
    """`by_proxy`: commands are answered as the signing proxy does, else as the Fleet API itself.

    `unpaired` cars do not know our key. `elsewhere` gives the base URL of accounts that live in another region.
    """

    def __init__(
        self,
        world: World,
        *,
        by_proxy: bool = True,
        unpaired: Collection[str] = (),
        elsewhere: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(world)
        self._cars = {(truth.car.account, words.vin(truth.car)): truth for truth in world.cars.values()}
        self._by_proxy = by_proxy
        self._consents = ConsentPage(world)
        self._unpaired, self._elsewhere = unpaired, elsewhere or {}
        #: The charge schedules in each car, by their ids.
        self._schedules: dict[str, set[int]] = {}

    def routes(self) -> list[web.RouteDef]:
        """Consent, the token endpoint, readings, wake_up and commands."""
        return [
            *self._consents.routes("/oauth2/v3/authorize"),
            web.post(TOKEN, self._token),
            self.at("GET", "/api/1/vehicles", "list", self._list),
            self.at("GET", _CAR, "vehicle", self._vehicle),
            self.at("GET", f"{_CAR}/vehicle_data", "state", lambda visit: self.read(visit, self._state)),
            self.at("POST", f"{_CAR}/wake_up", "wake", self._wake),
            self.at("POST", f"{_CAR}/command/charge_start", "start", lambda visit: self._told(Action.START, visit)),
            self.at("POST", f"{_CAR}/command/charge_stop", "stop", lambda visit: self._told(Action.STOP, visit)),
            self.at("POST", f"{_CAR}/command/add_charge_schedule", "schedule", self._add),
            self.at("POST", f"{_CAR}/command/remove_charge_schedule", "unschedule", self._remove),
        ]

    def truth_of(self, account: str, vehicle: str) -> Truth | None:
        """Commands name a car by its VIN."""
        return self._cars.get((account, vehicle))

    def trouble(self, trouble: Trouble, visit: Visit) -> Said:
        """Tesla's envelope; its dead refresh tokens and its budgets have words of their own."""
        if trouble is Trouble.THROTTLED:
            name = "RateLimit-Reset" if visit.number % 2 else "Retry-After"
            return Said(429, words.failed("too many requests"), {name: str(visit.wait_seconds)})
        if trouble is Trouble.DEAD_TOKEN:
            return Said(401, {"error": "login_required", "error_description": "The refresh_token is invalid."})
        status, error = {
            Trouble.OUTAGE: (503, "service unavailable"),
            Trouble.NOBODY: (401, "token expired (401)"),
            Trouble.NO_CAR: (404, "not_found"),
            Trouble.ERROR: (500, "internal error"),
        }[trouble]
        return Said(status, words.failed(error))

    def reply(self, reply: Reply, action: Action, visit: Visit) -> Said:
        """The car's own refusals come with 200; a sleeping one is 408, or 500 through the proxy."""
        if action is Action.WAKE and reply in {Reply.ACCEPTED, Reply.ALREADY}:
            return Said(200, {"response": words.listed(visit.car.car, asleep=visit.car.asleep)})
        if reply is Reply.ACCEPTED or (reply is Reply.ALREADY and action is Action.UNSCHEDULE):
            return _DONE
        if reply is Reply.ASLEEP:
            return Said(500 if self._proxied(action) else 408, words.failed(words.UNAVAILABLE))
        if reply is Reply.UNSUPPORTED:
            return Said(403, words.failed("vehicle is not supported"))
        if reply is Reply.BUSY:
            return self._busy(action, visit)
        reason = words.reason(reply, action, visit.car.sample(visit.now).mode)
        return Said(200, words.refused(reason, by_proxy=self._by_proxy))

    async def _token(self, request: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        spent = form.get("refresh_token", "")
        if form.get("grant_type") == "authorization_code":
            account = self._consents.account(form)
            spent = "" if account is None else self.world.tokens.consent(account)
        elif form.get("grant_type") != "refresh_token" or not form.get("client_id"):
            return web.json_response({"error": "unsupported_grant_type"}, status=400)
        return await self.exchange(request, spent, _issued)

    def _list(self, visit: Visit) -> Said:
        cars = [words.listed(truth.car, asleep=truth.asleep) for truth in self._awaited(visit)]
        return self._misdirected(visit) or Said(200, {"response": cars, "count": len(cars)})

    def _vehicle(self, visit: Visit) -> Said:
        visit.car.advance(visit.now)
        return self._misdirected(visit) or Said(200, {"response": words.listed(visit.car.car, asleep=visit.car.asleep)})

    def _state(self, visit: Visit) -> Said:
        sample, wanted = visit.car.sample(visit.now), visit.request.query.get("endpoints", "").split(";")
        if (elsewhere := self._misdirected(visit)) is not None:
            return elsewhere
        if visit.car.asleep:
            return Said(408, words.failed(words.UNAVAILABLE))
        where = place(at_home=sample.at_home)
        return Said(200, {"response": words.vehicle_data(visit.car.car, sample, where, visit.number, wanted)})

    def _wake(self, visit: Visit) -> Said:
        return self._misdirected(visit) or self.command(Action.WAKE, visit)

    def _told(self, action: Action, visit: Visit, start_at: datetime | None = None) -> Said:
        if visit.request.content_type != _JSON:
            return Said(406, words.failed("not_acceptable"))
        if visit.car.car.key in self._unpaired:
            return Said(500, words.failed(words.UNPAIRED))
        return self._misdirected(visit) or self.command(action, visit, start_at)

    def _add(self, visit: Visit) -> Said:
        """A schedule for another place is kept and never runs here."""
        body = visit.json if isinstance(visit.json, dict) else {}
        start_at = words.next_start(body, visit.car.car.zone, visit.now)
        if start_at is None:
            return Said(400, words.failed("invalid_field"))
        near = distance_m((body["lat"], body["lon"]), HOME) <= NEAR_M
        said = self._told(Action.SCHEDULE, visit, start_at) if near else _DONE
        if said is _DONE:
            self._schedules.setdefault(visit.car.car.key, set()).add(_id_of(body))
        return said

    def _remove(self, visit: Visit) -> Said:
        """Of a schedule that the car does not have nothing is left: that is no error here."""
        kept = self._schedules.get(visit.car.car.key, set())
        body = visit.json if isinstance(visit.json, dict) else {}
        if _id_of(body) not in kept and not visit.car.asleep:
            return _DONE
        said = self._told(Action.UNSCHEDULE, visit)
        if said is _DONE:
            kept.discard(_id_of(body))
        return said

    def _proxied(self, action: Action) -> bool:
        return self._by_proxy and action is not Action.WAKE

    def _busy(self, action: Action, visit: Visit) -> Said:
        """The proxy waits for its turn at the car in vain, or the car itself has no time."""
        if self._proxied(action) and visit.number % 2:
            return Said(503, words.failed(words.LOCKED))
        return Said(500 if self._proxied(action) else 408, words.failed(words.BUSY))

    def _misdirected(self, visit: Visit) -> Said | None:
        base = self._elsewhere.get(visit.account)
        return None if base is None else Said(421, words.failed(f"user out of region, use base URL: {base}"))

    def _awaited(self, visit: Visit) -> list[Truth]:
        cars = list(self.world.of(visit.account))
        for truth in cars:
            truth.advance(visit.now)
        return cars


def _issued(issued: Issued) -> Said:
    return Said(200, {**issued.as_json(), "id_token": "", "token_type": "Bearer"})


def _id_of(body: Mapping[str, Any]) -> int:
    found = body.get("id")
    return found if isinstance(found, int) else 0


def _grant(world: World, account: str) -> SecretStr:
    return pack(world.tokens.consent(account), {"home": home_text()})


MAKER = Maker(oem="tesla", desk=Tesla, model="Model 3", vehicle=words.vin, grant=_grant)
