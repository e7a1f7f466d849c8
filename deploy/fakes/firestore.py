"""A fake Firestore: token exchange, `documents:commit`, `documents.get`, and the troubles that the real one has."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from itertools import count
from typing import Any, Final, NamedTuple

import jwt
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from agents.bridge.values import fields as typed
from agents.bridge.values import plain_fields
from deploy.fakes.firestore_store import Status, Store, Stored, stamp

PROJECT: Final = "d2ev-test"
EMAIL: Final = f"bridge@{PROJECT}.iam.gserviceaccount.com"
ROOT: Final = f"projects/{PROJECT}/databases/(default)/documents"
SCOPE: Final = "https://www.googleapis.com/auth/datastore"
LIFETIME: Final = timedelta(hours=1)
_MOST_BYTES: Final = 11 * 1024 * 1024


class Trouble(StrEnum):
    """What may become of a commit instead of a good answer."""

    ABORTED = "contention; nothing is written"
    EXHAUSTED = "429 with Retry-After; nothing is written"
    UNAVAILABLE = "503; nothing is written"
    PAGE = "502 with a page of HTML; nothing is written"
    UNKNOWN_TOKEN = "401, and the token is good no more"  # noqa: S105 - a sentence
    CUT = "the connection ends before anything is written"
    LOST = "it is written, but the answer is lost"
    SLOW = "it is written, and the answer comes when nobody waits any more"
    INTERNAL = "it is written, and answered with 500"


_AFTER: Final = frozenset({Trouble.LOST, Trouble.SLOW, Trouble.INTERNAL})


class Event(NamedTuple):
    """What Eventarc would deliver, in HTTP binary mode."""

    headers: Mapping[str, str]
    body: bytes


class FakeFirestore:
    """One project. `trouble` says what becomes of the nth commit."""

    def __init__(
        self,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        trouble: Callable[[int], Trouble | None] = lambda _: None,
    ) -> None:
        self.store = Store(ROOT, clock)
        self.trouble = trouble
        self.commits = 0
        self.slow_seconds = 60.0
        self.exchanges = 0
        self._clock = clock
        self._key = _key()
        self._tokens: dict[str, datetime] = {}
        self._numbers = count(1)
        self._ended = asyncio.Event()

    def app(self) -> web.Application:
        """The fake as an aiohttp application."""
        app = web.Application(client_max_size=_MOST_BYTES)
        app.router.add_post("/token", self._exchange)
        app.router.add_post(f"/v1/{ROOT}:commit", self._commit)
        app.router.add_get(f"/v1/{ROOT}/{{path:.+}}", self._get)
        app.on_shutdown.append(self._end)
        return app

    def key_file(self, url: str) -> str:
        """The service account's key file, for a fake that listens at `url`."""
        pem = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        told = {
            "type": "service_account", "project_id": PROJECT, "private_key_id": "fake-1", "client_email": EMAIL,
            "private_key": pem.decode(), "token_uri": f"{url}/token",
        }  # fmt: skip
        return json.dumps(told)

    def told(self, path: str) -> dict[str, Any] | None:
        """A document's plain values."""
        found = self.store.documents.get(f"{ROOT}/{path}")
        return None if found is None else plain_fields(found.fields)

    def written(self, path: str, fields: Mapping[str, Any] | None) -> Event:
        """An app writes a document, or deletes it where `fields` is None: the event that this leads to."""
        name = f"{ROOT}/{path}"
        old = self.store.documents.get(name)
        write = {"delete": name} if fields is None else {"update": {"name": name, "fields": typed(fields)}}
        self.store.commit({"writes": [write]})
        return self._event(path, old, self.store.documents.get(name))

    def _event(self, path: str, old: Stored | None, new: Stored | None) -> Event:
        shown = {
            name: document.shown(f"{ROOT}/{path}")
            for name, document in (("value", new), ("oldValue", old))
            if document is not None
        }
        headers = {
            "ce-specversion": "1.0", "ce-id": f"event-{next(self._numbers)}",
            "ce-type": "google.cloud.firestore.document.v1.written",
            "ce-source": f"//firestore.googleapis.com/projects/{PROJECT}/databases/(default)",
            "ce-subject": f"documents/{path}", "ce-time": stamp(self.store.applied[-1].at),
            "ce-project": PROJECT, "ce-database": "(default)", "ce-namespace": "(default)", "ce-document": path,
            "ce-location": "eur3", "Content-Type": "application/json",
        }  # fmt: skip
        return Event(headers, json.dumps(shown).encode())

    async def _exchange(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        address = str(request.url)
        try:
            if form.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
                raise jwt.InvalidTokenError("grant_type")
            claims = jwt.decode(
                form.get("assertion", ""), self._key.public_key(), algorithms=["RS256"], audience=address, issuer=EMAIL
            )
        except jwt.InvalidTokenError:
            return web.json_response({"error": "invalid_grant"}, status=400)
        if claims.get("scope") != SCOPE or claims["exp"] - claims["iat"] > LIFETIME.total_seconds():
            return web.json_response({"error": "invalid_scope"}, status=400)
        self.exchanges += 1
        token = f"ya29.{b64encode(str(self.exchanges).encode()).decode()}"
        self._tokens[token] = self._clock() + LIFETIME
        answer = {"access_token": token, "expires_in": int(LIFETIME.total_seconds()), "token_type": "Bearer"}
        return web.json_response(answer)

    async def _get(self, request: web.Request) -> web.Response:
        if not self._admits(request):
            return _error(Status(401, "UNAUTHENTICATED", "no valid token"))
        name = f"{ROOT}/{request.match_info['path']}"
        found = self.store.documents.get(name)
        if found is None:
            return _error(Status(404, "NOT_FOUND", f'Document "{name}" not found.'))
        return web.json_response(found.shown(name))

    async def _commit(self, request: web.Request) -> web.StreamResponse:
        if not self._admits(request):
            return _error(Status(401, "UNAUTHENTICATED", "no valid token"))
        body = await request.read()
        self.commits += 1
        trouble = self.trouble(self.commits)
        if trouble is not None and trouble not in _AFTER:
            return self._instead(request, trouble)
        try:
            answer = self.store.commit(json.loads(body))
        except ValueError:
            return _error(Status(400, "INVALID_ARGUMENT", "Invalid JSON payload received."))
        except Status as status:
            return _error(status)
        if trouble is not None:
            await self._lost(request, trouble)
            return _error(Status(500, "INTERNAL", "internal error"))
        return web.json_response(answer)

    def _instead(self, request: web.Request, trouble: Trouble) -> web.StreamResponse:
        match trouble:
            case Trouble.ABORTED:
                return _error(Status(409, "ABORTED", "Too much contention on these documents. Please try again."))
            case Trouble.EXHAUSTED:
                return _error(Status(429, "RESOURCE_EXHAUSTED", "Quota exceeded."), {"Retry-After": "1"})
            case Trouble.PAGE:
                return web.Response(status=502, text="<html>Bad Gateway</html>", content_type="text/html")
            case Trouble.UNKNOWN_TOKEN:
                self._tokens.clear()
                return _error(Status(401, "UNAUTHENTICATED", "no valid token"))
            case Trouble.CUT:
                _cut(request)
        return _error(Status(503, "UNAVAILABLE", "The service is currently unavailable."))

    async def _lost(self, request: web.Request, trouble: Trouble) -> None:
        if trouble is Trouble.LOST:
            _cut(request)
        elif trouble is Trouble.SLOW:
            try:
                await asyncio.wait_for(self._ended.wait(), self.slow_seconds)
            except TimeoutError:
                return

    def _admits(self, request: web.Request) -> bool:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        until = self._tokens.get(token)
        return until is not None and self._clock() < until

    async def _end(self, _app: web.Application) -> None:
        self._ended.set()


@cache
def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _error(status: Status, headers: Mapping[str, str] | None = None) -> web.Response:
    told = {"error": {"code": status.code, "message": status.message, "status": status.word}}
    return web.json_response(told, status=status.code, headers=headers)
