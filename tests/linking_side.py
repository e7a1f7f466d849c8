"""A driver API before pretend makers: who links here is whoever the token names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from aiohttp import web
from aiohttp.test_utils import TestServer
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from agents.clock import SystemClock
from agents.driver_api.api import Api, TheApi
from agents.driver_api.app import build
from agents.driver_api.identity import Verifier
from agents.driver_api.limits import Limits, Pace
from agents.driver_api.linking import Links
from agents.driver_api.links import done, refusal
from agents.driver_api.metrics import ApiMetrics
from agents.driver_api.once import Answers
from agents.driver_api.read_model import ReadModel
from agents.driver_api.session import Sessions
from agents.driver_api.writes import Wishes
from agents.linking.door import Outcome
from agents.said import Said
from agents.settings import Settings
from deploy.fakes.maker import makers, serve
from oem_connectors.errors import OemError
from oem_connectors.registry import load
from oem_connectors.simulator.cloud.car import SimCar
from oem_connectors.simulator.cloud.world import World
from streams import serde
from streams.contracts.forecast import Forecast, ForecastKind, Slot
from streams.topics import CARBON, PRICE
from tests.deliveries import FakeLog

BASE = "http://127.0.0.1:8095"
HOME = {
    "home_zone": "Europe/London", "region": "GB", "tariff": "agile", "usable_kwh": 58, "power_kw": 7.4,
    "home": "51.5007,-0.1246",
}  # fmt: skip
APPS = {
    name: dict.fromkeys(("client_id", "client_secret", "application_id", "audience", "container_id"), "made-up")
    | {"client_id": "d2ev", "client_secret": "fake-secret"}
    for name in ("tesla", "smartcar", "enode", "bmw", "simulator", "skoda")
}


class Trusting(Api):
    """Takes every token for the driver's name."""

    async def who(self, request: Request) -> str | None:
        return request.headers.get("Authorization", "").removeprefix("Bearer ") or None


class Side:
    """One instance of the driver API. `heard` is the log that it has read."""

    def __init__(self, urls: Mapping[str, str] = {}, heard: list[Said] | None = None, **settings: Any) -> None:
        told = {"oem_urls": dict(urls), "oem_apps": APPS, "partitions": 1} | settings
        self.settings, self.log, wall = Settings.model_validate(told), FakeLog(), SystemClock()
        self.read, sealer = ReadModel(self.settings), self.settings.sealer()
        self.wishes = Wishes(self.read, self.log, sealer, wall, 1)
        self.links = Links(self.settings, load(), BASE, self.read, self.wishes)
        self.api = Trusting(
            settings=self.settings,
            base_url=BASE,
            read=self.read,
            wishes=self.wishes,
            links=self.links,
            answers=Answers(self.read, self.wishes, sealer, wall),
            verifier=Verifier((), httpx.AsyncClient(), wall),
            sessions=Sessions(sealer, BASE, wall),
            limits=Limits(Pace(1000, 1000)),
            metrics=ApiMetrics(),
            clock=wall,
            wall=wall,
        )
        self.app = build(self.api, [_pages()])
        self.read.began()
        self.read.took([_published(ForecastKind.PRICE, "agile"), _published(ForecastKind.CARBON, "GB"), *(heard or [])])
        self.read.reached()

    @property
    def written(self) -> list[Said]:
        """What others read of the log."""
        return [Said(one.topic, (one.key or b"").decode(), one.value) for one in self.log.written]

    @asynccontextmanager
    async def browser(self, driver: str = "d1") -> AsyncIterator[httpx.AsyncClient]:
        """A browser of this driver's, with cookies of its own."""
        served = httpx.ASGITransport(self.app)
        headers = {"Authorization": f"Bearer {driver}"}
        async with httpx.AsyncClient(transport=served, base_url=BASE, headers=headers) as browser:
            yield browser


def moved(browser: httpx.AsyncClient, other: httpx.AsyncClient) -> None:
    """The same browser, now served by another instance or signed in as another."""
    for cookie in browser.cookies.jar:
        other.cookies.jar.set_cookie(cookie)


async def agreed(address: str, account: str, answer: str = "allow") -> Mapping[str, str]:
    """The driver at the maker's page; returns the query that the redirect brings."""
    async with httpx.AsyncClient() as maker:
        page = await maker.get(address)
        assert "Allow" in page.text, page.text
        back = await maker.post(address, data={"account": account, "answer": answer})
    assert back.status_code == 303, back.text
    return dict(httpx.URL(back.headers["Location"]).params)


def _pages() -> APIRouter:
    """The way back as data, where the product shows a page."""
    router = APIRouter()

    @router.get("/link/{oem}", response_model=None)
    async def back(request: Request, api: TheApi, oem: str) -> Response:
        driver = await api.who(request)
        assert driver is not None
        return await api.links.back(oem, request, driver, _told)

    return router


def _told(outcome: Outcome) -> Response:
    if isinstance(outcome, OemError):
        raised = refusal(outcome)
        return JSONResponse({"code": raised.code, "message": str(raised)}, raised.status)
    return JSONResponse(done(outcome).model_dump(mode="json"))


def _published(kind: ForecastKind, key: str) -> Said:
    now = datetime.now(UTC)
    unit, topic = ("GBP/kWh", PRICE) if kind is ForecastKind.PRICE else ("gCO2/kWh", CARBON)
    slot = Slot(start=now, end=now + timedelta(hours=1), value=0.2)
    made = Forecast(
        kind=kind, key=key, unit=unit, issued_at=now, source="test", known_until=slot.end, slots=(slot,),
        basis=None if kind is ForecastKind.PRICE else "average",
    )  # fmt: skip
    return Said(topic.name, key, serde.encode(made))


Make = Callable[..., Side]


@asynccontextmanager
async def instances() -> AsyncIterator[Make]:
    """Makes instances of the driver API."""
    made: list[Side] = []

    def make(*given: Any, **settings: Any) -> Side:
        made.append(Side(*given, **settings))
        return made[-1]

    yield make
    for side in made:
        await side.links.close()


@asynccontextmanager
async def maker(oem: str, accounts: int = 2, cars: int = 2) -> AsyncIterator[tuple[World, Mapping[str, str]]]:
    """A pretend maker with accounts `one` and `two`; yields its world and where it is."""
    (fake,) = makers(oem)
    there = [
        SimCar(account=account, vehicle=f"{account}-{n}", stays=(), model=fake.model or "sim-one")
        for account in ("one", "two")[:accounts]
        for n in range(cars)
    ]
    world = World(there, lambda: datetime.now(UTC))
    runner, url = await serve(fake.desk(world))
    try:
        yield world, {oem: url}
    finally:
        await runner.cleanup()


async def begun(browser: httpx.AsyncClient, oem: str, **more: Any) -> str:
    """The address that the API sends the browser to."""
    answer = await browser.post(f"/api/v1/links/{oem}", json=HOME | more)
    assert answer.status_code == 200, answer.text
    assert answer.json()["step"] == "browser"
    return str(answer.json()["address"])


async def linked(side: Side, oem: str, account: str = "one", driver: str = "d1") -> dict[str, Any]:
    """The whole way of one driver; the last page as data."""
    async with side.browser(driver) as browser:
        query = await agreed(await begun(browser, oem), account)
        page = await browser.get(f"/link/{oem}", params=query)
    return {"status": page.status_code, **page.json()}


@asynccontextmanager
async def cloud(answer: Callable[[httpx.Request], httpx.Response]) -> AsyncIterator[str]:
    """A maker of the test's own, over real HTTP."""

    async def told(request: web.Request) -> web.Response:
        said = answer(httpx.Request(request.method, str(request.url), content=await request.read()))
        return web.Response(status=said.status_code, body=said.content, content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", told)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")
