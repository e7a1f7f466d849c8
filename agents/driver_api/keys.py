"""The public keys that issuers sign with: fetched over https, kept as long as they say, asked for sparingly."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import httpx
import orjson
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from agents.clock import Clock
from agents.issuer import Issuer

#: Google's keys of Firebase ID tokens; they are not told by discovery.
FIREBASE_KEYS: Final = "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com"
_DISCOVERY: Final = "/.well-known/openid-configuration"
_MAX_BODY: Final = 256 * 1024
_SECONDS: Final = 5.0
#: An unknown key makes us ask at most this often, or anybody could make us flood the issuer.
_NOT_BEFORE: Final = timedelta(seconds=30)
#: What could not be renewed holds on for so long: an issuer that is down shuts nobody out at once.
_GRACE: Final = timedelta(hours=12)
_MAX_AGE: Final = re.compile(r"(?:^|[,\s])max-age=(\d{1,7})(?:$|[,\s])")
_SHORTEST, _LONGEST = timedelta(minutes=1), timedelta(hours=24)
_LEAST_RSA_BITS: Final = 2048


class IssuerDown(Exception):
    """The issuer does not answer, or not as it should: nobody can be signed in for now."""


class _Published:
    """What an issuer publishes at one address: asked for by one at a time, held on to while it cannot be renewed."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        wall: Clock,
        address: Callable[[], Awaitable[str]],
        read: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    ) -> None:
        self._http, self._wall, self._address, self._read = http, wall, address, read
        self._known: Mapping[str, Any] = {}
        self._fresh_until: datetime | None = None
        self._asked_at: datetime | None = None
        self._answered = False
        self._asking = asyncio.Lock()

    async def with_(self, name: str) -> Mapping[str, Any]:
        """All of it, with `name` if the issuer has it. Raises IssuerDown where that cannot be known."""
        if self._wants(name) or (self._asking.locked() and name not in self._known):
            async with self._asking:
                if self._wants(name):
                    await self._ask()
        if not self._answered and name not in self._known:
            raise IssuerDown("the issuer does not answer as it should")
        return self._known

    def _wants(self, name: str) -> bool:
        now = self._wall.now()
        if self._asked_at is not None and timedelta() <= now - self._asked_at < _NOT_BEFORE:
            return False
        return name not in self._known or self._fresh_until is None or self._fresh_until <= now

    async def _ask(self) -> None:
        now = self._wall.now()
        self._asked_at, self._answered = now, False
        try:
            answer = await fetch(self._http, "GET", await self._address())
            self._known = self._read(told(answer))
            self._fresh_until, self._answered = now + _age(answer.headers["Cache-Control"]), True
        except IssuerDown:
            if self._fresh_until is None or now > self._fresh_until + _GRACE:
                self._known = {}


class Keys:
    """Keys and addresses of all issuers."""

    def __init__(self, http: httpx.AsyncClient, wall: Clock) -> None:
        self._http, self._wall = http, wall
        self._keys: dict[str, _Published] = {}
        self._metadata: dict[str, _Published] = {}

    async def key(self, issuer: Issuer, kid: str) -> PyJWK | None:
        """The key, None where the issuer has none of that id. Raises IssuerDown."""
        if issuer.issuer not in self._keys:
            self._keys[issuer.issuer] = _Published(self._http, self._wall, lambda: self._jwks(issuer), _keys)
        return (await self._keys[issuer.issuer].with_(kid)).get(kid)

    async def endpoint(self, issuer: Issuer, name: str) -> str:
        """An address out of the issuer's OpenID configuration. Raises IssuerDown."""

        async def address() -> str:
            return issuer.issuer.rstrip("/") + _DISCOVERY

        def read(found: Mapping[str, Any]) -> Mapping[str, Any]:
            if found.get("issuer") != issuer.issuer:
                raise IssuerDown("the configuration is another issuer's")
            return found

        if issuer.issuer not in self._metadata:
            self._metadata[issuer.issuer] = _Published(self._http, self._wall, address, read)
        found = (await self._metadata[issuer.issuer].with_("issuer")).get(name)
        scheme = issuer.issuer.partition(":")[0]
        # Only an issuer on this machine may name addresses without TLS.
        if not isinstance(found, str) or not Issuer.safe(found) or not found.startswith(("https:", f"{scheme}:")):
            raise IssuerDown(f"the configuration names no https {name}")
        return found

    async def _jwks(self, issuer: Issuer) -> str:
        if issuer.jwks is not None:
            return issuer.jwks
        return FIREBASE_KEYS if issuer.is_firebase else await self.endpoint(issuer, "jwks_uri")


async def fetch(
    http: httpx.AsyncClient,
    method: str,
    url: str,
    form: Mapping[str, str] | None = None,
    auth: httpx.Auth | None = None,
) -> httpx.Response:
    """What an issuer answers: no redirect followed, nothing unpacked, no more than fits. Raises IssuerDown."""
    plain = {"Accept": "application/json", "Accept-Encoding": "identity"}
    try:
        async with (
            asyncio.timeout(_SECONDS),
            http.stream(
                method,
                url,
                data=form,
                auth=auth or httpx.Auth(),
                headers=plain,
                timeout=_SECONDS,
                follow_redirects=False,
            ) as answer,
        ):
            if answer.headers.get("Content-Encoding", "identity") != "identity":
                raise IssuerDown("the answer is packed")
            body = b""
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > _MAX_BODY:
                    raise IssuerDown("the answer is too long")
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError) as error:
        raise IssuerDown(type(error).__name__) from None
    return httpx.Response(
        answer.status_code, headers={"Cache-Control": answer.headers.get("Cache-Control", "")}, content=body
    )


def told(answer: httpx.Response) -> Mapping[str, Any]:
    """The JSON object in an answer. Raises IssuerDown."""
    try:
        found = orjson.loads(answer.content) if answer.status_code == httpx.codes.OK else None
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise IssuerDown(f"HTTP {answer.status_code}, not the JSON it should be")
    return found


def _age(cache_control: str) -> timedelta:
    """For how long keys may be kept."""
    found = _MAX_AGE.search(cache_control)
    return min(_LONGEST, max(_SHORTEST, timedelta(seconds=int(found[1])))) if found else timedelta(hours=1)


def _keys(found: Mapping[str, Any]) -> Mapping[str, PyJWK]:
    """The signing keys among those told; one that makes no sense, or is weak, is left out."""
    keys = {}
    listed = found.get("keys")
    for one in listed if isinstance(listed, list) else []:
        if isinstance(one, dict) and isinstance(one.get("kid"), str) and one.get("use", "sig") == "sig":
            try:
                made = PyJWK(one)
            except (PyJWTError, ValueError, TypeError, KeyError):
                continue
            if _is_strong(made.key):
                keys[one["kid"]] = made
    return keys


def _is_strong(key: object) -> bool:
    """A public key that RS256 or ES256 may rest on; a shared secret is none."""
    if isinstance(key, RSAPublicKey):
        return key.key_size >= _LEAST_RSA_BITS
    return isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1)
