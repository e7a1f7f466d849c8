"""Google's token endpoint, as the fakes of its services have it: an assertion is checked, a token is given."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache

import jwt
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

LIFETIME = timedelta(hours=1)
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_KEY_ID = "fake-1"


class TokenDesk:
    """One service account, whose tokens are for one scope."""

    def __init__(self, email: str, scope: str, clock: Callable[[], datetime]) -> None:
        self.exchanges = 0
        self._email, self._scope, self._clock = email, scope, clock
        self._tokens: dict[str, datetime] = {}

    def key_file(self, project: str, url: str) -> str:
        """The service account's key file, for a fake that listens at `url`."""
        pem = _key().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        told = {
            "type": "service_account", "project_id": project, "private_key_id": _KEY_ID, "client_email": self._email,
            "private_key": pem.decode(), "token_uri": f"{url}/token",
        }  # fmt: skip
        return json.dumps(told)

    async def exchange(self, request: web.Request) -> web.Response:
        """A token for a good assertion."""
        form = {name: str(value) for name, value in (await request.post()).items()}
        assertion = form.get("assertion", "")
        try:
            if form.get("grant_type") != _GRANT or jwt.get_unverified_header(assertion).get("kid") != _KEY_ID:
                raise jwt.InvalidTokenError("grant_type or kid")
            claims = jwt.decode(
                assertion, _key().public_key(), algorithms=["RS256"], audience=str(request.url), issuer=self._email
            )
        except jwt.InvalidTokenError:
            return web.json_response({"error": "invalid_grant"}, status=400)
        if claims.get("scope") != self._scope or claims["exp"] - claims["iat"] > LIFETIME.total_seconds():
            return web.json_response({"error": "invalid_scope"}, status=400)
        self.exchanges += 1
        token = f"ya29.{b64encode(str(self.exchanges).encode()).decode()}"
        self._tokens[token] = self._clock() + LIFETIME
        answer = {"access_token": token, "expires_in": int(LIFETIME.total_seconds()), "token_type": "Bearer"}
        return web.json_response(answer)

    def admits(self, request: web.Request) -> bool:
        """Whether the request bears a token that lives."""
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        until = self._tokens.get(token)
        return until is not None and self._clock() < until

    def forget(self) -> None:
        """Every token is good no more."""
        self._tokens.clear()


def cut(request: web.Request) -> None:
    """End the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()


@cache
def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)
