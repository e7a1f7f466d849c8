"""The consent page of the simulated maker, as strict as a real one: who asks, with which proof, once."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from hashlib import sha256

import httpx
import pytest
from aiohttp.test_utils import TestServer

from oem_connectors.simulator.cloud.car import SimCar
from oem_connectors.simulator.cloud.server import make_app
from oem_connectors.simulator.cloud.world import World

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
VERIFIER = "v" * 64
ASKED = {
    "redirect_uri": "http://127.0.0.1:1/link/simulator",
    "client_id": "d2ev",
    "state": "s1",
    "code_challenge": urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode(),
}
EXCHANGE = {"grant_type": "authorization_code", "client_id": "d2ev", "code_verifier": VERIFIER}
EXCHANGE["redirect_uri"] = ASKED["redirect_uri"]


@pytest.fixture
async def browser() -> AsyncIterator[httpx.AsyncClient]:
    cars = [SimCar(account=account, vehicle="v", stays=()) for account in ("one", "<two>")]
    server = TestServer(make_app(World(cars, lambda: NOW)))
    async with server, httpx.AsyncClient() as client:
        client.base_url = str(server.make_url("/"))
        yield client


async def code(browser: httpx.AsyncClient) -> str:
    back = await browser.post("/oauth/authorize", params=ASKED, data={"account": "one", "answer": "allow"})
    assert back.headers["Location"].startswith(ASKED["redirect_uri"])
    told = httpx.URL(back.headers["Location"]).params
    assert told["state"] == "s1"
    return str(told["code"])


async def test_a_code_becomes_tokens_of_the_account_once(browser: httpx.AsyncClient) -> None:
    form = EXCHANGE | {"code": await code(browser)}
    tokens = (await browser.post("/oauth/token", data=form)).json()
    speaking = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert (await browser.get("/v1/vehicles", headers=speaking)).json()["vehicles"] == [{"id": "v", "model": "sim-one"}]
    again = await browser.post("/oauth/token", data=form)
    assert (again.status_code, again.json()) == (400, {"error": "invalid_grant"})


@pytest.mark.parametrize(
    "change",
    [
        {"code": "guessed"},
        {"code_verifier": "w" * 64},
        {"code_verifier": ""},
        {"redirect_uri": "http://127.0.0.1:2/link/simulator"},
        {"client_id": "another"},
    ],
)
async def test_a_code_is_for_whoever_asked(browser: httpx.AsyncClient, change: dict[str, str]) -> None:
    form = EXCHANGE | {"code": await code(browser)}
    refused = await browser.post("/oauth/token", data=form | change)
    assert (refused.status_code, refused.json()) == (400, {"error": "invalid_grant"})


@pytest.mark.parametrize(
    "change",
    [
        {"redirect_uri": "https://evil.test/"},
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": ""},
        {"state": ""},
        {"client_id": ""},
    ],
)
async def test_nobody_is_sent_elsewhere(browser: httpx.AsyncClient, change: dict[str, str]) -> None:
    asked = ASKED | change
    assert (await browser.get("/oauth/authorize", params=asked)).status_code == 400
    sent = await browser.post("/oauth/authorize", params=asked, data={"account": "one", "answer": "allow"})
    assert sent.status_code == 400


async def test_a_driver_may_refuse_and_must_be_one(browser: httpx.AsyncClient) -> None:
    denied = await browser.post("/oauth/authorize", params=ASKED, data={"account": "one", "answer": "deny"})
    assert dict(httpx.URL(denied.headers["Location"]).params) == {"error": "access_denied", "state": "s1"}
    nobody = await browser.post("/oauth/authorize", params=ASKED, data={"account": "three", "answer": "allow"})
    assert nobody.status_code == 400


async def test_the_page_shows_what_it_is_given_as_text(browser: httpx.AsyncClient) -> None:
    page = await browser.get("/oauth/authorize", params=ASKED | {"state": '"><script>'})
    assert "&lt;two&gt;" in page.text
    assert "<script" not in page.text
