"""A fake Firestore: token exchange, `documents:commit`, `documents.get`, and the troubles that the real one has."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from itertools import count
from typing import Any, Final, NamedTuple

from aiohttp import web

from agents.bridge.values import fields as typed
from agents.bridge.values import plain_fields
from deploy.fakes.firestore_store import Status, Store, Stored, stamp
from deploy.fakes.google import TokenDesk, cut

PROJECT: Final = "d2ev-test"
EMAIL: Final = f"bridge@{PROJECT}.iam.gserviceaccount.com"
ROOT: Final = f"projects/{PROJECT}/databases/(default)/documents"
SCOPE: Final = "https://www.googleapis.com/auth/datastore"
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
        self._desk = TokenDesk(EMAIL, SCOPE, clock)
        self._numbers = count(1)
        self._ended = asyncio.Event()

    def app(self) -> web.Application:
        """The fake as an aiohttp application."""
        app = web.Application(client_max_size=_MOST_BYTES)
        app.router.add_post("/token", self._desk.exchange)
        app.router.add_post(f"/v1/{ROOT}:commit", self._commit)
        app.router.add_get(f"/v1/{ROOT}/{{path:.+}}", self._get)
        app.on_shutdown.append(self._end)
        return app

    def key_file(self, url: str) -> str:
        """The service account's key file, for a fake that listens at `url`."""
        return self._desk.key_file(PROJECT, url)

    @property
    def exchanges(self) -> int:
        """How many tokens were given."""
        return self._desk.exchanges

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

    async def _get(self, request: web.Request) -> web.Response:
        if not self._desk.admits(request):
            return _error(Status(401, "UNAUTHENTICATED", "no valid token"))
        name = f"{ROOT}/{request.match_info['path']}"
        found = self.store.documents.get(name)
        if found is None:
            return _error(Status(404, "NOT_FOUND", f'Document "{name}" not found.'))
        return web.json_response(found.shown(name))

    async def _commit(self, request: web.Request) -> web.StreamResponse:
        if not self._desk.admits(request):
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
                self._desk.forget()
                return _error(Status(401, "UNAUTHENTICATED", "no valid token"))
            case Trouble.CUT:
                cut(request)
        return _error(Status(503, "UNAVAILABLE", "The service is currently unavailable."))

    async def _lost(self, request: web.Request, trouble: Trouble) -> None:
        if trouble is Trouble.LOST:
            cut(request)
        elif trouble is Trouble.SLOW:
            try:
                await asyncio.wait_for(self._ended.wait(), self.slow_seconds)
            except TimeoutError:
                return

    async def _end(self, _app: web.Application) -> None:
        self._ended.set()


def _error(status: Status, headers: Mapping[str, str] | None = None) -> web.Response:
    told = {"error": {"code": status.code, "message": status.message, "status": status.word}}
    return web.json_response(told, status=status.code, headers=headers)
