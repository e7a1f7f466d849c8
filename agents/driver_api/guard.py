"""What every request passes: its host, its size, its origin, how often it comes; and what every answer carries."""

from __future__ import annotations

import asyncio
import re
from ipaddress import ip_address, ip_network
from time import monotonic
from typing import Final
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agents.clock import Clock
from agents.driver_api import errors
from agents.driver_api.identity import bearer
from agents.driver_api.limits import Limits, Pace, retry_after
from agents.driver_api.metrics import HttpMetrics
from agents.issuer import LOOPBACK

LOG = structlog.get_logger("d2ev")
MAX_BODY: Final = 16 * 1024
#: A body that comes more slowly is somebody who wants to keep us waiting.
BODY_SECONDS: Final = 20.0
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
#: Names in metrics; anybody may invent others.
METHODS: Final = SAFE | {"POST", "PUT", "PATCH", "DELETE"}
PER_ADDRESS: Final = Pace(at_once=300, per_minute=1200)
CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; worker-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
#: What an answer carries, unless it says otherwise itself.
_HEADERS: Final = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    # With no-referrer, browsers hide from us that a form of ours is ours.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), payment=(), usb=(), geolocation=(self)",
    "Cache-Control": "no-store",
}
_HSTS: Final = "max-age=31536000"
_UNNAMED: Final = re.compile(r"[^A-Za-z0-9_/{}.\-]")


class Guard:
    """ASGI middleware around the whole application, served at `base_url`."""

    def __init__(self, app: ASGIApp, base_url: str, wall: Clock, metrics: HttpMetrics, proxies: int = 0) -> None:
        self._app, self._wall, self._metrics, self._proxies = app, wall, metrics, proxies
        self._base = base_url
        parts = urlsplit(base_url)
        self._hosts = {parts.netloc} if parts.scheme == "https" else LOOPBACK | {parts.hostname or ""}
        self._https = parts.scheme == "https"
        always = _HEADERS | ({"Strict-Transport-Security": _HSTS} if self._https else {})
        self._always = [(name.lower().encode(), value.encode()) for name, value in always.items()]
        self._limits = Limits(PER_ADDRESS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = monotonic(), 0

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._dress(message, scope)
            await send(message)

        try:
            await self._pass(scope, receive, told)
        except ClientDisconnect:
            pass
        except Exception as error:
            # Whatever it is: the caller learns nothing of it, and the next request is served.
            LOG.error("a request failed", error=type(error).__name__, route=_route(scope), exc_info=error)
            if not status:
                await errors.answer(500, errors.DEFECT)(scope, receive, told)
        finally:
            self._count(scope, status, monotonic() - began)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        route, method = _route(scope), scope["method"] if scope["method"] in METHODS else "other"
        self._metrics.requests.labels(route, method, f"{status // 100}xx" if status else "gone").inc()
        if not scope.get("d2ev.stream"):
            self._metrics.seconds.labels(route).observe(seconds)
        LOG.debug("request", route=route, method=method, status=status, seconds=round(seconds, 4))

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
            try:
                async with asyncio.timeout(BODY_SECONDS):
                    body = await _read(receive, headers)
            except TimeoutError:
                await errors.answer(408, "the request takes too long to come")(scope, receive, send)
                return
            if body is None:
                await errors.answer(413, f"a request has at most {MAX_BODY} bytes")(scope, receive, send)
                return
            receive = _again(body, receive)
        await self._app(scope, receive, send)

    def _is_ours(self, host: str) -> bool:
        return host.lower() in self._hosts or (not self._https and _hostname(host) in self._hosts)

    def _same_origin(self, headers: Headers) -> bool:
        """A browser's cookie must not be used by another site; whoever shows a token is no browser that was misled."""
        if bearer(headers) is not None or "cookie" not in headers:
            return True
        site, origin = headers.get("sec-fetch-site"), headers.get("origin", "")
        if site is not None:
            return site in {"same-origin", "none"}
        return origin == self._base or (not self._https and bool(origin) and _netloc(origin) == headers.get("host"))

    def _address(self, scope: Scope, headers: Headers) -> str:
        """Who calls: behind proxies of ours, whom the outermost of them saw. One home is one IPv6 network."""
        seen = [one.strip() for one in ",".join(headers.getlist("x-forwarded-for")).split(",") if one.strip()]
        caller = str(scope["client"][0]) if scope.get("client") else ""
        if self._proxies and len(seen) >= self._proxies:
            caller = seen[-self._proxies]
        try:
            address = ip_address(caller)
        except ValueError:
            return "unknown"
        return str(address) if address.version == 4 else str(ip_network((address, 64), strict=False))

    def _dress(self, message: Message, scope: Scope) -> None:
        told = list(message.get("headers", ()))
        names = {name.lower() for name, _ in told}
        told += [header for header in self._always if header[0] not in names]
        told += [(b"set-cookie", cookie.encode("latin-1")) for cookie in scope.get("d2ev.cookies", ())]
        message["headers"] = told


async def _read(receive: Receive, headers: Headers) -> bytes | None:
    """The body; None when it is too long, which is told before the rest is read. Raises ClientDisconnect."""
    length = headers.get("content-length", "0")
    if not length.isdecimal() or len(length) > 9 or int(length) > MAX_BODY:
        return None
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
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


def _hostname(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""
