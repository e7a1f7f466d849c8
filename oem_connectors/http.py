"""Executes a connector's calls: one request each, no retries, and no foreign exception ever leaves.

Retrying, pacing and token custody belong to the caller, who knows what else it wants from the same car. Asked twice
is only what the maker provably did not take: a call that went to the wrong region.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, NamedTuple

import httpx
from pydantic import SecretStr

from oem_connectors.answers import Answer, failure, timed, translated
from oem_connectors.base import Ask, Call, Connector, Grant, Reply, Vehicle
from oem_connectors.credential import Credential, unpack
from oem_connectors.errors import OemError, OutcomeUnknown, Unauthorised, Unreadable, Unsupported, WrongRegion
from oem_connectors.home import is_home
from oem_connectors.tokens import Tokens
from oem_connectors.transport import AiohttpTransport
from oem_connectors.wire import Wire, hosts_of
from streams.contracts.command import Action
from streams.contracts.telemetry import Plug, Telemetry


def make_http() -> httpx.AsyncClient:
    """A client for many `OemClient`s: bounded, without redirects, blind to proxy and netrc settings."""
    transport = AiohttpTransport(max_connections=64, keepalive_seconds=15)
    return httpx.AsyncClient(transport=transport, follow_redirects=False, trust_env=False)


class _About(NamedTuple):
    """What a call is about."""

    credential: Credential
    vehicle: str = ""
    action: Action | None = None
    ask: Ask | None = None

    def names(self, region: str | None) -> dict[str, str]:
        """What fills the call's names in braces."""
        names = {**self.credential.details, "token": self.credential.token, "vehicle": self.vehicle}
        return names if region is None else names | {"region": region}


class _Stay(NamedTuple):
    """Where a car was found, and its state of charge since."""

    at_home: bool
    soc_pct: float | None

    def stands(self, said: Telemetry) -> bool:
        """Still plugged in, and nothing was driven: a car that is elsewhere has used some of its battery."""
        if said.plug is not Plug.PLUGGED or self.soc_pct is None or said.soc_pct is None:
            return False
        return said.soc_pct >= self.soc_pct


class OemClient:
    """Speaks to one maker. Safe to share between tasks; every method raises `OemError` and nothing else.

    `hosts` are its addresses, the connector's own unless others stand in; `app` is what the operator has registered
    with the maker: client_id, client_secret and the like.
    """

    def __init__(
        self,
        connector: Connector,
        http: httpx.AsyncClient,
        hosts: Mapping[str, str] | None = None,
        app: Mapping[str, SecretStr] | None = None,
    ) -> None:
        self.connector = connector
        self._wire = Wire(connector, http, hosts or hosts_of(connector, {}), app or {})
        self._tokens = Tokens(connector, self._wire)
        #: Where cars were found when they had been looked for in the wrong region.
        self._regions: dict[str, str] = {}
        #: Whether a car that stays plugged in is at home, by car and home.
        self._at_home: dict[tuple[str, str], _Stay] = {}

    async def read(self, grant: Grant, car: str, vehicle: str, now: datetime, model: str = "") -> Telemetry:
        """Read one car. `now` becomes the received time."""
        call = self.connector.call(None, model)
        assert call is not None
        about = _About(unpack(grant.access_token), vehicle)
        raw = self._good(await self._call(call, about, changes=False))
        said = translated(self.connector.normalise, car, raw, now)
        home = about.credential.details.get("home")
        if said.at_home is not None or home is None:
            return said
        at_home = is_home(translated(self.connector.place, raw), home)
        if at_home is None:
            at_home = await self._looked_up(about, said, home)
        return said.model_copy(update={"at_home": at_home})

    async def _looked_up(self, about: _About, said: Telemetry, home: str) -> bool | None:
        """Whether a plugged car is at home, asked for once a stay. Between two readings it may have been elsewhere."""
        place = about.vehicle, home
        known = self._at_home.get(place)
        if known is not None and not known.stands(said):
            del self._at_home[place]
            known = None
        if said.plug is not Plug.PLUGGED or self.connector.locate is None:
            return None
        if known is None:
            try:
                raw = self._good(await self._call(self.connector.locate, about, changes=False))
                found = is_home(translated(self.connector.place, raw), home)
            except OemError:
                return None  # the reading itself is good; the next one asks again
            if found is None:
                return None
            known = _Stay(found, said.soc_pct)
        self._at_home[place] = known._replace(soc_pct=said.soc_pct)
        return known.at_home

    async def list_vehicles(self, grant: Grant) -> Sequence[Vehicle]:
        """The cars of the account."""
        about = _About(unpack(grant.access_token))
        listed = await self._vehicles(self.connector.list_vehicles, about)
        if self.connector.describe is None:
            return listed
        described = [await self._vehicles(self.connector.describe, about._replace(vehicle=car.id)) for car in listed]
        return [found[0] if len(found) == 1 else car for car, found in zip(listed, described, strict=True)]

    async def _vehicles(self, call: Call, about: _About) -> Sequence[Vehicle]:
        answer = await self._call(call, about, changes=False)
        return translated(self.connector.vehicles, self._good(answer))

    async def command(
        self,
        grant: Grant,
        vehicle: str,
        action: Action,
        command_id: str,
        plan: str | None = None,
        start_at: datetime | None = None,
        *,
        model: str = "",
        zone: tzinfo = UTC,
    ) -> str | None:
        """Ask a car to do something; `start_at` is what its own schedule is set to, `zone` that of its home.

        Returns the maker's detail of a success, such as "already".

        `command_id` and `plan` (the desired state it serves) travel as headers for the maker's audit log.
        A normal return means accepted, never that the car obeyed.
        """
        call = self.connector.call(action, model)
        if call is None:
            raise Unsupported(f"{self.connector.name} has no {action.value}")
        if callable(call.body) and start_at is None:
            raise Unsupported("this call needs the instant that the schedule is set to")
        credential = unpack(grant.access_token)
        ask = None if start_at is None else Ask(start_at, zone, credential.details)
        headers = {"X-D2EV-Command": command_id} | ({"X-Plan": plan} if plan else {})
        about = _About(credential, vehicle, action, ask)
        answer = await self._call(call, about, changes=True, headers=headers)
        verdict = self._verdict(answer, action, failed=OutcomeUnknown)
        if isinstance(verdict, OemError):
            raise timed(verdict, answer)
        if verdict is None and not answer.ok:
            raise failure(answer, changes=True)
        return verdict

    async def refresh(self, refresh_token: SecretStr, now: datetime) -> Grant:
        """Trade a refresh token, which may be single-use, for a new grant.

        `NeedsConsent`: the token is dead. `OutcomeUnknown`: the answer was lost and the token may be spent.
        """
        return await self._tokens.renew(refresh_token, now)

    def _good(self, answer: Answer) -> Mapping[str, Any]:
        """The JSON object of a reading. Raises what the maker's words, or else the status, mean."""
        verdict = self._verdict(answer, None, failed=Unreadable)
        if isinstance(verdict, OemError):
            raise timed(verdict, answer)
        if not answer.ok:
            raise failure(answer, changes=False)
        return answer.object()

    def _verdict(self, answer: Answer, action: Action | None, *, failed: type[OemError]) -> str | OemError | None:
        reply = Reply(answer.status, answer.mapping(), action, answer.headers)
        return translated(self.connector.outcome, reply, failed=failed)

    async def _call(
        self, call: Call, about: _About, *, changes: bool, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One call, and one more where the maker says that the car is in another region of its own."""
        region = self._regions.get(about.vehicle)
        answer = await self._wire.call(call, about.names(region), about.ask, changes=changes, headers=headers)
        verdict = self._verdict(answer, about.action, failed=OutcomeUnknown if changes else Unreadable)
        if isinstance(verdict, WrongRegion) and verdict.region in self._wire.regions() - {region}:
            if about.vehicle:  # a list of cars is of no one place
                self._regions[about.vehicle] = verdict.region
            names = about.names(verdict.region)
            answer = await self._wire.call(call, names, about.ask, changes=changes, headers=headers)
            verdict = self._verdict(answer, about.action, failed=OutcomeUnknown if changes else Unreadable)
        if answer.status == 401 or isinstance(verdict, Unauthorised):
            self._tokens.refused(about.credential.token)
        return answer
