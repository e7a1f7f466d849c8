"""Health, readiness, status and metrics of a guardian over HTTP on loopback; never any data of a car."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from agents.guardian.process import Guardian

GUARDIAN: Final = web.AppKey("guardian", Guardian)


async def serve(guardian: Guardian, host: str, port: int) -> tuple[web.AppRunner, int]:
    """Start the endpoints; returns the runner to clean up and the port in use."""
    app = web.Application()
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/readyz", _readyz)
    app.router.add_get("/status", _status)
    app.router.add_get("/metrics", _metrics)
    app[GUARDIAN] = guardian
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner, runner.addresses[0][1]


async def _healthz(_request: web.Request) -> web.Response:
    return web.json_response({"ok": True})


async def _readyz(request: web.Request) -> web.Response:
    ready = request.app[GUARDIAN].ready
    return web.json_response({"ready": ready}, status=200 if ready else 503)


async def _status(request: web.Request) -> web.Response:
    return web.json_response(request.app[GUARDIAN].status())


async def _metrics(request: web.Request) -> web.Response:
    headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
    return web.Response(body=request.app[GUARDIAN].render(), headers=headers)
