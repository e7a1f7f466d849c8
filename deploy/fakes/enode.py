"""A fake Enode: one token for the app, cars by their own ids, and commands that become actions it pursues itself."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from pydantic import SecretStr

from deploy.fakes import enode_words as words
from deploy.fakes.app import AppDesk
from deploy.fakes.enode_words import CANCELLED, CONFIRMED, FAILED, PENDING, Job, vehicle_of
from deploy.fakes.maker import APP, Maker, home_text, place
from oem_connectors.credential import pack
from oem_connectors.simulator.cloud.chance import digest
from oem_connectors.simulator.cloud.consent import ConsentPage
from oem_connectors.simulator.cloud.desk import Said, Trouble, Visit
from oem_connectors.simulator.cloud.states import Mode, Reply
from oem_connectors.simulator.cloud.truth import Truth
from oem_connectors.simulator.cloud.world import World
from streams.contracts.command import Action

#: An action whose effect has not been seen by then has failed.
PATIENCE = timedelta(minutes=10)
_ACTIONS = {"START": Action.START, "STOP": Action.STOP}
_FAILURES = {Reply.ALREADY: "UNNECESSARY", Reply.NOT_PLUGGED: "FAILED_PRECONDITION", Reply.BUSY: "CONFLICT"}
_TROUBLES = {
    Trouble.OUTAGE: (503, "service-unavailable"),
    Trouble.NO_CAR: (404, "not-found"),
    Trouble.ERROR: (500, "internal-server-error"),
    Trouble.THROTTLED: (429, "too-many-requests"),
}


def user_of(account: str) -> str:
    """The id that we have given a driver at Enode."""
    return digest("enode user", account)


class Enode(AppDesk):
    """`optimised` are the cars, by Enode's ids, that it charges by a schedule of its own: it refuses our commands."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._cars = {vehicle_of(truth.car): truth for truth in world.cars.values()}
        self._users = {user_of(truth.car.account): truth.car.account for truth in world.cars.values()}
        self._jobs: dict[str, Job] = {}
        self.optimised: set[str] = set()
        self._links = ConsentPage(world, self._linked, needs=("redirect_uri", "user"))

    def routes(self) -> list[web.RouteDef]:
        """Link, token, vehicles, charging and actions."""
        return [
            *self._links.routes("/link"),
            web.post("/users/{user}/link", self._link),
            web.post("/oauth2/token", self.token),
            self.at("GET", "/users/{user}/vehicles", "vehicles", self._listed),
            self.at("GET", "/vehicles/actions/{action}", "action", self._followed),
            self.at("GET", "/vehicles/{vehicle}", "state", lambda visit: self.read(visit, self._vehicle)),
            self.at("POST", "/vehicles/{vehicle}/charging", "charging", self._charging),
        ]

    async def _link(self, request: web.Request) -> web.Response:
        """A page for the driver of ours, whom the redirect does not name."""
        if not self.admits(request):
            return web.json_response(words.problem("unauthorized"), status=401)
        asked = {"redirect_uri": (await request.json())["redirectUri"], "user": request.match_info["user"]}
        return web.json_response({"linkUrl": f"{request.url.origin()}/link?{urlencode(asked)}", "linkToken": "unused"})

    def _linked(self, account: str, asked: Mapping[str, str]) -> Mapping[str, str]:
        self._users[asked["user"]] = account
        return {}

    def account_of(self, request: web.Request) -> str | None:
        """The token says only that it is the app; what is asked for names the driver."""
        if not self.admits(request):
            return None
        asked = request.match_info
        job = self._jobs.get(asked.get("action", ""))
        truth = self._cars.get(asked.get("vehicle", "") if job is None else job.vehicle)
        return self._users.get(asked.get("user", "")) if truth is None else truth.car.account

    def truth_of(self, account: str, vehicle: str) -> Truth | None:
        """By Enode's own id."""
        return self._cars.get(vehicle)

    def stranger(self, visit: Visit) -> Said | None:
        """The app asks as itself, by HTTP Basic."""
        pair = b64encode(f"{APP['client_id']}:{APP['client_secret']}".encode()).decode()
        if visit.request.headers.get("Authorization") != f"Basic {pair}":
            return Said(401, {"error": "invalid_client"})
        return None if b"grant_type=client_credentials" in visit.body else Said(400, {"error": "invalid_request"})

    def trouble(self, trouble: Trouble, visit: Visit) -> Said:
        """A problem; what nobody is known to own cannot be found."""
        if trouble is Trouble.NOBODY and not self.admits(visit.request):
            return Said(401, words.problem("unauthorized"))
        status, title = _TROUBLES.get(trouble, _TROUBLES[Trouble.NO_CAR])
        headers = {"retry-after": str(visit.wait_seconds)} if trouble is Trouble.THROTTLED else {}
        return Said(status, words.problem(title), headers)

    def reply(self, reply: Reply, action: Action, visit: Visit) -> Said:
        """Whatever the car makes of it, the answer is an action."""
        vehicle, user = vehicle_of(visit.car.car), user_of(visit.account)
        job = Job(digest("action", vehicle, len(self._jobs)), user, vehicle, action, visit.now, visit.now)
        self._jobs[job.id] = job
        if reply is Reply.UNSUPPORTED:
            job.end(FAILED, visit.now, "FAILED_PRECONDITION")
            return Said(400, job.as_json())
        if reply in _FAILURES:
            job.end(FAILED, visit.now, _FAILURES[reply])
        return Said(200, job.as_json())

    def _charging(self, visit: Visit) -> Said:
        asked: Mapping[str, Any] = visit.json if isinstance(visit.json, dict) else {}
        action = _ACTIONS.get(str(asked.get("action")))
        if action is None:
            return Said(400, words.problem("validation-error"))
        vehicle = vehicle_of(visit.car.car)
        if vehicle in self.optimised:
            return Said(422, words.problem("vehicle-under-smart-charging"))
        for job in self._pending(vehicle, visit.now):
            if job.action is action:
                return Said(200, job.as_json())
            job.end(CANCELLED, visit.now, "REQUESTED_CANCELLATION")
        return self.command(action, visit)

    def _followed(self, visit: Visit) -> Said:
        job = self._jobs.get(visit.request.match_info["action"])
        if job is None:
            return self.trouble(Trouble.NO_CAR, visit)
        self._settle(job, visit.now)
        return Said(200, job.as_json())

    def _vehicle(self, visit: Visit) -> Said:
        return Said(200, self._told(visit.car, visit))

    def _listed(self, visit: Visit) -> Said:
        cars = [self._told(truth, visit) for truth in self.world.of(visit.account)]
        return Said(200, {"data": cars, "pagination": {"after": None, "before": None}})

    def _told(self, truth: Truth, visit: Visit) -> Mapping[str, Any]:
        sample = truth.sample(visit.now)
        where = place(at_home=sample.at_home)
        user, reachable = user_of(visit.account), not truth.asleep
        return words.vehicle(truth.car, user, sample, place=where, reachable=reachable, number=visit.number)

    def _pending(self, vehicle: str, now: datetime) -> list[Job]:
        jobs = [job for job in self._jobs.values() if job.vehicle == vehicle]
        for job in jobs:
            self._settle(job, now)
        return [job for job in jobs if job.state == PENDING]

    def _settle(self, job: Job, now: datetime) -> None:
        """An action is confirmed when its effect is seen."""
        truth = self._cars[job.vehicle]
        truth.advance(now)
        if (truth.mode is Mode.CHARGING) is (job.action is Action.START):
            job.end(CONFIRMED, now)
        elif now >= job.created_at + PATIENCE:
            job.end(FAILED, now, "NO_RESPONSE")


def _grant(_world: World, account: str) -> SecretStr:
    """No driver has a token of his own: his user id is what calls need."""
    return pack("none", {"user_id": user_of(account), "home": home_text()})


MAKER = Maker(oem="enode", desk=Enode, model="TESLA", vehicle=vehicle_of, grant=_grant)
