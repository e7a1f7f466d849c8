"""A development issuer of ID tokens: OpenID Connect's code flow with PKCE, where a visitor chooses whom to be."""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from hmac import compare_digest
from html import escape
from itertools import count
from secrets import token_urlsafe
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode, urlsplit

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

CLIENT_ID: Final = "d2ev"
CLIENT_SECRET: Final = "development-secret"  # noqa: S105 - known to everybody, for this machine only
LIFETIME: Final = timedelta(hours=1)
_CODE_LIVES: Final = timedelta(minutes=2)
_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
_LOOPBACK: Final = {"127.0.0.1", "localhost", "::1"}
_ASKED: Final = ("client_id", "redirect_uri", "state", "nonce", "code_challenge")


class _Code(NamedTuple):
    """A code that waits to be exchanged."""

    driver: str
    asked: Mapping[str, str]
    until: datetime


class Issuer:
    """Whoever comes may be any of `drivers` (sub to shown name): for demo and tests on loopback, nothing else."""

    def __init__(
        self, drivers: Mapping[str, str], url: str = "", clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.url = url
        self.keys_asked = 0
        self._drivers, self._clock = drivers, clock
        self._codes: dict[str, _Code] = {}
        self._numbers = count(1)
        self._keys: dict[str, rsa.RSAPrivateKey] = {}
        self.rotate()

    def app(self) -> web.Application:
        """The issuer as an aiohttp application."""
        app = web.Application(client_max_size=16 * 1024)
        app.router.add_get("/.well-known/openid-configuration", self._discovery)
        app.router.add_get("/keys", self._jwks)
        app.router.add_get("/authorize", self._choose)
        app.router.add_post("/authorize", self._chosen)
        app.router.add_post("/token", self._exchange)
        return app

    def rotate(self) -> None:
        """Sign with a new key; the one before stays known."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._keys = dict([*list(self._keys.items())[-1:], (f"key-{next(self._numbers)}", key)])

    def token(self, sub: str, **claims: Any) -> str:
        """An ID token for `sub`, with other claims where given; None leaves one out."""
        now = int(self._clock().timestamp())
        usual = {"iss": self.url, "aud": CLIENT_ID, "sub": sub, "iat": now, "auth_time": now}
        whole = {**usual, "exp": now + int(LIFETIME.total_seconds()), **claims}
        kid, key = list(self._keys.items())[-1]
        told = {name: value for name, value in whole.items() if value is not None}
        return jwt.encode(told, key, algorithm="RS256", headers={"kid": kid})

    async def _discovery(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "code_challenge_methods_supported": ["S256"],
            }
        )

    async def _jwks(self, _request: web.Request) -> web.Response:
        self.keys_asked += 1
        keys = [
            {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig", "alg": "RS256"}
            for kid, key in self._keys.items()
        ]
        return web.json_response({"keys": keys}, headers={"Cache-Control": "public, max-age=300"})

    async def _choose(self, request: web.Request) -> web.Response:
        trouble = _trouble(request.query)
        if trouble is not None:
            return web.Response(status=400, text=trouble, headers=_HEADERS)
        hidden = "".join(
            f'<input type="hidden" name="{name}" value="{escape(request.query.get(name, ""))}">' for name in _ASKED
        )
        buttons = "".join(
            f'<p><button name="driver" value="{escape(sub)}">{escape(shown)}</button></p>'
            for sub, shown in self._drivers.items()
        )
        text = (
            '<!doctype html><html lang="en"><meta name="viewport" content="width=device-width">'
            '<link rel="icon" href="data:,">'
            "<title>Development sign-in</title><h1>Who are you today?</h1>"
            "<p>A sign-in for this machine only: no password is asked.</p>"
            f'<form method="post">{hidden}{buttons}</form></html>'
        )
        return web.Response(text=text, content_type="text/html", headers=_HEADERS)

    async def _chosen(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        trouble = _trouble(form) or (None if form.get("driver") in self._drivers else "no such driver")
        if trouble is not None:
            return web.Response(status=400, text=trouble, headers=_HEADERS)
        code = token_urlsafe(24)
        self._codes[code] = _Code(form["driver"], form, self._clock() + _CODE_LIVES)
        back = f"{form['redirect_uri']}?{urlencode({'code': code, 'state': form['state']})}"
        return web.Response(status=303, headers={**_HEADERS, "Location": back})

    async def _exchange(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        if not _is_client(request, form):
            return _refused("invalid_client", 401)
        found = self._codes.pop(form.get("code", ""), None)
        if form.get("grant_type") != "authorization_code":
            return _refused("unsupported_grant_type")
        if found is None or found.until < self._clock() or found.asked["redirect_uri"] != form.get("redirect_uri"):
            return _refused("invalid_grant")
        challenge = urlsafe_b64encode(sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=").decode()
        if not compare_digest(challenge, found.asked["code_challenge"]):
            return _refused("invalid_grant")
        answer = {
            "access_token": token_urlsafe(24),
            "token_type": "Bearer",
            "expires_in": int(LIFETIME.total_seconds()),
            "id_token": self.token(found.driver, nonce=found.asked.get("nonce") or None),
        }
        return web.json_response(answer, headers=_HEADERS)


def _trouble(asked: Mapping[str, str]) -> str | None:
    """Why nobody can be signed in by this request."""
    if asked.get("client_id") != CLIENT_ID:
        return "unknown client_id"
    if urlsplit(asked.get("redirect_uri", "")).hostname not in _LOOPBACK:
        return "redirect_uri is for this machine only"
    return None if asked.get("state") and asked.get("code_challenge") else "state and code_challenge are needed"


def _is_client(request: web.Request, form: Mapping[str, str]) -> bool:
    """The client by HTTP Basic, or by fields of the form."""
    sent = f"{form.get('client_id', '')}:{form.get('client_secret', '')}"
    scheme, _, basic = request.headers.get("Authorization", "").partition(" ")
    if scheme == "Basic":
        try:
            sent = b64decode(basic, validate=True).decode()
        except (Error, UnicodeDecodeError):
            return False
    return compare_digest(sent.encode(), f"{CLIENT_ID}:{CLIENT_SECRET}".encode())


def _refused(error: str, status: int = 400) -> web.Response:
    return web.json_response({"error": error}, status=status, headers=_HEADERS)
