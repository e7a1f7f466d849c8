"""Health, readiness, status and metrics over HTTP on loopback or the pod's own address; never any data of a car."""

from __future__ import annotations

from aiohttp import web

from agents.worker import Worker


async def serve(worker: Worker, host: str, port: int) -> tuple[web.AppRunner, int]:
    """Start the endpoints; returns the runner to clean up and the port in use."""
    app = web.Application()
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/readyz", _readyz)
    app.router.add_get("/status", _status)
    app.router.add_get("/metrics", _metrics)
    app[WORKER] = worker
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    return runner, runner.addresses[0][1]


WORKER = web.AppKey("worker", Worker)


async def _healthz(request: web.Request) -> web.Response:
    failure = request.app[WORKER].failure
    return web.json_response({"ok": failure is None}, status=200 if failure is None else 500)


async def _readyz(request: web.Request) -> web.Response:
    ready = request.app[WORKER].status()["ready"]
    return web.json_response({"ready": ready}, status=200 if ready else 503)


async def _status(request: web.Request) -> web.Response:
    return web.json_response(request.app[WORKER].status())


async def _metrics(request: web.Request) -> web.Response:
    metrics = request.app[WORKER].metrics
    return web.Response(body=metrics.render(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})
