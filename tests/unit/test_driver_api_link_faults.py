"""Linking that must not work, what there is to link, and what is told of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from agents.driver_api.book import Kept
from agents.driver_api.linking import PACE
from agents.said import Said
from streams.topics import REGISTRATION
from tests.linking_side import HOME, Make, agreed, begun, instances, maker, moved


@pytest.fixture
async def instance() -> AsyncIterator[Make]:
    """Makes instances of the driver API."""
    async with instances() as make:
        yield make


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        pytest.param("deny", 409, "not_agreed", id="the driver refuses"),
        pytest.param("no cookie", 422, "not_begun", id="the cookie did not come"),
        pytest.param("other browser", 422, "other_tab", id="begun in another browser"),
        pytest.param("other driver", 403, "other_driver", id="somebody else signed in meanwhile"),
        pytest.param("replayed", 422, "not_begun", id="loaded again"),
        pytest.param("replayed with its cookie", 409, "not_agreed", id="the code was used"),
        pytest.param("first of two tabs", 422, "other_tab", id="two tabs"),
        pytest.param("state", 422, "other_tab", id="another state"),
        pytest.param("down", 503, "maker_down", id="the maker is down"),
    ],
)
async def test_nothing_is_linked(instance: Make, fault: str, status: int, code: str) -> None:
    async with maker("simulator") as (_, urls):
        side = instance(urls)
        async with side.browser() as browser, side.browser("d2" if fault == "other driver" else "d1") as other:
            query = dict(await agreed(await begun(browser, "simulator"), "one", "deny" if fault == "deny" else "allow"))
            comes, expected = browser, 0
            if fault == "state":
                query["state"] = "guessed"
            if fault in {"no cookie", "other driver", "other browser"}:
                comes = other
            if fault == "other driver":
                moved(browser, other)
            if fault == "other browser":
                await begun(other, "simulator")
            if fault == "first of two tabs":
                await begun(browser, "simulator")
            if fault.startswith("replayed"):
                moved(browser, other)
                comes, expected = other if "cookie" in fault else browser, 4
                await browser.get("/link/simulator", params=query)
            if fault == "down":
                side.links._linker._consents["simulator"]._wire._hosts = {"auth": "http://127.0.0.1:9", "api": "x"}
            page = await comes.get("/link/simulator", params=query)
    assert (page.status_code, page.json()["code"]) == (status, code)
    assert len(side.written) == expected


@pytest.mark.parametrize(
    ("oem", "change", "status", "code"),
    [
        ("nobody", {}, 404, "unknown_maker"),
        ("volvo", {}, 404, "unknown_maker"),
        ("simulator", {"region": "Mars"}, 422, "refused"),
        ("simulator", {"tariff": "Mars"}, 422, "refused"),
        ("simulator", {"home_zone": "Mars"}, 422, "invalid"),
        ("simulator", {"home": "91,0"}, 422, "invalid"),
        ("simulator", {"usable_kwh": 0}, 422, "invalid"),
        ("simulator", {"details": {"user_id": "somebody"}}, 422, "refused"),
        ("simulator", {"driver": "d2"}, 422, "invalid"),
        ("simulator", {"account": "d2s"}, 422, "invalid"),
        ("simulator", {"token": "t"}, 422, "invalid"),
        ("skoda", {}, 422, "invalid"),
        ("skoda", {"token": "t", "details": {"home": "0,0"}}, 422, "refused"),
    ],
)
async def test_what_cannot_be_begun(instance: Make, oem: str, change: dict[str, Any], status: int, code: str) -> None:
    side = instance()
    async with side.browser() as browser:
        answer = await browser.post(f"/api/v1/links/{oem}", json=HOME | change)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert "set-cookie" not in answer.headers
    assert "somebody" not in answer.text


async def test_nobody_links_who_is_not_signed_in(instance: Make) -> None:
    async with instance().browser() as browser:
        del browser.headers["Authorization"]
        asked = [browser.get("/api/v1/links"), browser.post("/api/v1/links/simulator", json=HOME)]
        asked.append(browser.post("/api/v1/links/bmw/code", json={"ticket": "t"}))
        assert [(await one).status_code for one in asked] == [401] * 3


async def test_no_driver_uses_up_what_makers_allow_us(instance: Make) -> None:
    side = instance()
    async with side.browser() as browser, side.browser("d2") as other:
        answers = [await browser.post("/api/v1/links/bmw/code", json={"ticket": "t"}) for _ in range(PACE.at_once + 1)]
        assert [one.status_code for one in answers] == [422] * PACE.at_once + [429]
        assert int(answers[-1].headers["Retry-After"]) >= 1
        assert (await other.post("/api/v1/links/bmw/code", json={"ticket": "t"})).status_code == 422


async def test_while_kafka_is_down_nothing_is_linked_and_nothing_is_shown(instance: Make) -> None:
    async with maker("simulator") as (_, urls):
        side = instance(urls)
        async with side.browser() as browser:
            query = await agreed(await begun(browser, "simulator"), "one")
            side.log.down = True
            assert (await browser.get("/link/simulator", params=query)).status_code == 503
            assert (await browser.get("/api/v1/cars")).json() == []


# What there is


async def test_what_can_be_linked_is_what_is_set_up_here(instance: Make) -> None:
    async with instance().browser() as browser:
        told = (await browser.get("/api/v1/links")).json()
    ways = {one["oem"]: (one["way"], one["asks"]) for one in told["makers"]}
    assert ways == {
        "bmw": ("device", []), "enode": ("hosted", []), "simulator": ("code", []), "skoda": ("token", []),
        "smartcar": ("connect", []), "tesla": ("code", []),
    }  # fmt: skip
    assert (told["regions"], told["tariffs"]) == (["GB"], ["agile"])


async def test_a_maker_that_the_operator_has_not_named_is_not_offered(instance: Make) -> None:
    side = instance(oem_apps={"skoda": {}, "tesla": {"client_id": "d2ev"}})
    async with side.browser() as browser:
        told = (await browser.get("/api/v1/links")).json()
        assert [one["oem"] for one in told["makers"]] == ["skoda"]
        assert (await browser.post("/api/v1/links/tesla", json=HOME)).status_code == 404


async def test_in_production_nobody_links_a_pretence(instance: Make) -> None:
    side = instance(env="production", replication=3, seal_key="q3x0Uo0m6K0v1fV5b9nJ2yQeT7dLr8sWc4hZpXaGiEY=")
    async with side.browser() as browser:
        told = (await browser.get("/api/v1/links")).json()
        assert "simulator" not in {one["oem"] for one in told["makers"]}
        assert (await browser.post("/api/v1/links/simulator", json=HOME)).status_code == 404


async def test_what_the_browser_carries_and_hears_tells_nothing(instance: Make) -> None:
    async with maker("simulator", cars=1) as (_, urls):
        side = instance(urls)
        async with side.browser() as browser:
            address = await begun(browser, "simulator")
            (cookie,) = [one.value for one in browser.cookies.jar]
            page = await browser.get("/link/simulator", params=await agreed(address, "one"))
    for text in (cookie, address, page.text, str(page.headers)):
        assert "51.5" not in str(text)
        assert "one-0" not in str(text)
        assert "rt-" not in str(text)


async def test_the_book_names_nobody_for_a_car_that_was_erased(instance: Make) -> None:
    side = instance(heard=[Said(REGISTRATION.name, "a.b", None)])
    assert side.read.book.cars.get("a.b", Kept()) == Kept()
    assert side.links._holders("simulator", "b") == []
