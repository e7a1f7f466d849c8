"""One driver's way through consent: begun and finished in the same browser, within ten minutes, by any process."""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from hashlib import sha256
from secrets import token_urlsafe
from typing import NamedTuple

from pydantic import SecretStr

from agents.clock import Clock
from agents.linking.begun import PATIENCE, Begun, digest, opened
from agents.linking.claims import Holders, account_for, taken
from agents.linking.invitation import Invitation, Offer, Refusal, offer, refused, with_details
from agents.linking.refused import Refused
from agents.sealing import Sealer
from oem_connectors.base import Grant, Vehicle
from oem_connectors.consent import Flow
from oem_connectors.errors import NeedsConsent
from oem_connectors.http import OemClient
from oem_connectors.linking import ConsentClient, DeviceCode
from streams.contracts.base import account_of
from streams.contracts.registration import Registration

Publish = Callable[[Invitation, Sequence[Offer]], Awaitable[None]]


class Waiting(NamedTuple):
    """A code that the driver has to type in on the maker's page; `ticket` asks whether it was done."""

    user_code: str
    address: str
    until: timedelta
    interval: timedelta
    ticket: str


class Linker:
    """Links accounts. `publish` writes the registrations and returns when the log has them.

    `clock` is that of the cars, `wall` that of the drivers. With `holders`, a car has one driver, and the account is
    named by what the driver has linked before; without, as the invitation says.
    """

    def __init__(
        self,
        consents: Mapping[str, ConsentClient],
        clients: Mapping[str, OemClient],
        sealer: Sealer,
        clock: Clock,
        wall: Clock,
        publish: Publish,
        holders: Holders | None = None,
    ) -> None:
        self._consents, self._clients = consents, clients
        self._sealer, self._clock, self._wall = sealer, clock, wall
        self._publish, self._holders = publish, holders

    def flow(self, oem: str) -> Flow:
        """The maker's way of consent. Raises Rejected where there is none."""
        return self._consent(oem).consent.flow

    async def begin(self, oem: str, redirect_uri: str, invitation: Invitation) -> tuple[str, str]:
        """The address to send the browser to, and what it has to carry meanwhile. Raises OemError."""
        consent, now = self._consent(oem), self._wall.now()
        state, verifier = token_urlsafe(32), token_urlsafe(48)
        names = {
            "redirect_uri": redirect_uri,
            "state": state,
            "challenge": challenge(verifier),
            "user_id": invitation.account,
        }
        hosted = consent.consent.flow is Flow.HOSTED
        begun = Begun(
            oem=oem,
            invitation=invitation,
            until=now + PATIENCE,
            verifier=verifier,
            redirect_uri=redirect_uri,
            state="" if hosted else digest(state),  # a maker's own page comes back without our state
        )
        carried = begun.sealed(self._sealer)
        address = await consent.hosted(names, self._clock.now()) if hosted else consent.address(names)
        return address, carried

    def resume(self, oem: str, carried: str, query: Mapping[str, str], driver: str) -> Begun:
        """The consent that a browser comes back with. Raises Refused where it is not this one."""
        consent = self._consent(oem)
        begun = opened(carried, oem, self._sealer)
        begun.check(driver, self._wall.now())
        if consent.consent.flow is not Flow.HOSTED:
            begun.check_state(query.get("state", ""))
        return begun

    async def finish(self, begun: Begun, query: Mapping[str, str]) -> list[Offer]:
        """What the redirect brings, as linked or refused cars. Raises OemError."""
        consent = self._consent(begun.oem)
        names = {"redirect_uri": begun.redirect_uri, "verifier": begun.verifier}
        if consent.consent.flow is Flow.HOSTED:
            names["user_id"] = begun.invitation.account
        grant = await consent.came_back(query, names, self._clock.now())
        return await self._linked(begun.oem, grant, begun.invitation)

    async def with_token(self, oem: str, token: SecretStr, invitation: Invitation) -> list[Offer]:
        """Link with a refresh token that the driver brings. Raises OemError."""
        consent = self._consent(oem)
        grant = await consent.brought(token, invitation.all_details(), self._clock.now())
        return await self._linked(oem, grant, invitation)

    async def begin_code(self, oem: str, invitation: Invitation) -> Waiting:
        """A code for the driver to type in. Raises OemError."""
        consent, verifier = self._consent(oem), token_urlsafe(48)
        code = await consent.device(challenge(verifier))
        return self._waiting(
            Begun(
                oem=oem,
                invitation=invitation,
                until=self._wall.now() + code.expires_in,
                verifier=verifier,
                device_code=code.device_code.get_secret_value(),
                user_code=code.user_code,
                address=code.address,
                interval=code.interval,
            )
        )

    async def ask_code(self, oem: str, ticket: str, driver: str) -> list[Offer] | Waiting:
        """The cars once the code was typed in; before, a ticket for the next try. Raises OemError."""
        begun = opened(ticket, oem, self._sealer)
        begun.check(driver, self._wall.now())
        code = DeviceCode(
            SecretStr(begun.device_code), begun.user_code, begun.address, begun.until - self._wall.now(), begun.interval
        )
        found = await self._consent(oem).asked_again(code, begun.verifier, self._clock.now())
        if isinstance(found, Grant):
            return await self._linked(oem, found, begun.invitation)
        return self._waiting(begun.model_copy(update={"interval": begun.interval + found}))

    async def with_code(
        self,
        oem: str,
        invitation: Invitation,
        show: Callable[[Waiting], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> list[Offer]:
        """Show the driver a code, and wait until it was typed in on the maker's page. Raises OemError."""
        waiting = await self.begin_code(oem, invitation)
        show(waiting)
        waited, patience = timedelta(), waiting.until
        while waited < patience:
            await sleep(waiting.interval.total_seconds())
            waited += waiting.interval
            found = await self.ask_code(oem, waiting.ticket, invitation.driver)
            if not isinstance(found, Waiting):
                return found
            waiting = found
        raise NeedsConsent("the code was not typed in in time")

    def _waiting(self, begun: Begun) -> Waiting:
        left = begun.until - self._wall.now()
        return Waiting(begun.user_code, begun.address, left, begun.interval, begun.sealed(self._sealer))

    async def _linked(self, oem: str, grant: Grant, invitation: Invitation) -> list[Offer]:
        client = self._clients[oem]
        refresh = with_details(grant.refresh_token, invitation)
        speaking = Grant(with_details(grant.access_token, invitation), refresh, grant.expires_at)
        vehicles = await client.list_vehicles(speaking)
        if not vehicles:
            raise Refused("no_car", "there is no car in the account")
        named, others = self._claimed(oem, vehicles, invitation)
        now, connector = self._clock.now(), client.connector
        offers = [
            refused(connector, vehicle, named.account, Refusal.TAKEN)
            if vehicle in others
            else offer(connector, vehicle, named, refresh, self._sealer, now, self._before(oem, vehicle, named.account))
            for vehicle in vehicles
        ]
        await self._publish(named, [one for one in offers if one.registration is not None])
        return offers

    def _claimed(
        self, oem: str, vehicles: Sequence[Vehicle], invitation: Invitation
    ) -> tuple[Invitation, list[Vehicle]]:
        """The invitation with the account that is meant, and the cars that other drivers hold."""
        if self._holders is None:
            return invitation, []
        driver = invitation.driver
        others = [vehicle for vehicle in vehicles if taken(driver, oem, vehicle.id, self._holders)]
        if others and self.flow(oem) is Flow.CONNECT:
            # The redirect only claimed to be of this account's owner, and the owner is known to be another.
            raise Refused("taken", "another driver has linked this account, and has to unlink it first")
        account = account_for(driver, oem, [vehicle.id for vehicle in vehicles], self._holders)
        return invitation.model_copy(update={"account": account}), others

    def _before(self, oem: str, vehicle: Vehicle, account: str) -> Registration | None:
        """How the car is registered already."""
        held = () if self._holders is None else self._holders(oem, vehicle.id)
        return next((one for one in held if account_of(one.car) == account), None)

    def _consent(self, oem: str) -> ConsentClient:
        found = self._consents.get(oem)
        if found is None:
            there = ", ".join(sorted(self._consents))
            raise Refused("unknown_maker", f"accounts of {oem} cannot be linked; there are {there}")
        return found


def challenge(verifier: str) -> str:
    """RFC 7636, S256."""
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
