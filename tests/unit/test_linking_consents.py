"""Consents under way, carried by browsers: finished by any process, and by nobody and in no way but the right one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.linking import door
from agents.linking.begun import MOST, Begun, opened
from agents.linking.door import COOKIE, Door, Outcome
from agents.linking.invitation import Invitation
from agents.linking.linker import Waiting
from agents.linking.refused import Refused, code_of
from agents.sealing import Sealer
from oem_connectors.errors import NeedsConsent, OemError
from tests.consenting import BACK, INVITED, NOW, SEALER, Desk, Maker, desk

OTHER = INVITED.model_copy(update={"driver": "d2", "account": "acct8"})


async def test_another_process_finishes_what_one_began() -> None:
    one, other = desk(), desk()
    carried, query = await one.begun()
    other.maker.codes = one.maker.codes
    assert await other.back("volvo", carried, query) == other.written
    assert len(other.written) == 2


@pytest.mark.parametrize(
    ("change", "code", "reason"),
    [
        pytest.param({"carried": ""}, "not_begun", "not begun in this browser", id="no cookie"),
        pytest.param({"carried": "v2.made.up"}, "not_begun", "not begun in this browser", id="a cookie of no key"),
        pytest.param({"oem": "tesla"}, "not_begun", "not begun in this browser", id="another maker"),
        pytest.param({"driver": "d2"}, "other_driver", "begun by somebody else", id="another driver meanwhile"),
        pytest.param({"later": 601}, "expired", "too long", id="too late"),
        pytest.param({"state": "guessed"}, "other_tab", "begun last", id="a state nobody gave"),
        pytest.param({"state": ""}, "other_tab", "begun last", id="no state"),
        pytest.param({"code": ""}, "refused", "brings no code", id="no code"),
        pytest.param({"code": "stolen"}, "not_agreed", "invalid_grant", id="a code of someone else"),
        pytest.param({"iss": "https://evil.test"}, "refused", "another issuer", id="another issuer"),
        pytest.param({"error": "access_denied"}, "not_agreed", "the driver did not agree", id="the driver says no"),
        pytest.param({"error": "<script>"}, "not_agreed", "the maker gave no reason", id="an odd word"),
    ],
)
async def test_nothing_is_linked(change: dict[str, Any], code: str, reason: str) -> None:
    at = desk()
    carried, query = await at.begun()
    at.wall.seen(NOW + timedelta(seconds=change.pop("later", 0)))
    carried, oem, driver = change.pop("carried", carried), change.pop("oem", "volvo"), change.pop("driver", "d1")
    with pytest.raises(OemError, match=reason) as raised:
        await at.back(oem, carried, query | change, driver)
    assert code_of(raised.value) == code
    assert at.written == []


async def test_ten_minutes_are_enough() -> None:
    at = desk()
    carried, query = await at.begun()
    at.wall.seen(NOW + timedelta(seconds=600))
    assert await at.back("volvo", carried, query)


async def test_an_issuer_that_is_the_makers_is_good() -> None:
    at = desk()
    carried, query = await at.begun()
    assert await at.back("volvo", carried, query | {"iss": "https://volvoid.eu.volvocars.com"})


async def test_a_code_is_good_once_whatever_the_browser_keeps() -> None:
    at = desk()
    carried, query = await at.begun()
    await at.back("volvo", carried, query)
    with pytest.raises(NeedsConsent, match="invalid_grant"):
        await at.back("volvo", carried, query)
    assert len(at.written) == 2


async def test_another_verifier_is_refused_by_the_maker() -> None:
    at = desk()
    carried, query = await at.begun()
    begun = opened(carried, "volvo", SEALER).model_copy(update={"verifier": "w" * 64})
    with pytest.raises(NeedsConsent, match="invalid_grant"):
        await at.linker.finish(begun, query)


@given(place=st.integers(0, 10_000), other=st.characters(codec="ascii", categories=["L", "Nd"]))
def test_a_cookie_that_was_changed_anywhere_is_none(place: int, other: str) -> None:
    carried = _begun().sealed(SEALER)
    at = place % len(carried)
    changed = carried[:at] + other + carried[at + 1 :]
    try:
        found = opened(changed, "volvo", SEALER)
    except Refused:
        return
    assert found == _begun()  # bits of the last character that stand for nothing


def test_a_retired_key_still_opens_and_a_strangers_does_not() -> None:
    carried = _begun().sealed(SEALER)
    assert opened(carried, "volvo", Sealer(b"n" * 32, [b"k" * 32])) == _begun()
    with pytest.raises(Refused, match="not begun"):
        opened(carried, "volvo", Sealer(b"n" * 32))


def test_what_is_carried_fits_a_cookie_tells_nothing_and_comes_back_whole() -> None:
    carried = _begun(details={f"name{n}": "x" * 100 for n in range(12)}).sealed(SEALER)
    assert len(carried) <= MOST
    assert set(carried) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~.")
    home = opened(carried, "volvo", SEALER).invitation.home
    assert home is not None
    assert home.get_secret_value() == "51.5,-0.12"
    assert "51.5" not in repr(_begun())
    assert "verifier-of" not in repr(_begun())
    with pytest.raises(Refused, match="too long") as raised:
        _begun(details={"one": "x" * MOST}).sealed(SEALER)
    assert raised.value.code == "too_long"


# Codes that are typed in elsewhere


async def test_a_ticket_is_asked_about_by_any_process_as_slowly_as_the_maker_wants() -> None:
    one, other = desk(_bmw()), desk(_bmw())
    first = await one.linker.begin_code("bmw", INVITED)
    second = await other.linker.ask_code("bmw", first.ticket, "d1")
    assert isinstance(second, Waiting)
    third = await other.linker.ask_code("bmw", second.ticket, "d1")
    assert isinstance(third, Waiting)
    assert [one.interval.total_seconds() for one in (first, second, third)] == [5, 5, 10]
    (offer,) = await _cars(other, third.ticket)
    assert other.written == [offer]


@pytest.mark.parametrize(
    ("driver", "later", "code"),
    [("d2", 0, "other_driver"), ("d1", 61, "expired")],
)
async def test_a_ticket_is_for_its_driver_and_its_time(driver: str, later: int, code: str) -> None:
    at = desk(_bmw())
    waiting = await at.linker.begin_code("bmw", INVITED)
    at.wall.seen(NOW + timedelta(seconds=later))
    with pytest.raises(Refused) as raised:
        await at.linker.ask_code("bmw", waiting.ticket, driver)
    assert raised.value.code == code


async def test_the_cookie_of_a_browser_is_no_ticket_that_names_a_code() -> None:
    at = desk()
    carried, _ = await at.begun()
    with pytest.raises(OemError):
        await at.linker.ask_code("volvo", carried, "d1")
    assert at.written == []


# The door


@dataclass
class Street:
    """A browser before the door of one invitation; what its process was told."""

    at: Desk
    told: list[Outcome] = field(default_factory=list)

    @asynccontextmanager
    async def browser(self, invitation: Invitation = INVITED, base: str = "http://127.0.0.1") -> AsyncIterator[Any]:
        """One browser, with cookies of its own."""
        way = Door(self.at.linker, lambda oem: f"{base}/link/{oem}")
        served = httpx.ASGITransport(door.app(way, invitation, self.told.append))
        async with httpx.AsyncClient(transport=served, base_url=base) as browser:
            yield browser

    async def sent(self, browser: httpx.AsyncClient) -> Mapping[str, str]:
        """Begin, and log in at the maker."""
        start = await browser.get("/link/volvo/start")
        assert start.status_code == 303
        query: Mapping[str, str] = self.at.maker.login(start.headers["Location"])
        return query


async def test_a_browser_walks_through() -> None:
    street = Street(desk())
    async with street.browser() as browser:
        page = await browser.get("/link/volvo", params=await street.sent(browser))
        assert page.status_code == 200
        assert page.text.count("linked") == 2
        assert "rt-1" not in page.text
        assert page.headers["Content-Security-Policy"] == "default-src 'none'"
        assert COOKIE not in browser.cookies
    assert street.told == [street.at.written]


async def test_a_second_browser_cannot_take_its_place() -> None:
    street = Street(desk())
    async with street.browser() as browser, street.browser() as thief:
        query = await street.sent(browser)
        stolen = await thief.get("/link/volvo", params=query)
        assert (stolen.status_code, street.at.written) == (400, [])
        await street.sent(thief)
        stolen = await thief.get("/link/volvo", params=query)
        assert (stolen.status_code, street.at.written) == (400, [])
        assert (await browser.get("/link/volvo", params=query)).status_code == 200


async def test_of_two_tabs_the_one_that_began_last_goes_on() -> None:
    street = Street(desk())
    async with street.browser() as browser:
        first = await street.sent(browser)
        second = await street.sent(browser)
        early = await browser.get("/link/volvo", params=first)
        assert "begun last" in early.text
        assert (await browser.get("/link/volvo", params=second)).status_code == 200


async def test_a_page_that_is_loaded_again_links_nothing_twice() -> None:
    street = Street(desk())
    async with street.browser() as browser:
        query = await street.sent(browser)
        await browser.get("/link/volvo", params=query)
        again = await browser.get("/link/volvo", params=query)
        assert "was used" in again.text
    assert len(street.at.written) == 2


async def test_a_driver_who_refuses_has_to_begin_again() -> None:
    street = Street(desk())
    async with street.browser() as browser:
        query = await street.sent(browser)
        no = await browser.get("/link/volvo", params={"error": "access_denied", "state": query["state"]})
        assert "the driver did not agree" in no.text
        assert COOKIE not in browser.cookies


async def test_while_the_maker_is_down_the_page_can_be_loaded_again() -> None:
    maker, up = Maker(), False

    def cloud(request: httpx.Request) -> httpx.Response:
        return maker(request) if up else httpx.Response(503)

    at = desk(cloud)
    at.maker = maker
    street = Street(at)
    async with street.browser() as browser:
        query = await street.sent(browser)
        assert (await browser.get("/link/volvo", params=query)).status_code == 400
        assert COOKIE in browser.cookies
        up = True
        assert (await browser.get("/link/volvo", params=query)).status_code == 200


@pytest.mark.parametrize(("base", "secure"), [("http://127.0.0.1", False), ("https://d2ev.example", True)])
async def test_the_cookie_is_for_this_way_back_only(base: str, secure: bool) -> None:
    async with Street(desk()).browser(base=base) as browser:
        cookie = (await browser.get("/link/volvo/start")).headers["Set-Cookie"]
    assert {"HttpOnly", "Path=/link/volvo", "SameSite=lax", "Max-Age=600"} <= set(cookie.split("; "))
    assert ("Secure" in cookie) is secure


async def test_a_maker_that_nobody_knows_is_no_way() -> None:
    async with Street(desk()).browser() as browser:
        assert (await browser.get("/link/nobody/start")).status_code == 502


def _begun(**more: Any) -> Begun:
    invitation = INVITED.model_copy(update=more)
    return Begun(
        oem="volvo", invitation=invitation, until=NOW, verifier="verifier-of-64-characters" + "v" * 39,
        redirect_uri=BACK, state="s" * 64,
    )  # fmt: skip


def _bmw() -> Maker:
    return Maker(cars=[{"vin": "WBASYNTHETIC00001", "mappingType": "PRIMARY"}])


async def _cars(at: Desk, ticket: str) -> list[Any]:
    found = await at.linker.ask_code("bmw", ticket, "d1")
    assert isinstance(found, list)
    return found
