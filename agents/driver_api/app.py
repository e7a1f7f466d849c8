"""The driver API put together: routes, refusals, and the guard around all of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp

from agents.driver_api import cars, events, links, me
from agents.driver_api.api import Api
from agents.driver_api.errors import HANDLERS
from agents.driver_api.guard import Guard

TITLE: Final = "D2EV driver API"
_TAGS: Final = [
    {"name": "cars", "description": "What is so, what comes next and why, what was."},
    {"name": "preference", "description": "What the driver wants; acknowledged once it is written down."},
    {"name": "messages", "description": "What the driver was told."},
    {"name": "events", "description": "Live updates."},
    {"name": "devices", "description": "Phones and browsers that are pushed to."},
    {"name": "links", "description": "Linking an account of a car maker."},
    {"name": "me", "description": "Everything that is held about the driver, and its end."},
]


def routes(others: Iterable[APIRouter] = ()) -> FastAPI:
    """The application without its surroundings; `others` are the routes of sign-in and the page."""
    app = FastAPI(title=TITLE, version="1", docs_url=None, redoc_url=None, openapi_tags=_TAGS)
    for router in (cars.routes, events.routes, links.routes, me.routes, *others):
        app.include_router(router)
    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, handler)
    return app


def build(api: Api, others: Iterable[APIRouter] = ()) -> ASGIApp:
    """The application as it is served."""
    app = routes(others)
    app.state.api = api
    return Guard(app, api.base_url, api.wall, api.metrics, api.settings.api_proxies)


def document(others: Iterable[APIRouter] = ()) -> dict[str, Any]:
    """The OpenAPI document."""
    return routes(others).openapi()
