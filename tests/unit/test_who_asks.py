"""Who asks: by token or by cookie, one never standing in for the other, and not too often."""

from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import generate_latest

from agents.driver_api.api import Api, Driver
from agents.driver_api.errors import HANDLERS
from agents.driver_api.identity import Signed
from agents.driver_api.keys import FIREBASE_KEYS
from agents.driver_api.limits import Limits, Pace
from agents.driver_api.metrics import ApiMetrics
from agents.driver_api.session import Sessions
from agents.sealing import Sealer
from tests.signing import FIREBASE, NOW, OTHER_RSA, Cloud, Still, claims, signed

HERE = "http://127.0.0.1:8095"


class Door:
    """One route behind the dependency that every route has."""

    def __init__(self, at_once: int = 100) -> None:
        self.cloud, self.clock, self.read = Cloud(), Still(), SimpleNamespace(known=True)
        self.metrics = ApiMetrics()
        self.sessions = Sessions(Sealer(bytes(32)), HERE, self.clock)
        rest: Any = dict.fromkeys(("settings", "wishes", "links", "answers"))
        read: Any = self.read
        api = Api(
            **rest,
            base_url=HERE,
            read=read,
            verifier=self.cloud.verifier(FIREBASE, clock=self.clock),
            sessions=self.sessions,
            limits=Limits(Pace(at_once, 60)),
            metrics=self.metrics,
            clock=self.clock,
            wall=self.clock,
        )
        app = FastAPI()
        app.state.api = api

        async def me(driver: Driver) -> str:
            return driver

        app.add_api_route("/me", me)
        for kind, handler in HANDLERS.items():
            app.add_exception_handler(kind, handler)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HERE)

    async def ask(self, token: str | None = None, cookie: str | None = None) -> httpx.Response:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return await self.http.get("/me", headers=headers | ({} if cookie is None else {"Cookie": f"d2ev={cookie}"}))

    def cookie(self, driver: str) -> str:
        return self.sessions.begun(Signed(driver, FIREBASE.issuer, NOW)).partition("=")[2].partition(";")[0]


async def test_a_token_or_a_cookie_says_who_it_is() -> None:
    door = Door()
    assert (await door.ask(signed(claims()))).json() == "anna"
    assert (await door.ask(cookie=door.cookie("bert"))).json() == "bert"
    assert (await door.ask(signed(claims()), door.cookie("bert"))).json() == "anna"


@pytest.mark.parametrize(
    ("token", "code"),
    [
        (None, "not_signed_in"), ("nonsense", "token_refused"), (signed(claims(), OTHER_RSA), "token_refused"),
        (signed(claims(aud="p-2")), "token_refused"),
    ],
)  # fmt: skip
async def test_whoever_proves_nothing_is_nobody(token: str | None, code: str) -> None:
    refused = await Door().ask(token)
    assert refused.status_code == 401
    assert refused.json()["error"]["code"] == code
    assert refused.headers["WWW-Authenticate"] == "Bearer"


async def test_a_cookie_does_not_save_a_token_that_is_refused() -> None:
    door = Door()
    assert (await door.ask("nonsense", door.cookie("bert"))).status_code == 401


async def test_refused_tokens_are_counted_by_rule() -> None:
    door = Door()
    for aud in ("x", "y", "z"):
        await door.ask(signed(claims(aud=aud)))
    told = generate_latest(door.metrics.registry).decode()
    assert 'd2ev_api_tokens_refused_total{rule="aud"} 3.0' in told


async def test_an_issuer_that_is_down_stops_tokens_and_not_cookies() -> None:
    door = Door()
    door.cloud.answers[FIREBASE_KEYS] = lambda _request: httpx.ConnectError("down")
    refused = await door.ask(signed(claims()))
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "10")
    assert (await door.ask(cookie=door.cookie("bert"))).json() == "bert"


async def test_one_who_asks_too_often_waits_and_others_do_not() -> None:
    door = Door(2)
    anna, bert = signed(claims()), door.cookie("bert")
    assert [(await door.ask(anna)).status_code for _ in range(4)] == [200, 200, 429, 429]
    assert (await door.ask(cookie=door.cookie("anna"))).headers["Retry-After"] == "1"
    assert (await door.ask(cookie=bert)).status_code == 200


async def test_before_the_log_was_read_nobody_is_told_that_there_is_nothing() -> None:
    door = Door()
    door.read.known = False
    assert (await door.ask()).status_code == 401
    refused = await door.ask(signed(claims()))
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "3")
