"""The public keys that issuers sign with: fetched over https, kept as long as they say, asked for sparingly."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import httpx
import orjson
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from agents.clock import Clock
from agents.settings import Issuer

#: Google's keys of Firebase ID tokens; they are not told by discovery.
FIREBASE_ISSUER: Final = "https://securetoken.google.com/"
FIREBASE_KEYS: Final = "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com"
_DISCOVERY: Final = "/.well-known/openid-configuration"
_MAX_BODY: Final = 256 * 1024
_TIMEOUT: Final = httpx.Timeout(5.0)
#: An unknown key makes us ask at most this often, or anybody could make us flood the issuer.
_NOT_BEFORE: Final = timedelta(seconds=30)
#: Keys that could not be renewed hold on for so long: an issuer that is down shuts nobody out at once.
_GRACE: Final = timedelta(hours=12)
_MAX_AGE: Final = re.compile(r"(?:^|[,\s])max-age=(\d{1,7})(?:$|[,\s])")
_SHORTEST, _LONGEST = timedelta(minutes=1), timedelta(hours=24)


class IssuerDown(Exception):
    """The issuer does not answer, or not as it should: nobody can be signed in for now."""


@dataclass
class _Known:
    keys: Mapping[str, PyJWK] = field(default_factory=dict)
    fresh_until: datetime | None = None
    asked_at: datetime | None = None
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


class Keys:
    """Keys of all issuers, by issuer and key id."""

    def __init__(self, http: httpx.AsyncClient, wall: Clock) -> None:
        self._http, self._wall = http, wall
        self._known: dict[str, _Known] = {}
        self._metadata: dict[str, Mapping[str, Any]] = {}

    async def key(self, issuer: Issuer, kid: str) -> PyJWK | None:
        """The key, None where the issuer has none of that id. Raises IssuerDown."""
        known = self._known.setdefault(issuer.issuer, _Known())
        if self._wants(known, kid):
            async with known.asking:
                if self._wants(known, kid):
                    await self._renew(issuer, known)
        return known.keys.get(kid)

    async def metadata(self, issuer: Issuer) -> Mapping[str, Any]:
        """The issuer's OpenID configuration. Raises IssuerDown."""
        if issuer.issuer not in self._metadata:
            told, _ = await self._get(issuer.issuer.rstrip("/") + _DISCOVERY)
            if told.get("issuer") != issuer.issuer:
                raise IssuerDown("the configuration is another issuer's")
            self._metadata[issuer.issuer] = told
        return self._metadata[issuer.issuer]

    def _wants(self, known: _Known, kid: str) -> bool:
        now = self._wall.now()
        if known.asked_at is not None and now - known.asked_at < _NOT_BEFORE:
            return False
        return kid not in known.keys or known.fresh_until is None or known.fresh_until <= now

    async def _renew(self, issuer: Issuer, known: _Known) -> None:
        now = self._wall.now()
        known.asked_at = now
        try:
            told, age = await self._get(await self._address(issuer))
        except IssuerDown:
            if known.fresh_until is None or now > known.fresh_until + _GRACE:
                known.keys = {}
                raise
            return
        known.keys, known.fresh_until = _keys(told), now + age

    async def _address(self, issuer: Issuer) -> str:
        if issuer.jwks is not None:
            return issuer.jwks
        if issuer.issuer.startswith(FIREBASE_ISSUER):
            return FIREBASE_KEYS
        address = (await self.metadata(issuer)).get("jwks_uri")
        if not isinstance(address, str) or not Issuer.safe(address):
            raise IssuerDown("the configuration names no https address of keys")
        return address

    async def _get(self, url: str) -> tuple[Mapping[str, Any], timedelta]:
        try:
            async with self._http.stream("GET", url, timeout=_TIMEOUT, follow_redirects=False) as answer:
                body = b""
                async for piece in answer.aiter_bytes():
                    body += piece
                    if len(body) > _MAX_BODY:
                        raise IssuerDown("the answer is too long")
            told = orjson.loads(body) if answer.status_code == httpx.codes.OK else None
        except (httpx.HTTPError, orjson.JSONDecodeError) as error:
            raise IssuerDown(type(error).__name__) from None
        if not isinstance(told, dict):
            raise IssuerDown(f"HTTP {answer.status_code}, not the JSON it should be")
        return told, _age(answer.headers.get("Cache-Control", ""))


def _age(cache_control: str) -> timedelta:
    """For how long keys may be kept."""
    found = _MAX_AGE.search(cache_control)
    return min(_LONGEST, max(_SHORTEST, timedelta(seconds=int(found[1])))) if found else timedelta(hours=1)


def _keys(told: Mapping[str, Any]) -> dict[str, PyJWK]:
    """The signing keys among those told; one that makes no sense is left out."""
    keys = {}
    listed = told.get("keys")
    for one in listed if isinstance(listed, list) else []:
        if isinstance(one, dict) and isinstance(one.get("kid"), str) and one.get("use", "sig") == "sig":
            try:
                keys[one["kid"]] = PyJWK(one)
            except (PyJWTError, ValueError, TypeError, KeyError):
                continue
    return keys
