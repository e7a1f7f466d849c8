"""Drivers link their own accounts, over real HTTP at pretend makers: every way to its end, on any instance."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from streams.contracts.base import account_of
from streams.topics import DEVICE, PREFERENCE, REGISTRATION
from tests.consenting import Maker
from tests.linking_side import HOME, Make, agreed, begun, cloud, instances, linked, maker, moved

WAYS = ["simulator", "tesla", "smartcar", "enode"]


@pytest.fixture
async def instance() -> AsyncIterator[Make]:
    """Makes instances of the driver API."""
    async with instances() as make:
        yield make


@pytest.mark.parametrize("oem", WAYS)
async def test_a_driver_links_an_account_and_sees_its_cars_at_once(instance: Make, oem: str) -> None:
    async with maker(oem) as (_, urls):
        side = instance(urls)
        page = await linked(side, oem)
        assert (page["status"], [one["linked"] for one in page["cars"]]) == (200, [True, True])
        async with side.browser() as browser, side.browser("d2") as stranger:
            cars = (await browser.get("/api/v1/cars")).json()
            assert {one["car"] for one in cars} == {one["car"] for one in page["cars"]}
            assert (await stranger.get("/api/v1/cars")).json() == []
    topics = [said.source for said in side.written]
    assert topics.count(REGISTRATION.name) == topics.count(PREFERENCE.name) == 2
    assert all("one-" not in said.key for said in side.written)


@pytest.mark.parametrize("oem", WAYS)
async def test_any_instance_goes_on_with_what_another_began(instance: Make, oem: str) -> None:
    async with maker(oem) as (_, urls):
        one, other = instance(urls), instance(urls)
        async with one.browser() as browser, other.browser() as later:
            query = await agreed(await begun(browser, oem), "one")
            moved(browser, later)
            assert (await later.get(f"/link/{oem}", params=query)).status_code == 200
        assert (one.written, len(other.written)) == ([], 4)


@pytest.mark.parametrize("oem", WAYS)
async def test_linking_again_keeps_cars_and_wishes(instance: Make, oem: str) -> None:
    async with maker(oem) as (_, urls):
        side = instance(urls)
        first = await linked(side, oem)
        car = first["cars"][0]["car"]
        async with side.browser() as browser:
            await browser.patch(f"/api/v1/cars/{car}/preference", json={"target_soc_pct": 66})
        # Another instance, which knows what the log says.
        again = instance(urls, side.written)
        assert (await linked(again, oem))["cars"] == first["cars"]
        assert [said.source for said in again.written] == [REGISTRATION.name] * 2
        async with again.browser() as browser:
            assert (await browser.get(f"/api/v1/cars/{car}/preference")).json()["target_soc_pct"] == 66


@pytest.mark.parametrize(("oem", "status"), [("simulator", 200), ("tesla", 200), ("smartcar", 409), ("enode", 200)])
async def test_what_another_driver_holds_is_not_given_away(instance: Make, oem: str, status: int) -> None:
    async with maker(oem) as (_, urls):
        side = instance(urls)
        await linked(side, oem)
        before = len(side.written)
        page = await linked(side, oem, driver="d2")
        assert page["status"] == status
        assert len(side.written) == before
        told = page.get("cars", [])
        assert all((one["linked"], one["refused"]) == (False, "taken") for one in told)
        assert bool(told) is (status == 200)
        async with side.browser("d2") as thief:
            assert (await thief.get("/api/v1/cars")).json() == []
        assert (await linked(side, oem, "two", driver="d2"))["cars"][0]["linked"]


async def test_a_car_that_was_unlinked_is_anybodys_again(instance: Make) -> None:
    async with maker("simulator", cars=1) as (_, urls):
        side = instance(urls)
        (car,) = (await linked(side, "simulator"))["cars"]
        async with side.browser() as browser:
            await browser.patch(f"/api/v1/cars/{car['car']}/preference", json={"target_soc_pct": 66})
            assert (await browser.delete(f"/api/v1/cars/{car['car']}")).status_code == 204
            assert (await browser.get("/api/v1/cars")).json() == []
            assert (await linked(side, "simulator", driver="d2"))["cars"][0]["linked"]
            assert not (await linked(side, "simulator"))["cars"][0]["linked"]
        async with side.browser("d2") as other:
            (now,) = (await other.get("/api/v1/cars")).json()
            assert (now["preference"]["target_soc_pct"], now["car"] == car["car"]) == (80, False)
            await other.delete("/api/v1/me")
        (again,) = (await linked(side, "simulator"))["cars"]
        assert again == car
        async with side.browser() as browser:
            assert (await browser.get("/api/v1/cars")).json()[0]["preference"]["target_soc_pct"] == 80


async def test_two_accounts_with_one_maker_are_two_accounts(instance: Make) -> None:
    async with maker("simulator") as (_, urls):
        side = instance(urls)
        pages = [await linked(side, "simulator", account) for account in ("one", "two")]
        assert len({account_of(one["car"]) for page in pages for one in page["cars"]}) == 2


async def test_devices_of_before_are_known_to_the_new_account(instance: Make) -> None:
    async with maker("simulator") as (_, urls):
        side = instance(urls, fcm_key=SecretStr("a key file"))
        await linked(side, "simulator")
        async with side.browser() as browser:
            made = await browser.post("/api/v1/devices", json={"kind": "fcm", "token": "t" * 100})
            assert made.status_code == 201
        await linked(side, "simulator", "two")
        keys = [said.key for said in side.written if said.source == DEVICE.name]
        assert len({account_of(key) for key in keys}) == len(keys) == 2


async def test_the_words_are_in_the_drivers_language_from_the_first_moment(instance: Make) -> None:
    async with maker("simulator", cars=1) as (_, urls):
        side = instance(urls)
        async with side.browser() as browser:
            query = await agreed(await begun(browser, "simulator", language="de"), "one")
            await browser.get("/link/simulator", params=query)
            (car,) = (await browser.get("/api/v1/cars")).json()
        assert car["preference"]["language"] == "de"


# Ways without a redirect


async def test_a_code_is_typed_in_while_instances_take_turns(instance: Make) -> None:
    bmw = Maker(cars=[{"vin": "WBASYNTHETIC00001", "mappingType": "PRIMARY"}])
    async with cloud(bmw) as url:
        sides = [instance({"bmw": url}), instance({"bmw": url})]
        async with sides[0].browser() as one, sides[1].browser() as other, sides[1].browser("d2") as stranger:
            step = (await one.post("/api/v1/links/bmw", json=HOME)).json()
            assert (step["step"], step["user_code"], step["wait_seconds"]) == ("code", "AB-12", 5)
            stolen = await stranger.post("/api/v1/links/bmw/code", json={"ticket": step["ticket"]})
            assert (stolen.status_code, stolen.json()["error"]["code"]) == (403, "other_driver")
            waits = []
            for browser in (other, one, other):
                step = (await browser.post("/api/v1/links/bmw/code", json={"ticket": step["ticket"]})).json()
                waits.append(step.get("wait_seconds"))
        assert waits == [5, 10, None]
        assert (step["step"], [one["linked"] for one in step["cars"]]) == ("done", [True])
        assert step["cars"][0]["advice_only"]


@pytest.mark.parametrize("ticket", ["", "made.up", "v2.00000000.AAAA"])
async def test_a_ticket_of_nobodys_is_none(instance: Make, ticket: str) -> None:
    async with instance().browser() as browser:
        assert (await browser.post("/api/v1/links/bmw/code", json={"ticket": ticket})).status_code == 422


async def test_a_token_that_the_driver_brings_links_at_once_what_can_be_charged(instance: Make) -> None:
    enyaq = {"vin": "TMBSYNTHETIC00001", "specification": {"title": "Enyaq", "systemModelId": "5AZJJ2"}}

    def skoda(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if "refresh-token" in path:
            good = b"rt-1" in request.content
            answer: Any = {"accessToken": "at", "refreshToken": "rt-2"} if good else {"error": "invalid_grant"}
            return httpx.Response(200 if good else 400, json=answer)
        return httpx.Response(200, json=enyaq if path.endswith("00001") else {"vehicles": [enyaq]})

    async with cloud(skoda) as url:
        side = instance({"skoda": url})
        async with side.browser() as browser:
            bad = await browser.post("/api/v1/links/skoda", json=HOME | {"token": "another"})
            assert bad.status_code >= 400
            assert side.written == []
            good = (await browser.post("/api/v1/links/skoda", json=HOME | {"token": "rt-1"})).json()
    assert (good["step"], [one["linked"] for one in good["cars"]]) == ("done", [True])
    assert "rt-" not in str(good)
