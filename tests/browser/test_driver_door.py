"""The driver's door in a real Chromium: in by the issuer, out by the form, and no way in through another page."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from playwright.async_api import BrowserContext, async_playwright, expect
from pydantic import SecretStr

from agents.issuer import Issuer
from deploy.fakes.issuer import CLIENT_ID, CLIENT_SECRET
from deploy.fakes.issuer import Issuer as DevelopmentIssuer
from tests.browser.conftest import FLAGS, SIZES
from tests.browser.made_up_driver import MadeUpDriver, served

CAR = "/cars/a1.v1"
#: What a page of somebody else's tries, from another port of the same machine: cookies do not tell ports apart.
HOSTILE = """<!doctype html><meta charset="utf-8"><title>Win a car</title>
<form method="post" action="{target}"><button>Yes!</button></form>
<script>
  const tried = ["POST", "DELETE", "PUT"].map((method) =>
    fetch("{target}", {{method, credentials: "include", mode: method === "POST" ? "no-cors" : "cors", body: "{{}}"}})
      .then((answer) => answer.type, () => "refused"));
  Promise.all(tried).then((all) => {{ document.title = all.join(" "); }});
</script>"""


@pytest.fixture
async def browser() -> AsyncIterator[BrowserContext]:
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(FLAGS))
        width, height = SIZES["phone"]
        yield await chromium.new_context(viewport={"width": width, "height": height}, locale="en-US")
        await chromium.close()


@asynccontextmanager
async def listening(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def driver(issuer: str = "http://127.0.0.1:9") -> MadeUpDriver:
    """Anna, whose sign-in is at `issuer`."""
    secret = SecretStr(CLIENT_SECRET)
    known = Issuer(issuer=issuer, audience=CLIENT_ID, client_id=CLIENT_ID, client_secret=secret)
    made = MadeUpDriver()
    made._settings = made._settings.model_copy(update={"issuers": (known,)})
    made.car()
    return made


async def test_in_by_the_issuer_and_out_by_the_form(browser: BrowserContext) -> None:
    issuer = DevelopmentIssuer({"anna": "Anna", "bert": "Bert"})
    async with listening(issuer.app()) as issuer.url, served(driver(issuer.url)) as url:
        page = await browser.new_page()
        await page.goto(url + "/settings")
        await page.get_by_role("button", name="Anna").click()
        await page.wait_for_url(f"{url}/settings")
        (cookie,) = await browser.cookies()
        assert cookie["httpOnly"]
        assert cookie["sameSite"] == "Lax"
        assert await page.evaluate("document.cookie") == ""
        async with page.expect_request(lambda request: request.url.endswith("/signout")) as told:
            await page.get_by_role("button", name="Sign out").click()
        answer = await (await told.value).response()
        assert answer is not None
        assert answer.status == 303
        await page.wait_for_url(f"{url}/")
        assert await browser.cookies() == []
        await expect(page.get_by_role("link", name="Sign in").first).to_be_visible()


async def test_a_page_of_somebody_elses_uses_no_cookie_of_ours(browser: BrowserContext) -> None:
    anna, asked = driver(), []
    async with served(anna) as url:
        target = f"{url}/api/v1{CAR}/boost"
        hostile = web.Application()
        text = HOSTILE.format(target=target)

        async def lure(_request: web.Request) -> web.Response:
            return web.Response(text=text, content_type="text/html")

        hostile.router.add_get("/", lure)
        await browser.add_cookies([anna.cookie(url)])
        async with listening(hostile) as elsewhere:
            page = await browser.new_page()
            page.on("response", lambda answer: asked.append((answer.request.method, answer.status)))
            await page.goto(elsewhere)
            await page.wait_for_function("document.title !== 'Win a car'")
            assert await page.title() == "refused refused refused"
            await page.get_by_role("button").click()
            await page.wait_for_url(target)
        assert ("POST", 403) in asked
        assert {status for method, status in asked if method in {"POST", "PUT", "DELETE"}} <= {403, 405}
        assert anna.journal.records == []


async def test_nobody_frames_our_pages(browser: BrowserContext) -> None:
    anna = driver()
    async with served(anna) as url:
        hostile = web.Application()

        async def lure(_request: web.Request) -> web.Response:
            return web.Response(text=f'<iframe name="ours" src="{url}{CAR}"></iframe>', content_type="text/html")

        hostile.router.add_get("/", lure)
        await browser.add_cookies([anna.cookie(url)])
        async with listening(hostile) as elsewhere:
            page = await browser.new_page()
            await page.goto(elsewhere)
            frame = page.frame("ours")
            assert frame is not None
            await frame.wait_for_load_state()
            assert frame.url.startswith("chrome-error:")
