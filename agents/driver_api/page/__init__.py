"""The driver's page: installable, phone first, made on the server; what is new comes by events."""

from fastapi import APIRouter

from agents.driver_api.page.desk import Desk, Reads, Who, Wishes
from agents.driver_api.page.forms import add_forms, add_settings
from agents.driver_api.page.rendering import page
from agents.driver_api.page.routes import add_pages
from agents.driver_api.page.shell import add_shell, page_route

__all__ = ["Desk", "Reads", "Who", "Wishes", "page", "router"]


def router(desk: Desk) -> APIRouter:
    """All pages, not part of the API's own document."""
    made = APIRouter(route_class=page_route(desk), include_in_schema=False)
    add_shell(made, desk)
    add_pages(made, desk)
    add_forms(made, desk)
    add_settings(made, desk)
    return made
