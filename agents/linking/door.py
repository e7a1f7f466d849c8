"""The way of a browser: sent to the maker with its consent sealed in a cookie, and back. One address per maker."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from agents.engine.log import NotDurable
from agents.linking.begun import PATIENCE
from agents.linking.invitation import Invitation, Offer
from agents.linking.linker import Linker
from agents.linking.refused import LATER, STRANGERS, Refused
from oem_connectors.errors import OemError, Unavailable

COOKIE: Final = "d2ev_link"
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
#: What became of a consent: the cars, or why there are none.
Outcome = list[Offer] | OemError


class Door:
    """Sends browsers to makers and takes them back; `redirect_uri(oem)` is what is registered with the maker."""

    def __init__(self, linker: Linker, redirect_uri: Callable[[str], str]) -> None:
        self._linker, self._redirect_uri = linker, redirect_uri

    async def begin(self, oem: str, invitation: Invitation, answer: Callable[[str], Response]) -> Response:
        """`answer(address)`, with the consent in its cookie. Raises OemError."""
        back = self._redirect_uri(oem)
        address, carried = await self._linker.begin(oem, back, invitation)
        response = answer(address)
        self._carry(response, oem, carried, int(PATIENCE.total_seconds()))
        return response

    async def back(self, oem: str, request: Request, driver: str, answer: Callable[[Outcome], Response]) -> Response:
        """The maker sends the browser back: `answer(outcome)`. A consent that was used is taken from the browser."""
        query, used = dict(request.query_params), False
        try:
            begun = self._linker.resume(oem, request.cookies.get(COOKIE, ""), query, driver)
            used = True
            outcome: Outcome = await self._linker.finish(begun, query)
        except OemError as error:
            outcome, used = error, used and not isinstance(error, LATER)
        response = answer(outcome)
        if used:
            self._carry(response, oem, "", 0)
        return response

    def _carry(self, response: Response, oem: str, carried: str, seconds: int) -> None:
        secure = self._redirect_uri(oem).startswith("https://")
        response.set_cookie(
            COOKIE, carried, max_age=seconds, path=f"/link/{oem}", httponly=True, samesite="lax", secure=secure
        )


def app(door: Door, invitation: Invitation, done: Callable[[Outcome], None]) -> Starlette:
    """One invitation's consent at `/link/<oem>/start` and `/link/<oem>`, for a process that does nothing else."""

    async def start(request: Request) -> Response:
        try:
            return await door.begin(
                request.path_params["oem"], invitation, lambda address: RedirectResponse(address, 303, _HEADERS)
            )
        except OemError as error:
            return _page(502, str(error))

    def told(outcome: Outcome) -> Response:
        if not (isinstance(outcome, Refused) and outcome.code in STRANGERS):
            done(outcome)
        if isinstance(outcome, OemError):
            return _page(400, f"Nothing was linked: {outcome}.")
        lines = [f"{one.model or 'A car'}: {one.refusal.words if one.refusal else 'linked'}" for one in outcome]
        return _page(200, *lines, "You can close this page.")

    async def back(request: Request) -> Response:
        try:
            return await door.back(request.path_params["oem"], request, invitation.driver, told)
        except NotDurable:
            return told(Unavailable("what was agreed could not be written down"))

    return Starlette(routes=[Route("/link/{oem}/start", start), Route("/link/{oem}", back)])


def _page(status: int, *lines: str) -> Response:
    body = "".join(f"<p>{escape(line)}</p>" for line in lines)
    return HTMLResponse(f'<!doctype html><html lang="en"><title>D2EV</title>{body}</html>', status, _HEADERS)
