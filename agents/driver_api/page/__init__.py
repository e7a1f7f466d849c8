"""The driver's page: installable, phone first, made on the server; what is new comes by events."""

from fastapi import APIRouter, Request

from agents.driver_api.api import Api
from agents.driver_api.page.desk import Desk
from agents.driver_api.page.forms import add_forms, add_settings
from agents.driver_api.page.linking import add_linking
from agents.driver_api.page.routes import add_pages
from agents.driver_api.page.shell import add_shell, page_route, problem
from agents.driver_api.session import add_cookie

__all__ = ["Desk", "desk", "problem", "router"]


def desk(api: Api) -> Desk:
    """What the pages need of the API."""

    async def who(request: Request) -> str | None:
        # The API's own way also refuses who asks too often, and everybody while the log is still being read.
        return None if await api.who(request) is None else await api.driver(request)

    def leave(request: Request) -> None:
        add_cookie(request.scope, api.sessions.ended())

    return Desk(api.read, api.wishes, api.links, who, leave, pushes=api.settings.vapid_key is not None)


def router(desk: Desk) -> APIRouter:
    """All pages, not part of the API's own document."""
    made = APIRouter(route_class=page_route(desk), include_in_schema=False)
    add_shell(made, desk)
    add_pages(made, desk)
    add_forms(made, desk)
    add_settings(made, desk)
    add_linking(made, desk)
    return made
