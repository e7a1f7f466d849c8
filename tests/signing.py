"""An issuer of ID tokens in memory: it signs whatever a test wants, and its answers can be anything."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from agents.driver_api.identity import Verifier
from agents.driver_api.keys import FIREBASE_KEYS
from agents.issuer import Issuer

NOW = datetime(2026, 11, 23, 20, tzinfo=UTC)
FIREBASE = Issuer(issuer="https://securetoken.google.com/p-1", audience="p-1")
OIDC = Issuer(issuer="https://id.example", audience="app")
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
Answer = Callable[[httpx.Request], httpx.Response]


class Still:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        return self.at

    def pass_(self, time: timedelta) -> None:
        self.at += time


def jwk(key: Any, kid: str, **more: Any) -> dict[str, Any]:
    """A public key as issuers publish it."""
    algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig", **more}


def seconds(after: timedelta = timedelta()) -> int:
    return int((NOW + after).timestamp())


def claims(issuer: Issuer = FIREBASE, **changed: Any) -> dict[str, Any]:
    """What a good token says, and what a test changes; None leaves a claim out."""
    usual: dict[str, Any] = {
        "iss": issuer.issuer,
        "aud": issuer.audience,
        "sub": "anna",
        "iat": seconds(-timedelta(minutes=5)),
        "auth_time": seconds(-timedelta(hours=3)),
        "exp": seconds(timedelta(minutes=55)),
    }
    return {name: value for name, value in (usual | changed).items() if value is not None}


def signed(said: dict[str, Any], key: Any = RSA, algorithm: str = "RS256", **headers: Any) -> str:
    """A token; headers may be changed, None leaves one out."""
    return jwt.encode(said, key, algorithm=algorithm, headers={"kid": "k1", **headers})


def raw(header: Any, said: Any, signature: bytes = b"") -> str:
    """A token from its parts, however absurd."""
    parts = (json.dumps(header).encode(), json.dumps(said).encode(), signature)
    return ".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


class Cloud:
    """Where issuers publish: answers by address, each a JSON value or a function; what was asked is remembered."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, Any] = {
            FIREBASE_KEYS: {"keys": [jwk(RSA, "k1")]},
            "https://id.example/.well-known/openid-configuration": {
                "issuer": "https://id.example",
                "jwks_uri": "https://id.example/keys",
                "authorization_endpoint": "https://id.example/authorize",
                "token_endpoint": "https://id.example/token",
            },
            "https://id.example/keys": {"keys": [jwk(RSA, "k1"), jwk(EC, "e1")]},
        }
        self.http = httpx.AsyncClient(transport=httpx.MockTransport(self._answer))

    def verifier(self, *issuers: Issuer, clock: Still | None = None) -> Verifier:
        return Verifier(issuers or (FIREBASE, OIDC.model_copy(update={"prefix": "o-"})), self.http, clock or Still())

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(str(request.url))
        found = self.answers.get(str(request.url), httpx.Response(404))
        if callable(found):
            found = found(request)
        if isinstance(found, Exception):
            raise found
        return found if isinstance(found, httpx.Response) else httpx.Response(200, json=found)
