"""The promises about HTTP: every answer, and every lack of one, is classed by what to do next."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import timedelta

import httpx
from pydantic import SecretStr

from oem_connectors.base import Connector, Grant
from oem_connectors.credential import pack
from oem_connectors.errors import (
    NeedsConsent,
    OemError,
    OutcomeUnknown,
    Rejected,
    Throttled,
    Unauthorised,
    Unavailable,
    Unreadable,
)
from oem_connectors.filling import names_of
from oem_connectors.http import OemClient
from oem_connectors.subject import CAR, DETAILS, RECEIVED, Subject
from oem_connectors.wire import hosts_of
from streams.contracts.command import Action

Trouble = httpx.Response | type[httpx.TransportError]
_SECRET = "marker-5528"  # noqa: S105 - a marker to search for
_GRANT = Grant(pack(_SECRET, DETAILS), pack(_SECRET, DETAILS), RECEIVED)


def _status(status: int, headers: Mapping[str, str] | None = None, body: bytes = b"{}") -> httpx.Response:
    return httpx.Response(status, headers=headers, content=body)


def _troubles() -> Iterator[tuple[str, Trouble, type[OemError], type[OemError]]]:
    """(name, what happens, what a read must raise, what a command must raise)."""
    yield "401", _status(401), Unauthorised, Unauthorised
    yield "429", _status(429), Throttled, Throttled
    yield "422", _status(422), Rejected, Rejected
    yield "a redirect", _status(302, {"Location": "https://example.org"}), Unavailable, Unavailable
    yield "500", _status(500), Unavailable, OutcomeUnknown
    yield "504", _status(504, body=b"<html>"), Unavailable, OutcomeUnknown
    yield "no connection", httpx.ConnectError, Unavailable, Unavailable
    yield "no connection in time", httpx.ConnectTimeout, Unavailable, Unavailable
    yield "no answer in time", httpx.ReadTimeout, Unavailable, OutcomeUnknown
    yield "a reset", httpx.ReadError, Unavailable, OutcomeUnknown
    yield "a broken answer", httpx.RemoteProtocolError, Unavailable, OutcomeUnknown


def errors_are_classed(subject: Subject) -> Iterator[str]:
    """Reads, commands and refreshes raise the class that says what to do next, and nothing foreign."""
    connector = subject.connector
    for name, trouble, on_read, on_command in _troubles():
        yield from _expect(f"read, {name}", on_read, trouble, connector, _read)
        for model in subject.models:
            for action in Action:
                if connector.call(action, model) is not None:
                    yield from _expect(
                        f"{action.value}, {name}", on_command, trouble, connector, _command(action, model)
                    )
    yield from _expect("read, not JSON", Unreadable, _status(200, body=b"<html>"), connector, _read)
    if connector.auth.shared:
        yield from _expect("token, no answer", Unavailable, httpx.ReadTimeout, connector, _refresh)
        return
    for word in connector.auth.lost:
        dead = _status(400, body=json.dumps({"error": word}).encode())
        yield from _expect(f"refresh, {word}", NeedsConsent, dead, connector, _refresh)
    yield from _expect("refresh, no answer", OutcomeUnknown, httpx.ReadTimeout, connector, _refresh)


def retry_after_is_kept(subject: Subject) -> Iterator[str]:
    """The maker's Retry-After arrives as it was said, in seconds or as a date."""
    date = {"Date": "Wed, 01 Jan 2025 12:00:00 GMT", "Retry-After": "Wed, 01 Jan 2025 12:01:30 GMT"}
    for headers, expected in (
        ({"Retry-After": "90"}, timedelta(seconds=90)),
        (date, timedelta(seconds=90)),
        ({}, None),
    ):
        error = _raised(_status(429, headers), subject.connector, _read)
        found = error.retry_after if isinstance(error, Throttled) else error
        if found != expected:
            yield f"{headers} gives {found!r}, expected {expected!r}"


def tokens_stay_sealed(subject: Subject) -> Iterator[str]:
    """No token shows in the repr of a grant, nor in an error or what hangs on it."""
    if _SECRET in repr(_GRANT):
        yield "the repr of a grant shows a token"
    for name, trouble, _, _ in _troubles():
        error = _raised(trouble, subject.connector, _read)
        if error is not None and (error.__context__ or error.__cause__ or _SECRET in repr(error)):
            yield f"the error of {name} shows the token or carries the request that does"


def _app(connector: Connector) -> Mapping[str, SecretStr]:
    """An app that has registered all that the connector's calls name."""
    return {name: SecretStr("made-up") for name in names_of(connector)}


Use = Callable[[OemClient], Awaitable[object]]


async def _read(client: OemClient) -> object:
    return await client.read(_GRANT, CAR, "car", RECEIVED)


async def _refresh(client: OemClient) -> object:
    return await client.refresh(_GRANT.refresh_token, RECEIVED)


def _command(action: Action, model: str) -> Use:
    return lambda client: client.command(_GRANT, "car", action, "id", start_at=RECEIVED, model=model)


def _expect(name: str, wanted: type[OemError], trouble: Trouble, connector: Connector, use: Use) -> Iterator[str]:
    error = _raised(trouble, connector, use)
    if type(error) is not wanted:
        yield f"{name}: raises {error!r}, expected {wanted.__name__}"


def _raised(trouble: Trouble, connector: Connector, use: Use) -> Exception | None:
    def happen(request: httpx.Request) -> httpx.Response:
        if isinstance(trouble, httpx.Response):
            return trouble
        raise trouble("trouble", request=request)

    async def once() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(happen)) as http:
            hosts = hosts_of(connector, {connector.name: "http://127.0.0.1"})
            await use(OemClient(connector, http, hosts, _app(connector)))

    try:
        asyncio.run(once())
    except Exception as error:
        return error
    return None
