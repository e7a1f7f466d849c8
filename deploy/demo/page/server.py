"""Serves the page and its JSON; answers only for the host it listens on, and lets a browser load nothing else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from deploy.demo.live import Live
from deploy.demo.page import car_view, fleet_view
from deploy.demo.showing import CarState, per_kwh

HERE: Final = Path(__file__).parent
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
_LOOPBACK: Final = {"127.0.0.1", "localhost"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def serve(live: Live, host: str = "127.0.0.1", port: int = 0) -> tuple[web.AppRunner, str]:
    """Start the page for `live`; port 0 picks a free one. End it with `await runner.cleanup()`.

    Returns (runner, url). Raises OSError when the port is taken.
    """
    runner = web.AppRunner(_app(live, host), access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    bound: int = runner.addresses[0][1]
    return runner, f"http://{host}:{bound}/"


def _app(live: Live, host: str) -> web.Application:
    page = _page(live)
    app = web.Application(middlewares=[_guard(_LOOPBACK | {host})])

    async def index(request: web.Request) -> web.Response:
        del request
        return web.Response(text=page, content_type="text/html")

    async def fleet(request: web.Request) -> web.Response:
        del request
        return web.json_response(fleet_view.fleet(live))

    async def curves(request: web.Request) -> web.Response:
        del request
        return web.json_response(fleet_view.curves(live))

    async def car(request: web.Request) -> web.Response:
        found = live.cars.get(request.match_info["key"])
        if found is None:
            return web.json_response({"error": "no such car"}, status=404)
        return web.json_response(car_view.car(found, live.now, live.driver_url))

    app.add_routes(
        [
            web.get("/", index),
            web.get("/api/fleet", fleet),
            web.get("/api/curves", curves),
            web.get("/api/cars/{key}", car),
            web.static("/static", HERE / "static"),
        ]
    )
    return app


def _page(live: Live) -> str:
    templates = Environment(loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined)
    return templates.get_template("index.html").render(
        zone=live.zone,
        scenario=live.scenario or "usual",
        currency=live.currency,
        money=per_kwh(live.currency),
        states=list(CarState),
    )


def _guard(hosts: set[str]) -> Any:
    """Refuses requests meant for another host name (DNS rebinding) and sets the headers on every answer."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.url.host not in hosts:
            raise web.HTTPMisdirectedRequest(headers=HEADERS)
        try:
            response = await handler(request)
        except web.HTTPException as refused:
            refused.headers.update(HEADERS)
            raise
        response.headers.update(HEADERS)
        return response

    return guard
