"""Health, readiness, status and metrics of a process without partitions over HTTP; never any data of a car."""

from __future__ import annotations

from typing import Any, Final, Protocol

from aiohttp import web


class Probed(Protocol):
    """A process that tells how it is."""

    @property
    def ready(self) -> bool:
        """Whether it does its work."""

    def status(self) -> dict[str, Any]:
        """Counts, and what it waits for; nothing about any one car."""

    def render(self) -> bytes:
        """The metrics, brought up to date."""


PROBED: Final = web.AppKey("probed", Probed)


async def serve(process: Probed, host: str, port: int) -> tuple[web.AppRunner, int]:
    """Start the endpoints; returns the runner to clean up and the port in use."""
    app = web.Application()
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/readyz", _readyz)
    app.router.add_get("/status", _status)
    app.router.add_get("/metrics", _metrics)
    app[PROBED] = process
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner, runner.addresses[0][1]


async def _healthz(_request: web.Request) -> web.Response:
    return web.json_response({"ok": True})


async def _readyz(request: web.Request) -> web.Response:
    ready = request.app[PROBED].ready
    return web.json_response({"ready": ready}, status=200 if ready else 503)


async def _status(request: web.Request) -> web.Response:
    return web.json_response(request.app[PROBED].status())


async def _metrics(request: web.Request) -> web.Response:
    headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
    return web.Response(body=request.app[PROBED].render(), headers=headers)
