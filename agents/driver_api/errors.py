"""Refusals in one JSON shape: a machine word and a sentence, never anything of what was sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import Match

from agents.driver_api.keys import IssuerDown
from agents.engine.log import NotDurable

_WORDS: Final = {
    400: "bad_request",
    401: "not_signed_in",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "too_slow",
    409: "conflict",
    413: "too_large",
    415: "unsupported_media_type",
    421: "wrong_host",
    422: "invalid",
    429: "too_many_requests",
    500: "defect",
    502: "maker_failed",
    503: "not_available",
}


class Error(BaseModel):
    """What was wrong: `code` for machines, `message` for people."""

    code: str
    message: str


class ErrorView(BaseModel):
    """Every answer that is no success."""

    error: Error


class Refusal(Exception):
    """A request that is not served, with the answer to it."""

    def __init__(self, status: int, message: str, code: str | None = None, **headers: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code or _WORDS[status]
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


DEFECT: Final = "this is our fault; it has been noted"
NO_CAR: Final = "there is no such car"


def no_car() -> Refusal:
    """The car is another driver's, or does not exist: nobody can tell which."""
    return Refusal(404, NO_CAR)


def answer(
    status: int, message: str, code: str | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """A refusal as a response."""
    body = ErrorView(error=Error(code=code or _WORDS.get(status, "refused"), message=message))
    return JSONResponse(body.model_dump(), status, headers=dict(headers or {}))


async def refused(_request: Request, error: Exception) -> JSONResponse:
    """For Refusal."""
    assert isinstance(error, Refusal)
    return answer(error.status, str(error), error.code, error.headers)


async def http_error(request: Request, error: Exception) -> JSONResponse:
    """For what the framework refuses."""
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == 405:
        # The framework names the methods of one route alone, though others may stand at the same path.
        routes = [one for one in request.app.routes if one.matches(request.scope)[0] is not Match.NONE]
        headers["Allow"] = ", ".join(
            sorted({method for one in routes for method in getattr(one, "methods", None) or ()})
        )
    return answer(error.status_code, str(error.detail), headers=headers)


async def invalid(_request: Request, error: Exception) -> JSONResponse:
    """For requests that do not fit: where, and what is wanted; never the input, nor names that it invented."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where, wanted = list(first["loc"]), first["msg"].removeprefix("Value error, ")
    if first["type"] == "json_invalid":
        where, wanted = ["body"], "it is no JSON"
    elif first["type"] == "extra_forbidden":
        where, wanted = where[:-1], "it holds a field that is not known"
    elif where[-1:] == ["[key]"]:
        where, wanted = where[:-2], "it holds a key that is not known"
    elif first["type"] == "union_tag_invalid":
        wanted = f"{first['ctx']['discriminator']} should be one of {first['ctx']['expected_tags']}"
    return answer(422, f"{'.'.join(str(part) for part in where)}: {wanted}")


async def defect(_request: Request, _error: Exception) -> JSONResponse:
    """For what should not be; the guard notes it."""
    return answer(500, DEFECT)


async def not_durable(_request: Request, _error: Exception) -> JSONResponse:
    """For wishes that Kafka did not confirm."""
    return answer(503, "the wish could not be written down; please try again", headers={"Retry-After": "5"})


async def issuer_down(_request: Request, _error: Exception) -> JSONResponse:
    """For sign-ins that cannot be checked."""
    return answer(503, "who you are cannot be checked at present; please try again", headers={"Retry-After": "10"})


HANDLERS: Final = {
    Refusal: refused,
    HTTPException: http_error,
    RequestValidationError: invalid,
    NotDurable: not_durable,
    IssuerDown: issuer_down,
    Exception: defect,
}
