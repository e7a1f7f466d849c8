"""The two addresses of a consent: where a browser begins, and where the maker sends it back. One pair per OEM."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from html import escape
from secrets import token_urlsafe
from typing import Final

from aiohttp import web

from agents.linking.invitation import Invitation, Offer
from agents.linking.linker import Linker
from oem_connectors.errors import OemError

COOKIE: Final = "d2ev_link"
_SECONDS: Final = 600
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
#: Who links, by the request that begins; None: nobody who may.
Invite = Callable[[web.Request], Awaitable[Invitation | None]]
#: What became of a consent: the cars, or the reason why there are none.
Done = Callable[[list[Offer] | str], None]


def app(linker: Linker, redirect_uri: Callable[[str], str], invite: Invite, done: Done) -> web.Application:
    """Serve consents at `/link/<oem>/start` and `/link/<oem>`; `redirect_uri(oem)` is what is registered with it."""
    door = _Door(linker, redirect_uri, invite, done)
    made = web.Application(client_max_size=16 * 1024)
    made.router.add_get("/link/{oem}/start", door.start)
    made.router.add_get("/link/{oem}", door.back)
    return made


class _Door:
    def __init__(self, linker: Linker, redirect_uri: Callable[[str], str], invite: Invite, done: Done) -> None:
        self._linker, self._redirect_uri, self._invite, self._done = linker, redirect_uri, invite, done

    async def start(self, request: web.Request) -> web.Response:
        """Give the browser a session of its own, and send it to the maker."""
        oem, session = request.match_info["oem"], token_urlsafe(32)
        invitation = await self._invite(request)
        if invitation is None:
            return _page(403, "Nobody is to be linked here.")
        back = self._redirect_uri(oem)
        try:
            address = await self._linker.begin(oem, session, back, invitation)
        except OemError as error:
            return _page(502, str(error))
        answer = web.Response(status=303, headers={**_HEADERS, "Location": address})
        secure = back.startswith("https://")
        answer.set_cookie(
            COOKIE, session, max_age=_SECONDS, httponly=True, samesite="Lax", secure=secure, path=f"/link/{oem}"
        )
        return answer

    async def back(self, request: web.Request) -> web.Response:
        """The maker sends the browser back."""
        oem, session = request.match_info["oem"], request.cookies.get(COOKIE, "")
        try:
            offers = await self._linker.finish(oem, session, dict(request.query))
        except OemError as error:
            self._done(str(error))
            return _page(400, f"Nothing was linked: {error}.")
        self._done(offers)
        lines = [f"{one.model or 'A car'}: {one.refusal or 'linked'}" for one in offers]
        return _page(200, *lines, "You can close this page.")


def _page(status: int, *lines: str) -> web.Response:
    body = "".join(f"<p>{escape(line)}</p>" for line in lines)
    text = f'<!doctype html><html lang="en"><title>D2EV</title>{body}</html>'
    return web.Response(status=status, text=text, content_type="text/html", headers=_HEADERS)
