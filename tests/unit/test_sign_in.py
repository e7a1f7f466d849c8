"""Signing in by the browser: only the browser that began it, only by the issuer that was asked, and not for good."""

import re
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from aiohttp import web
from fastapi import FastAPI, Request
from pydantic import SecretStr

from agents.driver_api.errors import HANDLERS
from agents.driver_api.guard import Guard
from agents.driver_api.identity import Signed, Verifier
from agents.driver_api.metrics import ApiMetrics
from agents.driver_api.session import LASTS, LASTS_AT_MOST, PATIENCE, Sessions, SignIn, router
from agents.issuer import Issuer
from agents.sealing import Sealer
from deploy.fakes.issuer import CLIENT_ID, CLIENT_SECRET
from deploy.fakes.issuer import Issuer as DevelopmentIssuer
from tests.signing import NOW, Still

HERE = "http://127.0.0.1:8095"
ORIGIN = {"Origin": HERE}
DRIVERS = {"anna": "Anna, a small car", "bert": "Bert & <family>"}


class Shell:
    """The shell of the driver API around one page that says who is there, and a browser."""

    def __init__(self, issuer: DevelopmentIssuer, clock: Still, base_url: str = HERE, **changed: Any) -> None:
        self.issuer, self.clock, self.base_url = issuer, clock, base_url
        given = {"audience": CLIENT_ID, "client_id": CLIENT_ID, "client_secret": SecretStr(CLIENT_SECRET), **changed}
        self.known = Issuer(issuer=issuer.url, **given)
        self.http = httpx.AsyncClient()
        self.verifier = Verifier([self.known], self.http, clock)
        self.sessions = Sessions(Sealer(bytes(32)), base_url, clock)
        app = FastAPI()
        sign_in = SignIn(self.sessions, self.verifier, self.http, base_url)
        app.include_router(router(self.sessions, sign_in, self.verifier))
        app.add_api_route("/who", self._who, methods=["GET"])
        for kind, handler in HANDLERS.items():
            app.add_exception_handler(kind, handler)
        self.app = Guard(app, base_url, clock, ApiMetrics())
        self.browser = self.new_browser()

    def new_browser(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=self.base_url)

    async def who(self, browser: httpx.AsyncClient | None = None) -> str | None:
        found: str | None = (await (browser or self.browser).get("/who")).json()
        return found

    async def choose(self, driver: str, goal: str = "/") -> str:
        """Begin, and choose at the issuer whom to be; the address that the issuer sends the browser back to."""
        begun = await self.browser.get("/signin", params={"goal": goal})
        assert begun.status_code == 303
        page = await self.http.get(begun.headers["Location"])
        assert "<script" not in page.text
        assert "&lt;family&gt;" in page.text
        form = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page.text))
        chosen = await self.http.post(str(page.url).partition("?")[0], data={**form, "driver": driver})
        assert chosen.status_code == 303
        return chosen.headers["Location"]

    async def _who(self, request: Request) -> str | None:
        return self.sessions.driver(request, self.verifier.issuers)


@asynccontextmanager
async def issuing(clock: Still) -> AsyncIterator[DevelopmentIssuer]:
    issuer = DevelopmentIssuer(DRIVERS, clock=clock.now)
    runner = web.AppRunner(issuer.app())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    issuer.url = site.name if ":0" not in site.name else f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield issuer
    finally:
        await runner.cleanup()


@pytest.fixture
async def shell() -> AsyncIterator[Shell]:
    clock = Still()
    async with issuing(clock) as issuer:
        made = Shell(issuer, clock)
        async with made.http, made.browser:
            yield made


def cookies(response: httpx.Response) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for line in response.headers.get_list("set-cookie"):
        found |= SimpleCookie(line)
    return found


async def test_a_driver_signs_in_and_out(shell: Shell) -> None:
    assert await shell.who() is None
    back = await shell.browser.get(await shell.choose("bert", "/cars/a.b"))
    assert (back.status_code, back.headers["Location"]) == (303, "/cars/a.b")
    assert await shell.who() == "bert"
    out = await shell.browser.post("/signout", headers=ORIGIN)
    assert (out.status_code, out.headers["Location"]) == (303, "/")
    assert await shell.who() is None
    assert not shell.browser.cookies


async def test_another_instance_knows_the_same_session(shell: Shell) -> None:
    other = Shell(shell.issuer, shell.clock)
    back = await shell.choose("anna")
    other.browser.cookies.update(shell.browser.cookies)
    async with other.http, other.browser:
        assert (await other.browser.get(back)).status_code == 303
        shell.browser.cookies.update(other.browser.cookies)
        assert await shell.who() == "anna"


async def test_the_request_to_the_issuer(shell: Shell) -> None:
    begun = await shell.browser.get("/signin")
    asked = dict(parse_qsl(urlsplit(begun.headers["Location"]).query))
    assert asked["response_type"] == "code"
    assert asked["redirect_uri"] == f"{HERE}/signin/back"
    assert asked["code_challenge_method"] == "S256"
    assert len(asked["code_challenge"]) == 43
    again = dict(parse_qsl(urlsplit((await shell.browser.get("/signin")).headers["Location"]).query))
    for name in ("state", "nonce", "code_challenge"):
        assert len(asked[name]) >= 32
        assert asked[name] != again[name]


async def test_cookies_are_out_of_reach(shell: Shell) -> None:
    secure = Shell(shell.issuer, shell.clock, "https://localhost")
    async with secure.http, secure.browser:
        for one, prefix in ((shell, ""), (secure, "__Host-")):
            back = await one.choose("anna")
            begun = cookies(await one.browser.get("/signin"))
            assert set(begun) == {f"{prefix}d2ev-signin"}
            back = await one.choose("anna")
            signed = cookies(await one.browser.get(back))
            assert set(signed) == {f"{prefix}d2ev", f"{prefix}d2ev-signin"}
            for cookie in (*begun.values(), *signed.values()):
                assert cookie["httponly"]
                assert cookie["samesite"] == "Lax"
                assert cookie["path"] == "/"
                assert not cookie["domain"]
                assert bool(cookie["secure"]) == bool(prefix)
            assert "anna" not in str(signed[f"{prefix}d2ev"].value)


async def test_what_another_browser_began_is_not_finished(shell: Shell) -> None:
    """Else somebody could have others sign in as him, and see what they tell their car."""
    back = await shell.choose("bert")
    async with shell.new_browser() as other:
        refused = await other.get(back)
        assert refused.status_code == 400
        await other.get("/signin")
        assert (await other.get(back)).status_code == 400
        assert await shell.who(other) is None


async def test_a_way_back_is_gone_once(shell: Shell) -> None:
    back = await shell.choose("bert")
    kept = dict(shell.browser.cookies)
    assert (await shell.browser.get(back)).status_code == 303
    assert (await shell.browser.get(back)).status_code == 400
    async with shell.new_browser() as other:
        other.cookies.update(kept)
        assert (await other.get(back)).status_code == 401
        assert await shell.who(other) is None


async def test_a_way_back_is_not_waited_for_long(shell: Shell) -> None:
    back = await shell.choose("bert")
    shell.clock.pass_(PATIENCE)
    assert (await shell.browser.get(back)).status_code == 400


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 400), ("state=wrong&code=x", 400), ("code=x", 400), ("state={state}", 401), ("state={state}&code=x", 401),
        ("state={state}&error=access_denied", 401), ("state={state}&code={code}&iss=https://evil.example", 400),
        ("state=%C3%A9&code=x", 400),
    ],
)  # fmt: skip
async def test_a_way_back_that_is_not_right(shell: Shell, query: str, status: int) -> None:
    told = dict(parse_qsl(urlsplit(await shell.choose("bert")).query))
    refused = await shell.browser.get("/signin/back?" + query.format(**told))
    assert refused.status_code == status
    assert set(refused.json()) == {"error"}
    assert await shell.who() is None


async def test_the_verifier_of_another_sign_in_gets_no_token(shell: Shell) -> None:
    """PKCE: a code that was read on its way is worth nothing."""
    stolen = dict(parse_qsl(urlsplit(await shell.choose("bert")).query))["code"]
    begun = await shell.browser.get("/signin")
    state = dict(parse_qsl(urlsplit(begun.headers["Location"]).query))["state"]
    assert (await shell.browser.get("/signin/back", params={"state": state, "code": stolen})).status_code == 401
    assert await shell.who() is None


@pytest.mark.parametrize("changed", [{"nonce": "other"}, {"aud": "other"}, {"sub": ""}, {"exp": 5}, {"nonce": None}])
async def test_the_issuers_answer_is_held_against_every_rule(shell: Shell, changed: dict[str, Any]) -> None:
    back = await shell.choose("bert")
    make = shell.issuer.token
    shell.issuer.token = lambda sub, **told: make(**({"sub": sub} | told | changed))  # type: ignore[method-assign]
    assert (await shell.browser.get(back)).status_code == 401
    assert await shell.who() is None


async def test_an_issuer_that_is_down_is_told_so(shell: Shell) -> None:
    back = await shell.choose("bert")
    shell.verifier.keys = type(shell.verifier.keys)(httpx.AsyncClient(transport=_down()), shell.clock)
    refused = await shell.browser.get(back)
    assert refused.status_code == 503
    assert refused.headers["Retry-After"]
    assert (await shell.browser.get("/signin")).status_code == 503


def _down() -> httpx.MockTransport:
    def answer(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("down")

    return httpx.MockTransport(answer)


async def test_a_wrong_secret_signs_nobody_in(shell: Shell) -> None:
    wrong = Shell(shell.issuer, shell.clock, client_secret=SecretStr("wrong"))
    async with wrong.http, wrong.browser:
        assert (await wrong.browser.get(await wrong.choose("anna"))).status_code == 401


async def test_a_place_without_a_client_has_no_sign_in(shell: Shell) -> None:
    bare = Shell(shell.issuer, shell.clock, client_id=None, client_secret=None)
    async with bare.http, bare.browser:
        assert (await bare.browser.get("/signin")).status_code == 404


@pytest.mark.parametrize(
    "goal",
    [
        "https://evil.example", "//evil.example", "/\\evil.example", "\\/evil", "javascript:alert(1)", "", "evil",
        "/\t/evil.example", "/\n/evil", "/" + "x" * 600,
    ],
)  # fmt: skip
async def test_nobody_is_sent_elsewhere_by_a_link_to_our_sign_in(shell: Shell, goal: str) -> None:
    back = await shell.browser.get(await shell.choose("anna", goal))
    assert back.headers["Location"] == "/"


async def test_an_app_gets_a_cookie_for_its_token(shell: Shell) -> None:
    token = shell.issuer.token("anna")
    given = await shell.browser.post("/session", headers={"Authorization": f"Bearer {token}"})
    assert given.status_code == 204
    assert await shell.who() == "anna"


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x", "Basic abc"])
async def test_an_app_without_a_token_gets_none(shell: Shell, header: str) -> None:
    refused = await shell.browser.post("/session", headers={"Authorization": header})
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    assert not cookies(refused)


def held(shell: Shell, **changed: Any) -> str:
    """The value of a session's cookie."""
    signed = Signed("anna", shell.issuer.url, NOW + timedelta(hours=1))._replace(**changed)
    return shell.sessions.begun(signed).partition("=")[2].partition(";")[0]


async def test_a_session_that_is_used_goes_on_and_ends_all_the_same(shell: Shell) -> None:
    shell.browser.cookies["d2ev"] = held(shell)
    step = LASTS - timedelta(hours=1)
    for _ in range(int(LASTS_AT_MOST / step)):
        shell.clock.pass_(step)
        assert await shell.who() == "anna"
    shell.clock.pass_(step)
    assert await shell.who() is None


async def test_a_session_that_is_not_used_ends(shell: Shell) -> None:
    shell.browser.cookies["d2ev"] = held(shell)
    shell.clock.pass_(timedelta(hours=20))
    assert not cookies(await shell.browser.get("/who"))
    shell.clock.pass_(LASTS - timedelta(hours=20))
    assert await shell.who() is None


async def test_a_session_of_an_issuer_that_is_no_longer_believed_ends(shell: Shell) -> None:
    shell.browser.cookies["d2ev"] = held(shell, issuer="https://before.example")
    assert await shell.who() is None


async def test_nothing_else_is_a_session(shell: Shell) -> None:
    await shell.browser.get("/signin")
    waiting = shell.browser.cookies["d2ev-signin"]
    good = held(shell)
    strange = Sessions(Sealer(b"1" * 32), HERE, shell.clock)
    other = strange.begun(Signed("anna", shell.issuer.url, NOW)).partition("=")[2].partition(";")[0]
    bent = good[:-8] + ("A" if good[-8] != "A" else "B") + good[-7:]
    plain = urlsafe_b64encode(b'{"driver":"anna"}').decode()
    for value in (waiting, other, bent, plain, "", "v2..", "x" * 5000, good[:-1] + "\u00e9"):
        answer = await shell.browser.get("/who", headers=[(b"Cookie", f"d2ev={value}".encode("latin-1"))])
        assert answer.json() is None, value
    assert (await shell.browser.get("/who", headers={"Cookie": f"d2ev={good}"})).json() == "anna"
