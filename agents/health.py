"""Health, readiness, status and metrics over HTTP on loopback or the pod's own address; never any data of a car."""

from __future__ import annotations

import asyncio
from time import monotonic

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
    """The status; with `?rest=SECONDS`, once the worker has been at rest for that long, or after a quarter second."""
    worker = request.app[WORKER]
    rest = float(request.query.get("rest", "0"))
    give_up = monotonic() + 0.25
    resting_since = monotonic()
    while rest and monotonic() - resting_since < rest and monotonic() < give_up:
        await asyncio.sleep(rest / 4)
        if worker.runtime.busy():
            resting_since = monotonic()
    return web.json_response(worker.status())


async def _metrics(request: web.Request) -> web.Response:
    metrics = request.app[WORKER].metrics
    return web.Response(body=metrics.render(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})
