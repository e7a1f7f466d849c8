"""A maker of a test's own that asks for consent, and a linker before it."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
from pydantic import SecretStr

from agents.clock import LogClock
from agents.envelope import seal_context
from agents.linking.claims import Holders
from agents.linking.invitation import Invitation, Offer
from agents.linking.linker import Linker
from agents.sealing import Sealer
from oem_connectors.credential import unpack
from oem_connectors.http import OemClient
from oem_connectors.linking import ConsentClient
from oem_connectors.registry import load
from streams.contracts.base import account_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SEALER = Sealer(b"k" * 32)
INVITED = Invitation(
    account="acct7", driver="d1", home_zone="Europe/London", region="GB", tariff="GB", usable_kwh=58, power_kw=7.4,
    home=SecretStr("51.5,-0.12"),
)  # fmt: skip
BACK = "https://d2ev.example/link/volvo"
APP = {
    name: SecretStr(f"made-up-{name}")
    for name in ("client_id", "client_secret", "api_key", "application_id", "container_id", "audience", "app_id")
}


@dataclass
class Maker:
    """The maker's side: a login page that gives codes, a token endpoint that checks them, a list of cars."""

    cars: Any = field(default_factory=lambda: {"data": [{"vin": "YV1SYNTHETIC00001"}, {"vin": "YV1SYNTHETIC00002"}]})
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    seen: list[httpx.Request] = field(default_factory=list)
    pending: int = 2
    token: Mapping[str, Any] = field(
        default_factory=lambda: {"access_token": "at-1", "refresh_token": "rt-1", "expires_in": 600, "id_token": "it"}
    )

    def login(self, address: str) -> dict[str, str]:
        """The driver agrees: the query that the redirect brings."""
        query = dict(parse_qsl(urlsplit(address).query))
        code = f"code-{len(self.codes)}"
        self.codes[code] = query
        return {"code": code, "state": str(query["state"])}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        form = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
        path = request.url.path
        if path.endswith("device/code"):
            grown = {"device_code": "dc", "user_code": "AB-12", "verification_uri": "https://login.test/d"}
            return httpx.Response(200, json=grown | {"interval": 5, "expires_in": 60})
        if "token" in path:
            return self._token(form)
        if path.endswith("/link"):
            return httpx.Response(200, json={"linkUrl": "https://link.test/x", "linkToken": "t"})
        return httpx.Response(200, json=self.cars)

    def _token(self, form: dict[str, str]) -> httpx.Response:
        if form.get("grant_type") == "client_credentials":
            return httpx.Response(200, json={"access_token": "app", "expires_in": 3600})
        if "device_code" in form:
            self.pending -= 1
            words = {1: "authorization_pending", 0: "slow_down"}
            if self.pending in words:
                return httpx.Response(400, json={"error": words[self.pending]})
            return httpx.Response(200, json=self.token)
        asked = self.codes.pop(form.get("code", ""), None)
        if asked is None:
            return httpx.Response(400, json={"error": "invalid_grant"})
        proof = urlsafe_b64encode(sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=").decode()
        if asked.get("code_challenge", proof) != proof or form["redirect_uri"] != asked["redirect_uri"]:
            return httpx.Response(400, json={"error": "invalid_grant"})
        return httpx.Response(200, json=self.token)


@dataclass
class Desk:
    """A linker before a maker, and what it wrote. `wall` is the drivers' clock, `clock` the cars'."""

    maker: Any
    wall: LogClock
    linker: Linker
    written: list[Offer]

    async def begun(self, oem: str = "volvo", invitation: Invitation = INVITED) -> tuple[str, dict[str, str]]:
        """What the browser carries, and the query it comes back with from the maker."""
        address, carried = await self.linker.begin(oem, BACK, invitation)
        return carried, self.maker.login(address)

    async def back(self, oem: str, carried: str, query: Mapping[str, str], driver: str = "d1") -> list[Offer]:
        """The browser comes back."""
        return await self.linker.finish(self.linker.resume(oem, carried, query, driver), query)

    async def linked(self, oem: str = "volvo", invitation: Invitation = INVITED) -> list[Offer]:
        """The whole way."""
        return await self.back(oem, *await self.begun(oem, invitation), invitation.driver)


def desk(maker: Any = None, holders: Holders | None = None) -> Desk:
    """A linker before this maker."""
    made, clock, wall = maker or Maker(), LogClock(), LogClock()
    clock.seen(NOW - timedelta(days=200))
    wall.seen(NOW)
    http = httpx.AsyncClient(transport=httpx.MockTransport(made))
    connectors = {name: one for name, one in load().items() if one.consent is not None}
    written: list[Offer] = []

    async def publish(_invitation: Invitation, offers: Sequence[Offer]) -> None:
        written.extend(offers)

    consents = {name: ConsentClient(one, http, None, APP) for name, one in connectors.items()}
    clients = {name: OemClient(one, http, None, APP) for name, one in connectors.items()}
    return Desk(made, wall, Linker(consents, clients, SEALER, clock, wall, publish, holders), written)


def grant_of(offer: Offer) -> tuple[str, Mapping[str, str]]:
    """The token and the details that were sealed."""
    assert offer.registration is not None
    assert offer.registration.grant_sealed is not None
    opened = SEALER.open(offer.registration.grant_sealed, seal_context(account_of(offer.car))).decode()
    return unpack(SecretStr(opened))
