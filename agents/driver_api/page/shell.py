"""What makes the pages an app: manifest, service worker, static files; and pages for what goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from functools import cache
from hashlib import blake2b
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute

from agents.driver_api.errors import Refusal
from agents.driver_api.keys import IssuerDown
from agents.driver_api.page.desk import Desk
from agents.driver_api.page.rendering import STATIC, accepted, is_part, page
from agents.driver_api.page.routes import NotSignedIn, speech, to_sign_in
from agents.driver_api.page.speech import Speech
from agents.engine.log import NotDurable

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}
_RETRY_SECONDS: Final = 5
_PROBLEMS: Final = {
    400: "signin.failed", 401: "signin.failed", 403: "invalid", 404: "missing.text", 405: "missing.text",
    422: "invalid", 429: "often", 503: "busy",
}  # fmt: skip
_COLOUR: Final = "#0b6b57"


class _File:
    """One static file, with a name for its content."""

    def __init__(self, content: bytes, media_type: str) -> None:
        self.content, self.media_type = content, media_type
        self.etag = f'"{blake2b(content, digest_size=10).hexdigest()}"'


@cache
def files() -> dict[str, _File]:
    """All static files by their path below /static/."""
    found = (path for path in sorted(STATIC.rglob("*")) if path.suffix in _TYPES)
    return {path.relative_to(STATIC).as_posix(): _File(path.read_bytes(), _TYPES[path.suffix]) for path in found}


def version() -> str:
    """Changes when any static file does."""
    return blake2b("".join(file.etag for file in files().values()).encode(), digest_size=6).hexdigest()


def add_shell(router: APIRouter, desk: Desk) -> None:
    """What the browser asks for by itself."""

    @router.get("/static/{name:path}")
    async def static(request: Request, name: str) -> Response:
        """A file; asked again, it is not sent again."""
        file = files().get(name)
        if file is None or name == "sw.js":
            return Response(status_code=404)
        headers = {"ETag": file.etag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == file.etag:
            return Response(status_code=304, headers=headers)
        return Response(file.content, headers=headers, media_type=file.media_type)

    @router.get("/sw.js")
    async def service_worker() -> Response:
        """The service worker, which knows this version's files."""
        kept = [f"/static/{name}" for name in files() if name != "sw.js"]
        head = f"const VERSION = {version()!r};\nconst FILES = {kept!r};\n"
        body = head.encode() + files()["sw.js"].content
        return Response(body, headers={"Cache-Control": "no-cache"}, media_type=_TYPES[".js"])

    @router.get("/manifest.webmanifest")
    async def manifest(request: Request) -> Response:
        """How it looks once installed."""
        say = speech(desk, request, None)
        made = _manifest(say.text("pitch"), say.language)
        return JSONResponse(made, headers={"Cache-Control": "no-cache"}, media_type="application/manifest+json")

    @router.get("/offline")
    async def offline(request: Request) -> Response:
        """For pages that this device has not seen."""
        return page("offline.html", speech(desk, request, None))


def _manifest(text: str, language: str) -> dict[str, Any]:
    icons = [("icon-192.png", 192, "any"), ("icon-512.png", 512, "any"), ("icon-maskable.png", 512, "maskable")]
    return {
        "id": "/",
        "name": "D2EV",
        "short_name": "D2EV",
        "description": text,
        "lang": language,
        "start_url": "/",
        "scope": "/",
        "display": "standalone",
        "background_color": "#f6f7f4",
        "theme_color": _COLOUR,
        "icons": [
            {"src": f"/static/{name}", "sizes": f"{size}x{size}", "type": "image/png", "purpose": purpose}
            for name, size, purpose in icons
        ],
    }


_Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def page_route(desk: Desk) -> type[APIRoute]:
    """Routes whose errors are pages, or for htmx a status that it tells of."""

    class PageRoute(APIRoute):
        """One page."""

        def get_route_handler(self) -> _Handler:
            handle = super().get_route_handler()

            async def guarded(request: Request) -> Response:
                try:
                    return await handle(request)
                except NotSignedIn:
                    return to_sign_in(request)
                except Refusal as refusal:
                    return problem(request, refusal.status)
                except (NotDurable, IssuerDown):
                    return problem(request, 503)
                except RequestValidationError:
                    return problem(request, 422)

            return guarded

    return PageRoute


def problem(request: Request, status: int) -> Response:
    """A page for what went wrong, in the browser's language; for htmx its sentence alone."""
    say = Speech(accepted(request), "UTC", datetime.now(UTC))
    text = _PROBLEMS.get(status, "broken.text")
    headers = {"Retry-After": str(_RETRY_SECONDS)} if status == 503 else {}
    if is_part(request):
        return Response(say.text(text), status, headers, "text/plain; charset=utf-8")
    return page("problem.html", say, status=status, headers=headers, text=text)
