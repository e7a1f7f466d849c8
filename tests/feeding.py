"""A source on loopback whose answers are scripted, and answers in the words of real sources."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

HALF_HOUR = timedelta(minutes=30)


@dataclass
class Reply:
    """One answer."""

    body: bytes | Mapping[str, Any] | Callable[[web.Request], Any] = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    sends: Callable[[web.Request], Any] | None = None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """The HTTP answer."""
        if self.sends is not None:
            response: web.StreamResponse = await self.sends(request)
            return response
        body = self.body(request) if callable(self.body) else self.body
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return web.Response(status=self.status, body=content, headers=self.headers)


class Scripted:
    """Gives its replies one after the other, the last one for ever, and remembers what it was asked."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.asked: list[web.BaseRequest] = []
        self.base = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """The next reply."""
        self.asked.append(request)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        return await reply.answer(request)


@asynccontextmanager
async def serving(*replies: Reply) -> AsyncIterator[Scripted]:
    """A scripted source while it lasts."""
    source = Scripted(*replies)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", source.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    source.base = f"http://{host}:{port}"
    try:
        yield source
    finally:
        await runner.cleanup()


def _z(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def octopus(start: datetime, pence: Sequence[float | None], *, more: str | None = None) -> dict[str, Any]:
    """Half-hourly rates from `start` on, newest first, as Octopus answers; None is a half hour that is not there."""
    rows = [
        {
            "value_exc_vat": round(value / 1.05, 4),
            "value_inc_vat": value,
            "valid_from": _z(start + n * HALF_HOUR),
            "valid_to": _z(start + (n + 1) * HALF_HOUR),
            "payment_method": None,
        }
        for n, value in enumerate(pence)
        if value is not None
    ]
    return {"count": len(rows), "next": more, "previous": None, "results": rows[::-1]}


def neso(start: datetime, grams: Sequence[float | None]) -> dict[str, Any]:
    """Half-hourly forecasts from `start` on, as NESO answers."""
    return {
        "data": [
            {
                "from": f"{start + n * HALF_HOUR:%Y-%m-%dT%H:%MZ}",
                "to": f"{start + (n + 1) * HALF_HOUR:%Y-%m-%dT%H:%MZ}",
                "intensity": {"forecast": value, "actual": None, "index": "moderate"},
            }
            for n, value in enumerate(grams)
        ]
    }
