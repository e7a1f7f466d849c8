"""What every request passes: its host, its size, its origin, how often it comes; and what every answer carries."""

from __future__ import annotations

import re
from time import monotonic
from typing import Final
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agents.clock import Clock
from agents.driver_api import errors
from agents.driver_api.limits import Limits, Pace, retry_after
from agents.driver_api.metrics import ApiMetrics
from agents.settings import LOOPBACK

LOG = structlog.get_logger("d2ev")
MAX_BODY: Final = 16 * 1024
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
PER_ADDRESS: Final = Pace(at_once=300, per_minute=1200)
CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; worker-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), payment=(), usb=(), geolocation=(self)",
}
_HSTS: Final = "max-age=31536000"
_UNNAMED: Final = re.compile(r"[^A-Za-z0-9_/{}.\-]")


class Guard:
    """ASGI middleware around the whole application, served at `base_url`."""

    def __init__(self, app: ASGIApp, base_url: str, wall: Clock, metrics: ApiMetrics, proxies: int = 0) -> None:
        self._app, self._wall, self._metrics, self._proxies = app, wall, metrics, proxies
        self._base = base_url
        parts = urlsplit(base_url)
        self._hosts = {parts.netloc} if parts.scheme == "https" else LOOPBACK | {parts.hostname or ""}
        self._https = parts.scheme == "https"
        self._limits = Limits(PER_ADDRESS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = monotonic(), 500

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._dress(MutableHeaders(scope=message), scope)
            await send(message)

        try:
            await self._pass(scope, receive, told)
        except Exception as error:
            # Whatever it is: the caller learns nothing of it, and the next request is served.
            LOG.error("a request failed", error=type(error).__name__, route=_route(scope), exc_info=error)
            if status == 500:
                await errors.answer(500, "this is our fault; it has been noted")(scope, receive, told)
        finally:
            self._metrics.requests.labels(_route(scope), scope["method"], f"{status // 100}xx").inc()
            if not scope.get("d2ev.stream"):
                self._metrics.seconds.labels(_route(scope)).observe(monotonic() - began)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        if not self._is_ours(headers.get("host", "")):
            await errors.answer(421, "this is not the host you asked for")(scope, receive, send)
            return
        wait = self._limits.take(self._address(scope, headers), self._wall.now())
        if wait is not None:
            self._metrics.limited.labels("address").inc()
            await errors.answer(429, "too many requests", headers={"Retry-After": retry_after(wait)})(
                scope, receive, send
            )
            return
        if scope["method"] not in SAFE:
            if not self._same_origin(headers):
                await errors.answer(403, "the request comes from another site")(scope, receive, send)
                return
            body = await _read(receive, headers)
            if body is None:
                await errors.answer(413, f"a request has at most {MAX_BODY} bytes")(scope, receive, send)
                return
            receive = _again(body, receive)
        await self._app(scope, receive, send)

    def _is_ours(self, host: str) -> bool:
        return host in self._hosts or (not self._https and urlsplit(f"//{host}").hostname in self._hosts)

    def _same_origin(self, headers: Headers) -> bool:
        """A browser's cookie must not be used by another site; a bearer of a token is no browser that was misled."""
        if headers.get("authorization") or "cookie" not in headers:
            return True
        origin = headers.get("origin")
        if origin is not None:
            same_host = urlsplit(origin).netloc == headers.get("host")
            return origin == self._base or (not self._https and same_host)
        return headers.get("sec-fetch-site") in {"same-origin", "none"}

    def _address(self, scope: Scope, headers: Headers) -> str:
        """Who calls: behind proxies of ours, whom the outermost of them saw."""
        seen = [one.strip() for one in headers.get("x-forwarded-for", "").split(",")]
        if self._proxies and len(seen) >= self._proxies:
            return seen[-self._proxies]
        return scope["client"][0] if scope.get("client") else "unknown"

    def _dress(self, headers: MutableHeaders, scope: Scope) -> None:
        for name, value in _HEADERS.items():
            headers.setdefault(name, value)
        if self._https:
            headers.setdefault("Strict-Transport-Security", _HSTS)
        headers.setdefault("Cache-Control", "no-store")
        for cookie in scope.get("d2ev.cookies", ()):
            headers.append("Set-Cookie", cookie)


async def _read(receive: Receive, headers: Headers) -> bytes | None:
    """The body; None when it is too long, which is told before the rest is read."""
    length = headers.get("content-length", "0")
    if not length.isdigit() or int(length) > MAX_BODY:
        return None
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if len(body) > MAX_BODY:
            return None
        if not message.get("more_body", False):
            return body


def _again(body: bytes, receive: Receive) -> Receive:
    """What was read, for the application; then what comes."""
    pending = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay


def _route(scope: Scope) -> str:
    """The route's template: no id of anybody in logs and metrics."""
    route = scope.get("route")
    return _UNNAMED.sub("", getattr(route, "path", "")) or "none"
