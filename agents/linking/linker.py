"""One driver's way through consent: begun in a browser session, finished in the same, once, within ten minutes."""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from secrets import compare_digest, token_urlsafe
from typing import Final, NamedTuple

from pydantic import SecretStr

from agents.clock import Clock
from agents.linking.invitation import Invitation, Offer, offer, with_details
from agents.sealing import Sealer
from oem_connectors.base import Grant
from oem_connectors.consent import Flow
from oem_connectors.errors import NeedsConsent, Rejected
from oem_connectors.http import OemClient
from oem_connectors.linking import ConsentClient, DeviceCode

#: How long a driver may take on the maker's pages.
PATIENCE: Final = timedelta(minutes=10)
#: Consents under way at most: whoever begins without end pushes out his own kind.
_MOST: Final = 10_000
Publish = Callable[[Sequence[Offer]], Awaitable[None]]


class Begun(NamedTuple):
    """A consent under way. `session` is the browser's, as a digest."""

    oem: str
    session: bytes
    verifier: str
    redirect_uri: str
    invitation: Invitation
    until: datetime


class Linker:
    """Links accounts. `publish` writes the registrations and returns when the log has them."""

    def __init__(
        self,
        consents: Mapping[str, ConsentClient],
        clients: Mapping[str, OemClient],
        sealer: Sealer,
        clock: Clock,
        publish: Publish,
    ) -> None:
        self._consents = consents
        self._clients = clients
        self._sealer = sealer
        self._clock = clock
        self._publish = publish
        self._begun: dict[str, Begun] = {}

    def flow(self, oem: str) -> Flow:
        """The maker's way of consent. Raises Rejected where there is none."""
        return self._consent(oem).consent.flow

    async def begin(self, oem: str, session: str, redirect_uri: str, invitation: Invitation) -> str:
        """The address to send the browser to. Raises OemError."""
        consent, now = self._consent(oem), self._clock.now()
        state, verifier = token_urlsafe(32), token_urlsafe(48)
        names = {
            "redirect_uri": redirect_uri,
            "state": state,
            "challenge": challenge(verifier),
            "user_id": invitation.account,
        }
        if consent.consent.flow is Flow.HOSTED:
            # The maker's own page comes back without our state: the session alone finds it again.
            address = await consent.hosted(names, now)
            state = _hosted_state(oem, session)
        else:
            address = consent.address(names)
        self._forget(now)
        self._begun[state] = Begun(oem, _digest(session), verifier, redirect_uri, invitation, now + PATIENCE)
        return address

    async def finish(self, oem: str, session: str, query: Mapping[str, str]) -> list[Offer]:
        """What the redirect brings, as linked or refused cars. Raises OemError; a state is good once."""
        consent, now = self._consent(oem), self._clock.now()
        hosted = consent.consent.flow is Flow.HOSTED
        begun = self._begun.pop(_hosted_state(oem, session) if hosted else query.get("state", ""), None)
        if begun is None or begun.oem != oem or now > begun.until:
            raise Rejected("this link was not begun here, was used, or took more than ten minutes: begin again")
        if not compare_digest(begun.session, _digest(session)):
            raise Rejected("this link was begun in another browser: begin again in this one")
        names = {"redirect_uri": begun.redirect_uri, "verifier": begun.verifier}
        if hosted:
            names["user_id"] = begun.invitation.account
        grant = await consent.came_back(query, names, now)
        return await self._linked(oem, grant, begun.invitation)

    async def with_token(self, oem: str, token: SecretStr, invitation: Invitation) -> list[Offer]:
        """Link with a refresh token that the driver brings. Raises OemError."""
        consent = self._consent(oem)
        grant = await consent.brought(token, invitation.all_details(), self._clock.now())
        return await self._linked(oem, grant, invitation)

    async def with_device(
        self,
        oem: str,
        invitation: Invitation,
        show: Callable[[DeviceCode], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> list[Offer]:
        """Show the driver a code, and wait until it was typed in on the maker's page. Raises OemError."""
        consent, verifier = self._consent(oem), token_urlsafe(48)
        code = await consent.device(challenge(verifier))
        show(code)
        interval, waited = code.interval, timedelta()
        while waited < code.expires_in:
            await sleep(interval.total_seconds())
            waited += interval
            found = await consent.asked_again(code, verifier, self._clock.now())
            if isinstance(found, Grant):
                return await self._linked(oem, found, invitation)
            interval += found
        raise NeedsConsent("the code was not typed in in time")

    async def _linked(self, oem: str, grant: Grant, invitation: Invitation) -> list[Offer]:
        client = self._clients[oem]
        refresh = with_details(grant.refresh_token, invitation)
        speaking = Grant(with_details(grant.access_token, invitation), refresh, grant.expires_at)
        now = self._clock.now()
        vehicles = await client.list_vehicles(speaking)
        if not vehicles:
            raise Rejected("there is no car in the account")
        offers = [offer(client.connector, vehicle, invitation, refresh, self._sealer, now) for vehicle in vehicles]
        await self._publish([one for one in offers if one.registration is not None])
        return offers

    def _consent(self, oem: str) -> ConsentClient:
        found = self._consents.get(oem)
        if found is None:
            raise Rejected(f"accounts of {oem} cannot be linked; there are {', '.join(sorted(self._consents))}")
        return found

    def _forget(self, now: datetime) -> None:
        """What took too long, and the oldest where there are too many."""
        for state in [state for state, begun in self._begun.items() if begun.until < now]:
            del self._begun[state]
        while len(self._begun) >= _MOST:
            del self._begun[next(iter(self._begun))]


def challenge(verifier: str) -> str:
    """RFC 7636, S256."""
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _digest(session: str) -> bytes:
    return sha256(session.encode()).digest()


def _hosted_state(oem: str, session: str) -> str:
    return f"{oem}/{_digest(session).hex()}"
