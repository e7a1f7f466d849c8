"""From templates to answers: one environment, words bound to the reader."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from agents.driver_api.page.speech import Speech
from agents.driver_api.page.words import WORDS
from streams.contracts.base import Language

HERE: Final = Path(__file__).parent
STATIC: Final = HERE / "static"
#: Who reads a page, for the service worker: what it keeps of one driver it never shows to another.
READER: Final = "D2EV-Reader"


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def page(
    template: str,
    say: Speech,
    driver: str | None = None,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **values: Any,
) -> HTMLResponse:
    """A page, or a part of one, in the reader's words."""
    text = (
        _templates()
        .get_template(template)
        .render(say=say, t=say.text, signed_in=driver is not None, languages=tuple(WORDS), **values)
    )
    who = {} if driver is None else {READER: reader(driver)}
    return HTMLResponse(text, status, {"Cache-Control": "no-store", "Vary": "Cookie", **who, **(headers or {})})


def reader(driver: str) -> str:
    """A name for a driver that tells nothing about him."""
    return blake2b(driver.encode(), digest_size=8, person=b"d2ev page").hexdigest()


def accepted(request: Request) -> Language:
    """The language that the browser asks for."""
    wanted = request.headers.get("accept-language", "").lower()
    places: dict[Language, int] = {language: wanted.find(language) for language in WORDS}
    known = {language: place for language, place in places.items() if place >= 0}
    return min(known, key=known.__getitem__, default="en")


def is_part(request: Request) -> bool:
    """Whether htmx asks, which swaps parts and cannot follow a redirect to another page."""
    return "hx-request" in request.headers
