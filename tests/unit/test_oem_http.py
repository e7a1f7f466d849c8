"""One request, no retries, and every ending classed by what the caller does next."""

from __future__ import annotations

import asyncio
import gzip
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from inspect import getmembers, isclass
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from oem_connectors import wire
from oem_connectors.answers import MAX_BODY, Answer
from oem_connectors.base import Call, Connector, Grant, Reply
from oem_connectors.errors import (
    Asleep,
    NeedsConsent,
    OemError,
    OutcomeUnknown,
    Rejected,
    Throttled,
    Unavailable,
    Unreadable,
    Unsupported,
)
from oem_connectors.http import OemClient, make_http
from oem_connectors.simulator import CONNECTOR
from oem_connectors.wire import hosts_of
from streams.contracts.command import Action

NOW = datetime(2025, 1, 1, 12, tzinfo=UTC)
GRANT = Grant(SecretStr("secret-access"), SecretStr("secret-refresh"), NOW + timedelta(hours=8))
Handler = Callable[[httpx.Request], httpx.Response]


async def ask(handler: Handler, use: Callable[[OemClient], Awaitable[Any]], connector: Connector = CONNECTOR) -> Any:
    async with httpx.AsyncClient(transport=httpx.MockTransport(handler)) as http:
        return await use(OemClient(connector, http, hosts_of(connector, {"simulator": "http://oem.test/"})))


async def read(client: OemClient) -> object:
    return await client.read(GRANT, "a.car1", "car1", NOW)


async def start(client: OemClient) -> object:
    return await client.command(GRANT, "car1", Action.START, "id-1", "plan-7")


async def listing(client: OemClient) -> object:
    return await client.list_vehicles(GRANT)


async def refresh(client: OemClient) -> object:
    return await client.refresh(GRANT.refresh_token, NOW)


def answers(status: int, body: Any = None, **headers: str) -> Handler:
    return lambda _request: httpx.Response(status, json=body if body is not None else {}, headers=headers)


def raises(error: Exception) -> Handler:
    def handler(_request: httpx.Request) -> httpx.Response:
        raise error

    return handler


FOREIGN = [
    *(error("x") for _, error in getmembers(httpx, isclass) if issubclass(error, httpx.TransportError)),
    httpx.InvalidURL("x"),
    httpx.TooManyRedirects("x"),
    httpx.DecodingError("x"),
    httpx.StreamError("x"),
    httpx.CookieConflict("x"),
    RuntimeError("the client has been closed"),
    OSError(104, "reset"),
    ValueError("x"),
]
NOT_SENT = {"ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol", "InvalidURL"}


@pytest.mark.parametrize("foreign", FOREIGN, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("use", [read, start, listing, refresh])
async def test_no_foreign_exception_escapes(foreign: Exception, use: Callable[..., Awaitable[Any]]) -> None:
    with pytest.raises(OemError) as caught:
        await ask(raises(foreign), use)
    safe = use in {read, listing} or type(foreign).__name__ in NOT_SENT
    assert type(caught.value) is (Unavailable if safe else OutcomeUnknown)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("failing", ["kinds", "vehicles", "outcome"])
async def test_an_exception_of_a_connectors_own_rule_does_not_escape(failing: str) -> None:
    def rule(*_args: object) -> Any:
        raise KeyError("secret-access")

    value: Any = (replace(CONNECTOR.kinds[0], fields=rule),) if failing == "kinds" else rule
    broken = replace(CONNECTOR, **{failing: value})
    use = {"kinds": read, "vehicles": listing, "outcome": start}[failing]
    with pytest.raises(OutcomeUnknown if failing == "outcome" else Unreadable, match="failed: KeyError") as caught:
        await ask(answers(200), use, broken)
    assert "secret" not in "".join(traceback.format_exception(caught.value))


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(talk: Talk) -> AsyncIterator[str]:
    """A server on loopback whose every conversation is over when the block ends."""
    conversations: list[asyncio.Task[None]] = []

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await talk(reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversations.append(asyncio.create_task(converse(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await asyncio.gather(*conversations)


async def test_cancelling_the_caller_cancels_the_request() -> None:
    arrived = asyncio.Event()

    async def swallow(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await reader.read()

    async with listening(swallow) as url, make_http() as http:
        task = asyncio.create_task(start(OemClient(CONNECTOR, http, hosts_of(CONNECTOR, {"simulator": url}))))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_refused_connection_is_not_applied() -> None:
    async with make_http() as http:
        with pytest.raises(Unavailable, match="not sent"):
            await start(OemClient(CONNECTOR, http, hosts_of(CONNECTOR, {"simulator": "http://127.0.0.1:1"})))


async def test_a_connection_that_closes_after_a_command_leaves_it_unknown() -> None:
    async def slam(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    async with listening(slam) as url, make_http() as http:
        with pytest.raises(OutcomeUnknown):
            await start(OemClient(CONNECTOR, http, hosts_of(CONNECTOR, {"simulator": url})))
        with pytest.raises(Unavailable):
            await read(OemClient(CONNECTOR, http, hosts_of(CONNECTOR, {"simulator": url})))


@asynccontextmanager
async def serving(*replies: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that answers request after request with these bytes, then closes; and what it heard."""
    heard: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        while len(heard) <= len(replies):
            writer.write(replies[len(heard) - 1])
            await writer.drain()
            heard.append(await reader.readuntil(b"\r\n\r\n"))

    async with listening(talk) as url:
        yield url, heard


def http_reply(body: bytes, *headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
async def test_a_kept_connection_that_closes_is_not_tried_again(method: str) -> None:
    calls = replace(CONNECTOR, commands={Action.START: Call(method, "/start")})
    async with serving(http_reply(b"{}")) as (url, heard), make_http() as http:
        client = OemClient(calls, http, hosts_of(calls, {"simulator": url}))
        await start(client)
        with pytest.raises(OutcomeUnknown):
            await start(client)
        assert len(heard) == 2


async def test_connections_are_kept_between_calls_and_compressed_answers_understood() -> None:
    body = gzip.compress(b'{"battery": {"percent": 41}}')
    reply = http_reply(body, "Content-Encoding: gzip")
    async with serving(reply, reply) as (url, heard), make_http() as http:
        client = OemClient(CONNECTOR, http, hosts_of(CONNECTOR, {"simulator": url}))
        for _ in range(2):
            assert (await client.read(GRANT, "a.car1", "car1", NOW)).soc_pct == 41
    assert len(heard) == 2


@pytest.mark.parametrize(
    "reply",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{", b"HTTP/1.1 200"],
    ids=["silence", "half a body", "half a head"],
)
async def test_an_answer_that_stalls_is_given_up(reply: bytes) -> None:
    hasty = waiting(0.05)
    async with serving(reply, b"") as (url, _), make_http() as http:
        with pytest.raises(OutcomeUnknown, match="ReadTimeout"):
            await start(OemClient(hasty, http, hosts_of(hasty, {"simulator": url})))
        with pytest.raises(Unavailable):
            await read(OemClient(hasty, http, hosts_of(hasty, {"simulator": url})))


def waiting(seconds: float) -> Connector:
    """The simulator's connector, waiting this long for an answer."""
    commands = {action: replace(call, seconds=seconds) for action, call in CONNECTOR.commands.items()}
    return replace(CONNECTOR, read=replace(CONNECTOR.read, seconds=seconds), commands=commands)


async def test_an_answer_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    for part, seconds in {"connect": 1.0, "pool": 0.05, "write": 0.05}.items():
        monkeypatch.setitem(wire._SHORT, part, seconds)
    hasty = waiting(0.5)

    async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with listening(drip) as url, make_http() as http:
        with pytest.raises(OutcomeUnknown, match="ReadTimeout"):
            await start(OemClient(hasty, http, hosts_of(hasty, {"simulator": url})))


async def test_one_call_is_one_request_with_the_ids_of_its_cause() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(503)

    with pytest.raises(OutcomeUnknown):
        await ask(handler, start)
    (request,) = seen
    assert (request.method, str(request.url)) == ("POST", "http://oem.test/v1/vehicles/car1/start")
    assert request.headers["X-D2EV-Command"] == "id-1"
    assert request.headers["X-Plan"] == "plan-7"
    assert request.headers["Authorization"] == "Bearer secret-access"
    assert request.extensions["timeout"]["read"] == 20


async def test_a_vehicle_id_cannot_reach_another_path() -> None:
    seen: list[bytes] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.raw_path)
        return httpx.Response(200, json={})

    await ask(handler, lambda client: client.read(GRANT, "a.b", "../x?y#z", NOW))
    assert seen == [b"/v1/vehicles/..%2Fx%3Fy%23z/state"]


async def test_a_redirect_is_not_followed() -> None:
    seen: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return httpx.Response(307, headers={"Location": "http://elsewhere.test/"})

    with pytest.raises(Unavailable, match="redirect"):
        await ask(handler, start)
    assert len(seen) == 1


async def test_an_endless_answer_is_cut_off() -> None:
    served = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal served
        while True:
            served += 1
            yield b" " * 65536

    def handler(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=endless())

    with pytest.raises(Unavailable, match="AnswerTooLong"):
        await ask(handler, read)
    assert served <= MAX_BODY // 65536 + 1
    with pytest.raises(OutcomeUnknown, match="AnswerTooLong"):
        await ask(handler, start)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {"result": "accepted"}, None),
        (200, {"result": "already"}, "already"),
        (204, "", None),
    ],
)
async def test_a_command_returns_the_detail_of_its_success(status: int, body: Any, expected: str | None) -> None:
    assert await ask(answers(status, body), start) == expected


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (408, {"error": "asleep"}, Asleep),
        (409, {"error": "not_plugged"}, Rejected),
        (409, {"error": "duplicate_request", "applied": False}, Unavailable),
        (503, {"error": "maintenance", "applied": False}, Unavailable),
        (503, {}, OutcomeUnknown),
        (501, {}, Unsupported),
    ],
)
async def test_the_makers_words_about_a_command_count(status: int, body: Any, error: type[OemError]) -> None:
    with pytest.raises(OemError) as caught:
        await ask(answers(status, body), start)
    assert type(caught.value) is error


async def test_a_command_the_maker_does_not_have_is_unsupported_without_a_call() -> None:
    read_only = replace(CONNECTOR, commands={Action.WAKE: Call("POST", "/wake")})
    with pytest.raises(Unsupported, match="start"):
        await ask(raises(AssertionError("no call expected")), start, read_only)


@pytest.mark.parametrize(
    ("body", "refresh_token", "lifetime"),
    [
        ({"access_token": "a", "refresh_token": "r", "expires_in": 60}, "r", timedelta(seconds=60)),
        ({"access_token": "a", "expires_in": 60}, "secret-refresh", timedelta(seconds=60)),
        ({"access_token": "a", "refresh_token": "r"}, "r", timedelta(hours=1)),
        ({"access_token": "a", "refresh_token": "r", "expires_in": -5}, "r", timedelta(hours=1)),
    ],
)
async def test_a_refresh_gives_a_grant(body: Any, refresh_token: str, lifetime: timedelta) -> None:
    grant = await ask(answers(200, body), refresh)
    assert grant.access_token.get_secret_value() == "a"
    assert grant.refresh_token.get_secret_value() == refresh_token
    assert grant.expires_at == NOW + lifetime
    assert "secret" not in repr(grant)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, {"error": "invalid_grant"}, NeedsConsent),
        (401, {"error": "invalid_grant"}, NeedsConsent),
        (400, {"error": "invalid_client"}, Rejected),
        (429, {}, Throttled),
        (500, {}, OutcomeUnknown),
        (200, {}, OutcomeUnknown),
        (200, {"access_token": 7}, OutcomeUnknown),
        (200, ["x"], OutcomeUnknown),
    ],
)
async def test_a_refresh_that_fails_says_what_to_do(status: int, body: Any, error: type[OemError]) -> None:
    with pytest.raises(OemError) as caught:
        await ask(answers(status, body), refresh)
    assert type(caught.value) is error


WAITS = [
    ("0", None, timedelta(0)),
    ("120", None, timedelta(minutes=2)),
    ("9" * 400, None, timedelta(days=1)),
    ("-5", None, None),
    ("soon", None, None),
    ("", None, None),
    ("Wed, 01 Jan 2025 12:00:30 GMT", "Wed, 01 Jan 2025 12:00:00 GMT", timedelta(seconds=30)),
    ("Wed, 01 Jan 2025 11:00:00 GMT", "Wed, 01 Jan 2025 12:00:00 GMT", timedelta(0)),
    ("Wed, 01 Jan 2025 12:00:30 GMT", None, None),
    ("Wed, 01 Jan 2025 12:00:30", "Wed, 01 Jan 2025 12:00:00 GMT", None),
]


@pytest.mark.parametrize(("wish", "date", "expected"), WAITS)
async def test_retry_after_is_kept(wish: str, date: str | None, expected: timedelta | None) -> None:
    headers = {"Retry-After": wish} | ({"Date": date} if date else {})
    with pytest.raises(Throttled) as caught:
        await ask(lambda _request: httpx.Response(429, headers=headers), read)
    assert caught.value.retry_after == expected


@pytest.mark.parametrize("use", [read, start, refresh])
@pytest.mark.parametrize("status", [403, 430])
async def test_a_spent_quota_is_a_throttle_with_its_wait_whatever_the_status(
    status: int, use: Callable[[OemClient], Awaitable[object]]
) -> None:
    def quota(reply: Reply) -> OemError | None:
        return Throttled("quota") if reply.status == 403 and reply.body.get("code") == "quota_exceeded" else None

    tight = replace(CONNECTOR, outcome=quota)
    with pytest.raises(Throttled) as caught:
        await ask(answers(status, {"code": "quota_exceeded"}, **{"Retry-After": "90"}), use, tight)
    assert caught.value.retry_after == timedelta(seconds=90)
    assert not caught.value.app


LATIN = [chr(code) for code in range(32, 256)]


@given(st.text(LATIN, max_size=40), st.text(LATIN, max_size=40))
def test_any_retry_after_is_a_wait_of_at_most_a_day_or_none(wish: str, date: str) -> None:
    headers = httpx.Headers([(b"retry-after", wish.encode("latin-1")), (b"date", date.encode("latin-1"))])
    wait = Answer(429, headers, b"").retry_after()
    assert wait is None or timedelta(0) <= wait <= timedelta(days=1)


@given(st.binary(max_size=200), st.integers(200, 599))
def test_any_answer_is_telemetry_or_an_oem_error(body: bytes, status: int) -> None:
    try:
        said = asyncio.run(ask(lambda _request: httpx.Response(status, content=body), read)).car
    except OemError as error:
        said = str(error)
    assert said
    assert "\n" not in said


WORDS = st.text("abz019-:TZ+é ", max_size=8)  # a small alphabet: no character tables to build
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.just(10**400) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.sampled_from(["battery", "cable", "charger", "odometer_km", "at_home", "sampled_at", "vehicles"])


@given(st.dictionaries(FIELDS, JSON | st.fixed_dictionaries({"percent": JSON, "mode": JSON, "kw": JSON})))
def test_any_json_is_normalised_or_refused_by_name(raw: dict[str, Any]) -> None:
    for rule in (lambda: CONNECTOR.normalise("a.b", raw, NOW), lambda: CONNECTOR.vehicles(raw)):
        with suppress(Unreadable):
            rule()
