"""What every request passes, and what every answer carries."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest
import structlog
from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs

from agents.driver_api import guard
from agents.driver_api.errors import HANDLERS
from agents.driver_api.guard import MAX_BODY, PER_ADDRESS, Guard
from agents.driver_api.limits import Pace
from agents.driver_api.metrics import ApiMetrics
from tests.signing import Still

HERE, OUT_THERE = "http://127.0.0.1:8095", "https://d2ev.example"
SECRET = "canary-7f3a"


def shell(base_url: str = HERE, proxies: int = 0) -> Guard:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    async def echo(request: Request) -> dict[str, int]:
        return {"length": len(await request.body())}

    async def broken() -> None:
        raise RuntimeError(SECRET)

    async def away() -> RedirectResponse:
        return RedirectResponse("/", 303)

    app.add_api_route("/cars/{car}", echo, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    app.add_api_route("/broken", broken, methods=["GET", "POST"])
    app.add_api_route("/away", away)
    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, handler)
    return Guard(app, base_url, Still(), ApiMetrics(), proxies)


def browser(app: Guard, base_url: str = HERE, client: str = "192.0.2.1") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(client, 1))
    return httpx.AsyncClient(transport=transport, base_url=base_url)


@pytest.mark.parametrize("path", ["/cars/a", "/nowhere", "/broken", "/away"])
@pytest.mark.parametrize("base_url", [HERE, OUT_THERE])
async def test_every_answer_carries_what_keeps_pages_safe(path: str, base_url: str) -> None:
    async with browser(shell(base_url), base_url) as http:
        headers = (await http.get(path)).headers
    csp = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert csp["default-src"] == csp["frame-ancestors"] == csp["base-uri"] == "'none'"
    assert csp["script-src"] == csp["style-src"] == csp["connect-src"] == csp["form-action"] == "'self'"
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"
    assert "camera=()" in headers["Permissions-Policy"]
    assert ("Strict-Transport-Security" in headers) == (base_url == OUT_THERE)
    assert "server" not in headers


@pytest.mark.parametrize(
    ("base_url", "host", "ours"),
    [
        (OUT_THERE, "d2ev.example", True), (OUT_THERE, "D2EV.example", True), (OUT_THERE, "evil.example", False),
        (OUT_THERE, "d2ev.example.evil.example", False), (OUT_THERE, "127.0.0.1", False), (OUT_THERE, "", False),
        (OUT_THERE, "[", False), (OUT_THERE, "d2ev.example@evil.example", False), (HERE, "localhost:8095", True),
        (HERE, "127.0.0.1:1", True), (HERE, "[::1]:8095", True), (HERE, "evil.example:8095", False), (HERE, "[", False),
    ],
)  # fmt: skip
async def test_only_hosts_of_ours_are_answered(base_url: str, host: str, ours: bool) -> None:
    """Else a name of somebody else's that leads here could read what our pages may."""
    async with browser(shell(base_url), base_url) as http:
        assert (await http.get("/cars/a", headers={"Host": host})).status_code == (200 if ours else 421)


COOKIE = {"Cookie": "d2ev=x"}
ORIGINS: dict[str, tuple[Mapping[str, str], bool]] = {
    "an app without cookies": ({}, True),
    "an app with a token": ({**COOKIE, "Authorization": "Bearer x", "Origin": "https://evil.example"}, True),
    "our page": ({**COOKIE, "Origin": OUT_THERE, "Sec-Fetch-Site": "same-origin"}, True),
    "our page in an older browser": ({**COOKIE, "Origin": OUT_THERE}, True),
    "our form, which hides where it is": ({**COOKIE, "Origin": "null", "Sec-Fetch-Site": "same-origin"}, True),
    "the driver's own hand": ({**COOKIE, "Sec-Fetch-Site": "none"}, True),
    "another site": ({**COOKIE, "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, False),
    "another site in an older browser": ({**COOKIE, "Origin": "https://evil.example"}, False),
    "a neighbour": ({**COOKIE, "Origin": "https://x.d2ev.example", "Sec-Fetch-Site": "same-site"}, False),
    "without TLS": ({**COOKIE, "Origin": "http://d2ev.example"}, False),
    "another port": ({**COOKIE, "Origin": "https://d2ev.example:444"}, False),
    "a sandbox": ({**COOKIE, "Origin": "null", "Sec-Fetch-Site": "cross-site"}, False),
    "a sandbox in an older browser": ({**COOKIE, "Origin": "null"}, False),
    "nobody says": (COOKIE, False),
    "nonsense": ({**COOKIE, "Origin": "https://["}, False),
    "another way to show who one is": ({**COOKIE, "Authorization": "Basic eDp4"}, False),
    "a token that is none": ({**COOKIE, "Authorization": "Bearer "}, False),
}


@pytest.mark.parametrize("case", ORIGINS)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_another_site_cannot_use_the_drivers_cookie(case: str, method: str) -> None:
    headers, passes = ORIGINS[case]
    async with browser(shell(OUT_THERE), OUT_THERE) as http:
        answer = await http.request(method, "/cars/a", headers=headers)
        assert answer.status_code == (200 if passes else 403)
        assert (await http.get("/cars/a", headers=headers)).status_code == 200


@pytest.mark.parametrize(("origin", "passes"), [(HERE, True), ("http://localhost:1", False), ("http://[", False)])
async def test_on_this_machine_the_origin_is_the_address_that_was_asked(origin: str, passes: bool) -> None:
    async with browser(shell()) as http:
        answer = await http.post("/cars/a", headers={**COOKIE, "Origin": origin})
    assert answer.status_code == (200 if passes else 403)


@pytest.mark.parametrize(("size", "status"), [(0, 200), (MAX_BODY, 200), (MAX_BODY + 1, 413), (10_000_000, 413)])
@pytest.mark.parametrize("told", [True, False])
async def test_bodies_are_short(size: int, status: int, told: bool) -> None:
    async def pieces() -> Any:
        for begin in range(0, size, 1000):
            yield b"x" * min(1000, size - begin)

    async with browser(shell()) as http:
        answer = await http.post("/cars/a", content=b"x" * size if told else pieces())
    assert answer.status_code == status
    assert status != 200 or answer.json() == {"length": size}


async def raw(
    app: Guard, headers: list[tuple[bytes, bytes]], receive: Receive, method: str = "POST", path: str = "/cars/a"
) -> list[Message]:
    """What is sent for a request that no client library would make."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "headers": [(b"host", b"127.0.0.1"), *headers], "client": ("192.0.2.1", 1), "http_version": "1.1",
        "server": ("127.0.0.1", 80), "scheme": "http",
    }  # fmt: skip
    await app(scope, receive, send)
    return sent


def pieces(*messages: Message) -> tuple[Receive, list[Message]]:
    left = list(messages)

    async def receive() -> Message:
        return left.pop(0)

    return receive, left


def piece(body: bytes, more: bool = True) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


@pytest.mark.parametrize("length", [b"-1", b"x", b"1e3", b"\xb2", b"99999999999999999999", b"9" * 5000, b""])
async def test_a_length_that_is_none_is_refused(length: bytes) -> None:
    receive, _ = pieces(piece(b"", more=False))
    sent = await raw(shell(), [(b"content-length", length)], receive)
    assert sent[0]["status"] == 413


async def test_what_is_too_long_is_not_read_on() -> None:
    receive, left = pieces(*(piece(b"x" * 5000) for _ in range(100)))
    sent = await raw(shell(), [], receive)
    assert sent[0]["status"] == 413
    assert len(left) == 96


async def test_a_request_that_breaks_off_is_no_request() -> None:
    app = shell()
    receive, _ = pieces(piece(b'{"half":'), {"type": "http.disconnect"})
    assert await raw(app, [], receive) == []
    assert 'status="gone"' in generate_latest(app._metrics.registry).decode()


async def test_a_body_that_drips_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.02)

    async def receive() -> Message:
        await asyncio.sleep(0.005)
        return piece(b"")

    async with asyncio.timeout(5):
        sent = await raw(shell(), [], receive)
    assert sent[0]["status"] == 408


async def test_a_fault_of_ours_is_told_once_without_its_words() -> None:
    sent = await raw(shell(), [], pieces(piece(b"", more=False))[0], path="/broken")
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[0]["status"] == 500
    assert SECRET.encode() not in sent[1]["body"]


async def test_a_fault_after_the_answer_began_breaks_it_off() -> None:
    async def half(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError(SECRET)

    app = Guard(half, HERE, Still(), ApiMetrics())
    sent = await raw(app, [], pieces()[0], method="GET")
    assert [message["type"] for message in sent] == ["http.response.start"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"), ("TRACE", "/cars/a", 405, "method_not_allowed"),
        ("GET", "/broken", 500, "defect"),
    ],
)  # fmt: skip
async def test_refusals_have_one_shape(method: str, path: str, status: int, code: str) -> None:
    async with browser(shell()) as http:
        answer = await http.request(method, path)
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == code
    assert set(answer.json()["error"]) == {"code", "message"}


async def test_an_address_that_asks_too_often_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "PER_ADDRESS", Pace(3, 60))
    app = shell()
    async with browser(app) as http, browser(app, client="192.0.2.2") as other:
        assert [(await http.get("/cars/a")).status_code for _ in range(5)] == [200, 200, 200, 429, 429]
        assert (await http.get("/cars/a")).headers["Retry-After"] == "1"
        assert (await other.get("/cars/a")).status_code == 200
    assert PER_ADDRESS.at_once > 3


@pytest.mark.parametrize(
    ("client", "forwarded", "proxies", "who"),
    [
        ("192.0.2.1", [], 0, "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.7"], 0, "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.7"], 1, "198.51.100.7"),
        ("192.0.2.1", ["made up, 198.51.100.7"], 1, "198.51.100.7"),
        ("192.0.2.1", ["made up", "198.51.100.7"], 1, "198.51.100.7"),
        ("192.0.2.1", ["made up, 198.51.100.7, 10.0.0.1"], 2, "198.51.100.7"),
        ("192.0.2.1", [], 1, "192.0.2.1"),
        ("192.0.2.1", ["nonsense"], 1, "unknown"),
        ("2001:db8:1:2:3::4", [], 0, "2001:db8:1:2::/64"),
        ("10.0.0.1", ["2001:db8:1:2:ffff::1"], 1, "2001:db8:1:2::/64"),
        ("", [], 0, "unknown"),
    ],
)
def test_who_calls(client: str, forwarded: list[str], proxies: int, who: str) -> None:
    raw_headers = [(b"x-forwarded-for", one.encode()) for one in forwarded]
    scope = {"client": (client, 1) if client else None}
    assert shell(proxies=proxies)._address(scope, Headers(raw=raw_headers)) == who


async def test_metrics_and_logs_name_routes_and_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    # A logger remembers the settings of its first use, which another test may have made.
    monkeypatch.setattr(guard, "LOG", structlog.get_logger("d2ev"))
    app = shell()
    with capture_logs() as said:
        async with browser(app) as http:
            await http.get(f"/cars/{SECRET}?token={SECRET}", headers={"Cookie": SECRET})
            await http.get(f"/{SECRET}")
            await http.request(SECRET.upper(), "/cars/a")
            await http.get("/broken")
    told = generate_latest(app._metrics.registry).decode()
    assert 'd2ev_api_requests_total{method="GET",route="/cars/{car}",status="2xx"} 1.0' in told
    assert 'method="GET",route="none",status="4xx"' in told
    assert 'method="other",route="/cars/{car}",status="4xx"' in told
    assert SECRET not in told.lower()
    requests = [entry for entry in said if entry["event"] == "request"]
    assert len(requests) == 4
    assert SECRET not in str(requests).lower()


@given(headers=st.lists(st.tuples(st.sampled_from(["host", "origin", "content-length", "x-forwarded-for", "cookie",
        "authorization", "sec-fetch-site"]).map(str.encode), st.binary(max_size=30)), max_size=6))  # fmt: skip
async def test_no_header_makes_it_fail(headers: list[tuple[bytes, bytes]]) -> None:
    receive: Callable[[], Any] = pieces(piece(b"", more=False))[0]
    sent = await raw(shell(proxies=1), headers, receive)
    assert sent[0]["status"] in {200, 403, 413, 421}
