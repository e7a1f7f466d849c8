"""Asking a source over HTTP: every way an answer can go wrong has its error, and no key is ever told."""

import asyncio
import gzip
import logging
import re
import traceback
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from aiohttp import web
from pydantic import SecretStr

from agents.feeds import client as module
from agents.feeds.client import MAX_BODY, MAX_PAGES, FeedClient
from agents.feeds.source import Denied, Down, FeedError, NotPublished, Refused, Slow
from agents.feeds.sources import SOURCES
from oem_connectors.http import make_http
from tests.feeding import HALF_HOUR, Reply, Scripted, octopus, serving

NOW = datetime(2026, 3, 27, 15, tzinfo=UTC)
START, END = NOW - timedelta(hours=16), NOW + timedelta(hours=32)
OCTOPUS = SOURCES["octopus"]
ASKED = OCTOPUS.asked({"product": "AGILE-24-10-01", "tariff": "E-1R-AGILE-24-10-01-C"}, START, END)
SECRET = "8d1f-never-to-be-seen"
KEYS = {"api_key": SecretStr(SECRET), "username": SecretStr("someone"), "password": SecretStr(SECRET)}


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with make_http() as made:
        yield made


async def cut_off(request: web.Request) -> web.StreamResponse:
    """Half of what was announced."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"results": [')
    assert request.transport is not None
    request.transport.close()
    return response


async def endless(request: web.Request) -> web.StreamResponse:
    """More than anybody asked for."""
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(MAX_BODY // 65536 + 8):
        await response.write(b" " * 65536)
    return response


async def dawdling(_request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(30)
    return web.Response()


WHOLE = octopus(START, [20.0] * 96)
CASES: dict[str, tuple[Reply, type[FeedError], str]] = {
    "5xx": (Reply(b"oops", 503), Down, "HTTP 503"),
    "429": (Reply(b"", 429, {"Retry-After": "120"}), Slow, "too many requests"),
    "401": (Reply(b"", 401), Denied, "HTTP 401"),
    "404": (Reply(b"", 404), Refused, "HTTP 404"),
    "204": (Reply(b"", 204), NotPublished, "HTTP 204"),
    "html": (Reply(b"<html>maintenance</html>", headers={"Content-Type": "text/html"}), Refused, "not JSON"),
    "truncated json": (Reply(b'{"count": 1, "results": [{"value_inc'), Refused, "not JSON"),
    "cut off": (Reply(sends=cut_off), Down, "no answer"),
    "redirect": (Reply(b"", 302, {"Location": "https://elsewhere.example/"}), Refused, "HTTP 302"),
    "too large": (Reply(sends=endless), Refused, "larger than 4 MiB"),
    "bomb": (
        Reply(gzip.compress(b" " * (MAX_BODY + 1)), headers={"Content-Encoding": "gzip"}), Refused, "larger than 4 MiB",
    ),
    "not a number": (Reply(octopus(START, [float("nan")])), Refused, "NaN"),
    "a text": (Reply(octopus(START, [20.0]) | {"results": [{"value_inc_vat": "20"}]}), Refused, "value_inc_vat"),
    "two values": (
        Reply({"next": None, "results": octopus(START, [20.0])["results"] + octopus(START, [21.0])["results"]}),
        Refused, "two values for",
    ),
    "another day": (Reply(octopus(START - timedelta(days=9), [20.0] * 48)), NotPublished, "nothing is published"),
    "empty": (Reply(octopus(START, [])), NotPublished, "nothing is published"),
    "price per MWh": (Reply(octopus(START, [250_000.0])), Refused, "absurd"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
async def test_what_goes_wrong_has_its_error(case: str, http: httpx.AsyncClient) -> None:
    reply, kind, why = CASES[case]
    async with serving(reply) as source:
        with pytest.raises(kind, match=re.escape(why)) as caught:
            await FeedClient(OCTOPUS, http, source.base).ask(ASKED, NOW)
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)
    assert source.base not in str(caught.value)
    assert len(source.asked) == 1, "no redirect is followed and nothing is asked twice"


@pytest.mark.parametrize("status", [429, 503])
async def test_the_sources_own_wish_is_kept(status: int, http: httpx.AsyncClient) -> None:
    async with serving(Reply(b"", status, {"Retry-After": "120"})) as source:
        with pytest.raises(Slow) as caught:
            await FeedClient(OCTOPUS, http, source.base).ask(ASKED, NOW)
    assert caught.value.retry_after == timedelta(minutes=2)


async def test_nobody_there_is_down(http: httpx.AsyncClient) -> None:
    with pytest.raises(Down, match="no answer: Connect"):
        await FeedClient(OCTOPUS, http, "http://127.0.0.1:9").ask(ASKED, NOW)


async def test_slow_is_down(http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TIMEOUT", {"connect": 1.0, "write": 1.0, "pool": 1.0, "read": 0.1})
    async with serving(Reply(sends=dawdling)) as source:
        with pytest.raises(Down, match="no answer: ReadTimeout"):
            await FeedClient(OCTOPUS, http, source.base).ask(ASKED, NOW)


async def test_a_round_has_a_time_limit(http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ROUND_SECONDS", 0.2)
    async with serving(Reply(sends=dawdling)) as source:
        with pytest.raises(Down, match="no whole answer"):
            await FeedClient(OCTOPUS, http, source.base).ask(ASKED, NOW)


async def test_pages_are_followed_as_they_are_told(http: httpx.AsyncClient) -> None:
    async with serving(Reply()) as source:
        later = START + 48 * HALF_HOUR
        more = f"{source.base}/v1/products/AGILE-24-10-01/x/?page=2&page_size=48"
        source.replies = [Reply(octopus(later, [30.0] * 48, more=more)), Reply(octopus(START, [20.0] * 48))]
        curve = await FeedClient(OCTOPUS, http, source.base).ask(ASKED, NOW)
        first, second = source.asked
    assert second.path_qs == "/v1/products/AGILE-24-10-01/x/?page=2&page_size=48"
    assert first.query["page_size"] == "1500"
    assert first.headers["User-Agent"].startswith("d2ev")
    assert [slot.value for slot in curve.slots] == [0.2] * 48 + [0.3] * 48


@pytest.mark.parametrize(
    "more", ["https://elsewhere.example/v1/products/x", "{base}.evil.example/v1/products/x", "{base}@evil/v1/products/"]
)
async def test_pages_elsewhere_are_refused(more: str, http: httpx.AsyncClient) -> None:
    async with serving(Reply()) as source:
        source.replies = [Reply(octopus(START, [20.0], more=more.format(base=source.base)))]
        with pytest.raises(Refused, match="another host"):
            await FeedClient(OCTOPUS, http, source.base).ask(ASKED, NOW)
        assert len(source.asked) == 1


async def test_no_source_can_send_us_elsewhere(http: httpx.AsyncClient) -> None:
    astray = replace(OCTOPUS, following=lambda _body, base: f"{base}.evil.example/v1/x")
    async with serving(Reply(WHOLE)) as source:
        with pytest.raises(Refused, match="another host"):
            await FeedClient(astray, http, source.base).ask(ASKED, NOW)
        assert len(source.asked) == 1


async def test_pages_end(http: httpx.AsyncClient) -> None:
    async with serving(Reply()) as source:
        source.replies = [Reply(octopus(START, [20.0], more=f"{source.base}/v1/products/again"))]
        with pytest.raises(Refused, match=f"more than {MAX_PAGES} pages"):
            await FeedClient(OCTOPUS, http, source.base).ask(ASKED, NOW)
        assert len(source.asked) == MAX_PAGES + 1


ENTSOE = SOURCES["entsoe"]
BE = ENTSOE.asked({"area": "10YBE----------2"}, START, END)
NO_DATA = b"""<Acknowledgement_MarketDocument><Reason><code>999</code>
<text>No matching data found for Data item</text></Reason></Acknowledgement_MarketDocument>"""


@pytest.mark.parametrize("reply", [Reply(NO_DATA, 400), Reply(b"", 500), Reply(sends=cut_off), Reply(b"<x", 200)])
async def test_a_key_is_sent_and_never_told(
    reply: Reply, http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving(reply) as source:
        asker = FeedClient(ENTSOE, http, source.base, KEYS)
        with pytest.raises(FeedError) as caught:
            await asker.ask(BE, NOW)
        assert source.asked[0].query["securityToken"] == SECRET
    told = "".join(traceback.format_exception(caught.value)) + caplog.text + repr(asker) + repr(caught.value.__dict__)
    assert SECRET not in told
    error: BaseException | None = caught.value
    while error is not None:
        assert not isinstance(error, httpx.HTTPError), "it would hold the request with its address"
        error = error.__cause__ or error.__context__


async def test_a_missing_key_is_told_before_anything_is_sent(http: httpx.AsyncClient) -> None:
    async with serving(Reply(NO_DATA, 400)) as source:
        with pytest.raises(Denied, match="api_key is missing: D2EV_FEED_KEYS"):
            await FeedClient(ENTSOE, http, source.base).ask(BE, NOW)
        assert source.asked == []


WATTTIME = SOURCES["watttime"]
CAISO = WATTTIME.asked({"region": "CAISO_NORTH"}, NOW, NOW + timedelta(hours=1))


def moer(value: float) -> dict[str, Any]:
    points = [{"point_time": (NOW + n * timedelta(minutes=5)).isoformat(), "value": value} for n in range(12)]
    meta = {
        "data_point_period_seconds": 300, "region": "CAISO_NORTH", "units": "lbs_co2_per_mwh",
        "signal_type": "co2_moer", "generated_at": NOW.isoformat(), "warnings": [],
    }  # fmt: skip
    return {"data": points, "meta": meta}


def door(request: web.Request) -> dict[str, Any]:
    """A login, and a forecast for who has its token."""
    if request.path == "/login":
        assert request.headers["Authorization"].startswith("Basic ")
        return {"token": "t-1"}
    assert request.headers["Authorization"] == "Bearer t-1"
    return moer(1000.0)


def logins(source: Scripted) -> int:
    return sum(request.path == "/login" for request in source.asked)


async def test_one_login_serves_while_it_lasts(http: httpx.AsyncClient) -> None:
    async with serving(Reply(door)) as source:
        asker = FeedClient(WATTTIME, http, source.base, KEYS)
        for minutes in (0, 10, 23):
            curve = await asker.ask(CAISO, NOW + timedelta(minutes=minutes))
        assert curve.basis == "marginal"
        assert curve.slots[0].value == pytest.approx(453.59237)
        assert logins(source) == 1
        await asker.ask(CAISO, NOW + timedelta(minutes=24))
        assert logins(source) == 2


async def test_a_token_that_is_refused_is_not_used_again(http: httpx.AsyncClient) -> None:
    async with serving(Reply(door), Reply(b"", 401), Reply(door)) as source:
        asker = FeedClient(WATTTIME, http, source.base, KEYS)
        with pytest.raises(Denied):
            await asker.ask(CAISO, NOW)
        await asker.ask(CAISO, NOW)
        assert logins(source) == 2


async def test_one_day_may_be_there_and_the_other_not_yet(http: httpx.AsyncClient) -> None:
    nordpool = SOURCES["nordpool"]
    asked = nordpool.asked({"area": "SE3"}, START, END)

    def day(request: web.Request) -> Any:
        start = datetime.fromisoformat(request.query["date"]).replace(tzinfo=UTC) - timedelta(hours=1)
        hours = [start + n * timedelta(hours=1) for n in range(24)]
        return {
            "deliveryDateCET": request.query["date"], "updatedAt": NOW.isoformat(), "currency": "EUR",
            "areaStates": [{"state": "Final", "areas": ["SE3"]}],
            "multiAreaEntries": [
                {"deliveryStart": at.isoformat(), "deliveryEnd": (at + timedelta(hours=1)).isoformat(),
                 "entryPerArea": {"SE3": 50.0}} for at in hours
            ],
        }  # fmt: skip

    async with serving(Reply(day), Reply(b"", 204)) as source:
        curve = await FeedClient(nordpool, http, source.base).ask(asked, NOW)
        assert len(source.asked) > 1
    assert len(curve.slots) == 24
    assert curve.slots[0].value == 0.05


async def test_a_defect_in_reading_is_a_refusal(http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Any:
        raise KeyError(SECRET)

    monkeypatch.setitem(OCTOPUS.__dict__, "parse", broken)
    async with serving(Reply(WHOLE)) as source:
        with pytest.raises(Refused, match="cannot be read: KeyError") as caught:
            await FeedClient(OCTOPUS, http, source.base).ask(ASKED, NOW)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
