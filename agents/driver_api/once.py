"""The same write twice is one: with an Idempotency-Key, a repeated request gets the first one's answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from hashlib import blake2b
from typing import Any, Final
from weakref import WeakValueDictionary

from fastapi import Request, Response
from fastapi.routing import APIRoute

from agents.clock import Clock
from agents.driver_api.errors import Refusal
from agents.driver_api.read_model import ReadModel
from agents.driver_api.writes import Wishes
from agents.engine.log import NotDurable
from agents.sealing import Sealer
from streams.contracts.answered import Answered

HEADER: Final = "Idempotency-Key"
_KEY: Final = re.compile(r"^[\x21-\x7e]{1,128}$")
_PARAMETER: Final = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "schema": {"type": "string", "pattern": _KEY.pattern},
    "description": "The same request with the same key is done once, and answered the same again.",
}
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Answers:
    """Answers to drivers' writes. Those of other instances, and of before a restart, come by the log."""

    def __init__(self, read: ReadModel, wishes: Wishes, sealer: Sealer, clock: Clock) -> None:
        self._read, self._wishes, self._sealer, self._clock = read, wishes, sealer, clock
        self._under_way: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def once(self, request: Request, driver: str, handle: Handler) -> Response:
        """Handle the request unless it was answered before; then give that answer."""
        given = request.headers.get(HEADER)
        if given is None:
            return await handle(request)
        if not _KEY.match(given):
            raise Refusal(400, f"{HEADER}: give 1 to 128 visible characters", "idempotency_key_invalid")
        key = _hash(driver, given)
        asked = _hash(request.method, request.url.path, request.url.query, (await request.body()).hex())
        lock = self._under_way.setdefault(key, asyncio.Lock())
        async with lock:
            known = self._read.book.answered.get(key)
            if known is not None and not self._is_of_the_past(known, request, driver):
                return self._again(known, asked)
            response = await handle(request)
            if response.status_code < 500:
                body = bytes(response.body)
                sealed = self._sealer.seal(body, _context(key)) if body else None
                await self._remember(
                    Answered(
                        key=key, request=asked, status=response.status_code, body_sealed=sealed, at=self._clock.now()
                    )
                )
            return response

    async def _remember(self, answer: Answered) -> None:
        try:
            await self._wishes.answered(answer)
        except NotDurable:
            # What was wished is durable already, and must not be answered as if it were not.
            self._read.book.remember(answer)

    def _is_of_the_past(self, known: Answered, request: Request, driver: str) -> bool:
        """Whether it tells of a car that the driver no longer has: what was erased is not told again."""
        car = request.path_params.get("car")
        return known.body_sealed is not None and car is not None and self._read.book.of(driver, car) is None

    def _again(self, known: Answered, asked: str) -> Response:
        if known.request != asked:
            raise Refusal(409, f"this {HEADER} was used for another request", "idempotency_key_reused")
        body = b"" if known.body_sealed is None else self._sealer.open(known.body_sealed, _context(known.key))
        kind = "application/json" if body else None
        return Response(body, known.status, headers={"Idempotent-Replayed": "true"}, media_type=kind)


class OnceRoute(APIRoute):
    """A route whose writes are done once."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        if {"GET", "HEAD"}.isdisjoint(options.get("methods") or {"GET"}):
            options["openapi_extra"] = {"parameters": [_PARAMETER]}
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Handler:
        """The handler, with answers remembered for methods that write."""
        handle = super().get_route_handler()

        async def once(request: Request) -> Response:
            if request.method in {"GET", "HEAD"}:
                return await handle(request)
            api = request.app.state.api
            driver: str = await api.driver(request)
            answers: Answers = api.answers
            return await answers.once(request, driver, handle)

        return once


def _hash(*parts: str) -> str:
    digest = blake2b(digest_size=16)
    for part in parts:
        digest.update(f"{len(part)}:{part}".encode())
    return digest.hexdigest()


def _context(key: str) -> str:
    return f"answer|{key}"
