"""The driver API put together: routes, refusals, and the guard around all of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request, Response
from starlette.types import ASGIApp

from agents.driver_api import cars, events, links, me
from agents.driver_api.api import Api
from agents.driver_api.errors import HANDLERS
from agents.driver_api.guard import Guard
from agents.driver_api.page import problem

Handler = Callable[[Request, Exception], Awaitable[Response]]
TITLE: Final = "D2EV driver API"
_ABOUT: Final = (
    "What a driver may see and wish of his own cars. Show an ID token of a configured issuer as Bearer, or the cookie "
    "of a sign-in (`__Host-d2ev` over https). Another driver's car is 404. Writes are answered once they are durable."
)
_TAGS: Final = [
    {"name": "cars", "description": "What is so, what comes next and why, what was."},
    {"name": "preference", "description": "What the driver wants; acknowledged once it is written down."},
    {"name": "messages", "description": "What the driver was told."},
    {"name": "events", "description": "Live updates."},
    {"name": "devices", "description": "Phones and browsers that are pushed to."},
    {"name": "links", "description": "Linking an account of a car maker."},
    {"name": "me", "description": "Everything that is held about the driver, and its end."},
]
#: Headers of a refusal that are for people's browsers, too.
_SAYS: Final = ("Retry-After", "Allow")


def routes(others: Iterable[APIRouter] = ()) -> FastAPI:
    """The application without its surroundings; `others` are the routes of sign-in and the page."""
    app = FastAPI(
        title=TITLE,
        version="1",
        description=_ABOUT,
        docs_url=None,
        redoc_url=None,
        openapi_tags=_TAGS,
        generate_unique_id_function=lambda route: route.name,
    )
    for router in (cars.routes, events.routes, links.routes, me.routes, *others):
        app.include_router(router)
    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, _readable(handler))
    return app


def _readable(handler: Handler) -> Handler:
    """Apps get JSON; whoever looks at a page gets a page."""

    async def told(request: Request, error: Exception) -> Response:
        answer = await handler(request, error)
        if request.url.path.startswith("/api/") or "text/html" not in request.headers.get("accept", ""):
            return answer
        shown = problem(request, answer.status_code)
        shown.headers.update({name: answer.headers[name] for name in _SAYS if name in answer.headers})
        return shown

    return told


def build(api: Api, others: Iterable[APIRouter] = ()) -> ASGIApp:
    """The application as it is served."""
    app = routes(others)
    app.state.api = api
    return Guard(app, api.base_url, api.wall, api.metrics, api.settings.api_proxies)


def document(others: Iterable[APIRouter] = ()) -> dict[str, Any]:
    """The OpenAPI document."""
    return routes(others).openapi()
