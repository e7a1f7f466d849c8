"""The driver's pages in a real Chromium: seen, used by thumb and keyboard, without a connection, judged by axe."""

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Error, Page, async_playwright, expect

from streams.contracts.account import Link
from streams.contracts.notification import NotificationKind
from streams.contracts.schedule import PlanReason
from streams.contracts.telemetry import Charge, Plug
from tests.browser.conftest import FLAGS, SIZES
from tests.browser.made_up_driver import MadeUpDriver, served

IMAGES = Path(__file__).parents[2] / "docs" / "images"
AXE = Path(__file__).with_name("vendor") / "axe.min.js"
CAR = "/cars/a1.v1"
OTHERS = ("/link", "/link?oem=skoda", "/cars/no.car", "/offline")
SHOWN = "navigator.serviceWorker.ready.then((worker) => worker.getNotifications())"
HOUR = timedelta(hours=1)

#: One browser for all; a context of its own for each.
pytestmark = pytest.mark.asyncio(loop_scope="module")

Visit = Callable[..., Awaitable[Page]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(FLAGS))
        yield browser
        await browser.close()


@pytest.fixture
def driver() -> MadeUpDriver:
    made = MadeUpDriver()
    made.car()
    made.charged(count=12)
    made.car(provisional=True)
    made.told(NotificationKind.PLUGGED_IN, HOUR)
    made.told(NotificationKind.DONE, 10 * HOUR)
    return made


@pytest_asyncio.fixture(loop_scope="module")
async def url(driver: MadeUpDriver) -> AsyncIterator[str]:
    async with served(driver) as address:
        yield address


@pytest_asyncio.fixture(loop_scope="module")
async def visit(chromium: Browser, driver: MadeUpDriver) -> AsyncIterator[Visit]:
    """`await visit(url + path, size="phone", scheme="light")`, signed in; fails at the end if the page complained.

    `keeps`: with a service worker, which keeps what was seen.
    """
    complaints: list[str] = []

    async def open_page(
        address: str, *, size: str = "phone", scheme: Any = "light", wide: int = 0, keeps: bool = False
    ) -> Page:
        width, height = SIZES[size]
        context = await chromium.new_context(
            viewport={"width": wide or width, "height": height},
            device_scale_factor=2 if size == "phone" else 1,
            color_scheme=scheme,
            locale="en-US",
            timezone_id="America/New_York",
            reduced_motion="reduce",
            service_workers="allow" if keeps else "block",
        )
        await context.add_cookies([driver.cookie(address)])
        page = await context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(address)
        await page.wait_for_selector("html[data-ready]")
        return page

    yield open_page
    # What a lost connection makes the browser say is meant; what the policy refuses never is.
    meant = ("Failed to load resource", "ERR_", "Response Status Error Code 503", "htmx:sendError", "htmx:afterRequest")
    assert [one for one in complaints if not any(words in one for words in meant)] == []


async def until(page: Page, expression: str) -> Any:
    """What the expression, or its promise, comes to once that is true."""
    for _ in range(100):
        if found := await page.evaluate(expression):
            return found
        await page.wait_for_timeout(50)
    pytest.fail(f"not within 5 s: {expression}")


async def fits(page: Page) -> bool:
    return bool(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


# --- the first screen


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["phone", "desktop"])
async def test_one_glance_answers(visit: Visit, url: str, size: str, scheme: str) -> None:
    page = await visit(url, size=size, scheme=scheme)
    await expect(page).to_have_url(f"{url}{CAR}")
    live = page.locator("#live")
    await expect(live.locator("h2").first).to_have_text("Waiting for cheap hours")
    await expect(page.locator("#sentence")).to_contain_text("Charging starts about 01:00")
    for answer in ("Plugged in", "Not charging", "07:00", "01:00 – 05:00", "£4.40", "2.4 kg", "About £0.51"):
        await expect(live).to_contain_text(answer)
    await expect(page.get_by_role("img", name="Battery 47 %, should reach 80 %")).to_be_visible()
    assert await fits(page)
    await page.screenshot(path=IMAGES / f"driver-{size}-{scheme}.png", caret="initial")


@pytest.mark.parametrize("path", [CAR, f"{CAR}/history", "/messages", "/settings", "/?all", "/link"])
async def test_small_screens_and_large_text_cut_nothing(visit: Visit, url: str, path: str) -> None:
    page = await visit(url + path, wide=320)
    assert await fits(page)
    await page.evaluate("document.documentElement.style.fontSize = '200%'")
    await page.set_viewport_size({"width": 390, "height": 844})
    assert await fits(page)


STATES: dict[str, tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]]] = {
    "stale": ({"soc_age": 5 * HOUR}, ("Last heard from the car at 13:04", "old news"), ()),
    "link lost": ({"link": Link.NEEDS_CONSENT}, ("Link lost", "Link it again"), ("Charge now", "01:00 – 05:00")),
    "out of reach": (
        {"reason": PlanReason.UNREACHABLE, "hours": ((17, 31),), "charge": Charge.CHARGING, "shortfall": 11.5},
        ("Not full in time", "out of reach", "11.5 kWh short", "About 64 % then"),
        (),
    ),
    "does not obey": (
        {"gave_up_session": "yes"},
        ("Please check the car", "does not follow our commands"),
        ("01:00 – 05:00",),
    ),
    "advice only": (
        {"controllable": False},
        ("Our advice", "takes no commands", "Charge after"),
        ("Charge now", "Pause"),
    ),
    "boost": (
        {"charge": Charge.CHARGING, "reason": PlanReason.BOOST, "hours": ((17, 21),)},
        ("Charging now", "because you asked for it"),
        (),
    ),
    "full": ({"soc": 80, "hours": (), "reason": PlanReason.AT_TARGET}, ("Charged", "80"), ("01:00 – 05:00",)),
    "unknown": ({"soc": None, "plug": Plug.UNKNOWN}, ("Not heard yet", "not known", "Plug not known"), ("47",)),
    "away": ({"at_home": False}, ("Away from home",), ("01:00 – 05:00",)),
}


@pytest.mark.parametrize("state", STATES)
async def test_every_state_is_told_as_it_is(visit: Visit, driver: MadeUpDriver, url: str, state: str) -> None:
    changes, said, unsaid = STATES[state]
    driver.car(**changes)
    live = (await visit(url + CAR)).locator("#live")
    for words in said:
        await expect(live).to_contain_text(words)
    for words in unsaid:
        await expect(live).not_to_contain_text(words)


@pytest.mark.parametrize(
    ("now", "repeated", "told"),
    [
        ("2026-10-24T18:04:00+00:00", "01:00 BST – 01:00 GMT", "The clock goes back 1 h"),
        ("2026-03-28T18:04:00+00:00", "00:00 – 02:00", "The clock goes forward 1 h"),
    ],
)
async def test_the_night_of_the_clock_change_is_the_homes(
    chromium: Browser, now: str, repeated: str, told: str
) -> None:
    driver = MadeUpDriver(now=datetime.fromisoformat(now))
    driver.car()
    async with served(driver) as url:
        context = await chromium.new_context(timezone_id="America/New_York", viewport={"width": 390, "height": 844})
        await context.add_cookies([driver.cookie(url)])
        page = await context.new_page()
        await page.goto(url + CAR)
        await expect(page.locator(".change-text")).to_contain_text(told)
        await page.get_by_text("The same as a table").click()
        await expect(page.get_by_role("rowheader", name=repeated, exact=True)).to_be_visible()
        widths = await page.locator(".plot .block").first.evaluate(
            "e => e.getBBox().width / e.ownerSVGElement.clientWidth"
        )
        slots = await page.locator("#chart").evaluate("e => (e.dataset.end - e.dataset.start) / 3600")
        assert widths * slots == pytest.approx(4, abs=0.01)
        await context.close()


async def test_names_from_outside_stay_text(visit: Visit, driver: MadeUpDriver, url: str) -> None:
    driver.car(model="<img src=x onerror=alert(1)>")
    page = await visit(url + CAR)
    await expect(page.get_by_role("heading", name="<img src=x")).to_be_visible()
    assert await page.locator("img[src=x]").count() == 0


# --- wishes


async def test_ready_by_is_two_taps_and_the_new_plan_comes_by_itself(
    visit: Visit, driver: MadeUpDriver, url: str
) -> None:
    page = await visit(url + CAR)
    await page.locator("#ready").click()
    await page.get_by_role("button", name="06:30", exact=True).click()
    await expect(page.locator("#ready b")).to_have_text("06:30")
    await expect(page.locator("#toast")).to_have_text("Saved.")
    await expect(page.locator("#live")).to_contain_text("The new plan is on its way")
    await expect(page.locator("#ready-sheet")).to_be_hidden()
    assert driver.preference("a1.v1").ready_by.isoformat() == "06:30:00"
    driver.car(hours=((24, 28),))
    await expect(page.locator("#sentence")).to_contain_text("about 00:00", timeout=2000)
    await expect(page.locator("#live")).not_to_contain_text("on its way")


async def test_a_day_with_a_time_of_its_own_is_changed_alone(visit: Visit, driver: MadeUpDriver, url: str) -> None:
    driver.prefer(ready_by_days={"wed": "06:15"})
    page = await visit(url + CAR)
    await expect(page.locator("#ready b")).to_have_text("06:15")
    await page.locator("#ready").click()
    await page.get_by_label("Another time").fill("05:40")
    await page.locator(".other").get_by_role("button").click()
    await expect(page.locator("#ready b")).to_have_text("05:40")
    await expect(page.locator("#day-wed")).to_have_value("05:40")
    assert driver.preference("a1.v1").ready_by.isoformat() == "07:00:00"


async def test_news_do_not_disturb_who_is_choosing(visit: Visit, driver: MadeUpDriver, url: str) -> None:
    page = await visit(url + CAR)
    await page.locator("#ready").focus()
    await page.keyboard.press("Enter")
    driver.car(charge=Charge.CHARGING, hours=((17, 21),))
    await page.wait_for_timeout(400)
    await expect(page.locator("#ready-sheet")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("#ready-sheet")).to_be_hidden()
    await expect(page.locator("#sentence")).to_contain_text("Charging now")
    await expect(page.locator("#ready")).to_be_focused()


async def test_boost_and_back_and_pause(visit: Visit, driver: MadeUpDriver, url: str) -> None:
    page = await visit(url + CAR)
    await page.get_by_role("button", name="Charge now").click()
    await expect(page.get_by_role("button", name="Stop boost")).to_be_visible()
    assert driver.preference("a1.v1").mode == "boost"
    await page.get_by_role("button", name="Stop boost").click()
    await page.get_by_role("button", name="Pause").click()
    await expect(page.get_by_role("button", name="Resume smart charging")).to_be_visible()
    assert driver.preference("a1.v1").mode == "paused"


async def test_sliders_and_words_are_saved_as_they_change(visit: Visit, driver: MadeUpDriver, url: str) -> None:
    page = await visit(url + CAR)
    await page.get_by_label("Charge to").fill("90")
    await expect(page.locator("output[for=target]")).to_have_text("90 %")
    await expect(page.locator("#toast")).to_have_text("Saved.")
    async with page.expect_response(lambda answer: answer.url.endswith("/terms")):
        await page.locator("label", has_text="Climate").click()
    await expect(page.locator("#live")).to_contain_text("of 80 %")  # the plan in force is not the wish
    known = driver.preference("a1.v1")
    assert (known.target_soc_pct, known.carbon_price_per_tonne, known.min_soc_pct) == (90, 300, 20)


async def test_a_wish_that_kafka_has_not_is_told_so(visit: Visit, driver: MadeUpDriver, url: str) -> None:
    page = await visit(url + CAR)
    driver.journal.away = True
    await page.get_by_role("button", name="Charge now").click()
    await expect(page.locator("#toast")).to_contain_text("Wishes cannot be taken just now")
    await expect(page.get_by_role("button", name="Charge now")).to_be_enabled()
    assert driver.preference("a1.v1").mode == "smart"


async def test_what_was_unfolded_stays_so_when_news_come(visit: Visit, driver: MadeUpDriver, url: str) -> None:
    page = await visit(url + CAR)
    await page.get_by_text("The same as a table").click()
    driver.car(soc=48)
    await expect(page.locator(".ring b").first).to_have_text("48%")
    await expect(page.locator("#chart-table table")).to_be_visible()


async def test_the_chart_tells_what_is_under_the_pointer(visit: Visit, url: str) -> None:
    page = await visit(url + CAR, size="desktop")
    await page.locator(".plot .block").first.hover()
    await expect(page.locator("#readout")).to_have_text(re.compile(r"^0[1-4]:00 – 0[2-5]:00 · .* p/kWh · \d+ g$"))


# --- without a connection


async def controlled(page: Page) -> None:
    """The service worker has the page in its hands, and has kept it."""
    await page.evaluate("navigator.serviceWorker.ready.then(() => null)")
    await page.reload()
    await until(page, "caches.keys().then((names) => names.some((name) => name.startsWith('seen-')))")


async def test_a_restart_of_the_api_is_told_and_survived(visit: Visit, driver: MadeUpDriver) -> None:
    async with served(driver) as url:
        page = await visit(url + CAR, keeps=True)
        await controlled(page)
    port = int(url.rpartition(":")[2])
    await expect(page.locator("#banner")).to_have_text("No connection: as of 18:04. Trying again …", timeout=8000)
    await expect(page.locator("#act-boost")).to_be_disabled()
    await page.reload()
    await expect(page.locator("#sentence")).to_contain_text("Charging starts about 01:00")
    await expect(page.locator("#banner")).to_be_visible(timeout=8000)
    await expect(page.locator("#ready")).to_be_disabled()
    await page.screenshot(path=IMAGES / "driver-offline.png", caret="initial")
    driver.car(charge=Charge.CHARGING, hours=((17, 21),))
    async with served(driver, port):
        await expect(page.locator("#sentence")).to_contain_text("Charging now", timeout=10_000)
        await expect(page.locator("#banner")).to_be_hidden()
        await expect(page.locator("#act-boost")).to_be_enabled()


async def test_an_api_that_does_not_hear_the_log_is_not_taken_for_one_with_no_news(
    visit: Visit, driver: MadeUpDriver, url: str
) -> None:
    driver.read._gone_since = monotonic() - 15 * 60
    page = await visit(url + CAR)
    await expect(page.locator("#banner")).to_have_text("No connection: as of 18:04. Trying again …", timeout=8000)
    await expect(page.locator("#act-boost")).to_be_disabled()
    driver.read._gone_since = None
    await expect(page.locator("#banner")).to_be_hidden(timeout=10_000)
    await expect(page.locator("#act-boost")).to_be_enabled()


async def test_offline_is_said_with_the_time_of_what_is_shown(visit: Visit, url: str) -> None:
    page = await visit(url + CAR, keeps=True)
    await page.context.set_offline(True)
    await expect(page.locator("#banner")).to_have_text("Offline: as of 18:04")
    await page.context.set_offline(False)
    await expect(page.locator("#banner")).to_be_hidden(timeout=8000)


async def test_who_signs_out_leaves_nothing_on_the_device(visit: Visit, driver: MadeUpDriver) -> None:
    async with served(driver) as url:
        page = await visit(url + CAR, keeps=True)
        await controlled(page)
        await page.goto(f"{url}/settings")
        asked = "fetch('/cars/a1.v1', { headers: { 'HX-Request': 'true' } })"
        await page.evaluate(f"for (let i = 0; i < 9; i++) void {asked}")
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_role("link", name="Sign in")).to_be_visible()
        assert not await page.evaluate("caches.keys().then((names) => names.some((name) => name.startsWith('seen-')))")
    with suppress(Error):  # whether there is a page of ours then, or the browser's own
        await page.goto(url + CAR)
    body = page.locator("body")
    await expect(body).not_to_contain_text("Sign in")
    await expect(body).not_to_contain_text("Kona")


async def test_another_driver_on_the_same_device_sees_nothing_of_the_first(visit: Visit, driver: MadeUpDriver) -> None:
    async with served(driver) as url:
        page = await visit(url + CAR, keeps=True)
        await controlled(page)
        await page.context.add_cookies([driver.cookie(url, "ben")])
        await page.goto(f"{url}/")
        await expect(page.get_by_role("heading", name="No car yet")).to_be_visible()
    answer = await page.goto(url + CAR)
    assert answer is not None
    await expect(page.get_by_role("heading", name="Offline")).to_be_visible()
    assert "Kona" not in await page.content()


async def test_a_push_is_shown_and_tells_which_car(visit: Visit, url: str) -> None:
    page = await visit(url + CAR, keeps=True)
    await controlled(page)
    await page.context.grant_permissions(["notifications"], origin=url)
    devtools = await page.context.new_cdp_session(page)
    found: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def registered(told: dict[str, Any]) -> None:
        if told["registrations"] and not found.done():
            found.set_result(told["registrations"][0]["registrationId"])

    devtools.on("ServiceWorker.workerRegistrationUpdated", registered)
    await devtools.send("ServiceWorker.enable")
    push = {"title": "Kona 64: Plugged in", "body": "Charging starts about 01:00.", "tag": "t1", "car": "a1.v1"}
    told = {"origin": url, "registrationId": await found, "data": json.dumps(push)}
    await devtools.send("ServiceWorker.deliverPushMessage", told)
    shown = await until(page, f"{SHOWN}.then(([one]) => one && [one.title, one.body, one.tag, one.data.car])")
    assert shown == ["Kona 64: Plugged in", "Charging starts about 01:00.", "t1", "a1.v1"]


# --- for everybody


async def findings(context: BrowserContext, address: str) -> list[str]:
    page = await context.new_page()
    await page.goto(address)
    await page.wait_for_selector("html[data-ready]")
    for one in await page.locator("details").all():
        await one.evaluate("e => e.open = true")
    if address.endswith(CAR):
        await page.locator("#ready").click()
    await page.evaluate(AXE.read_text(encoding="utf-8"))
    found = await page.evaluate("axe.run().then(({ violations }) => violations)")
    await page.close()
    return [
        f"{address} {one['id']}: {one['nodes'][0]['html'][:120]} {one['nodes'][0]['failureSummary']}"
        for one in found
        if one["impact"] in {"serious", "critical"}
    ]


@pytest.mark.parametrize(("scheme", "language"), [("light", "en"), ("dark", "de")])
async def test_axe_has_nothing_serious_to_say(
    chromium: Browser, driver: MadeUpDriver, url: str, scheme: Any, language: str
) -> None:
    driver.prefer(language=language)
    driver.car(link=Link.EXPIRING, soc_age=5 * HOUR)
    context = await chromium.new_context(
        color_scheme=scheme,
        viewport={"width": 390, "height": 844},
        reduced_motion="reduce",
        locale=language,
        service_workers="block",
    )
    found = await findings(context, f"{url}/")
    await context.add_cookies([driver.cookie(url)])
    for path in (CAR, f"{CAR}/history", "/messages", "/settings", "/?all", *OTHERS):
        found += await findings(context, url + path)
    await context.close()
    assert found == []


async def test_settings_speak_german_and_erase_only_with_the_word(visit: Visit, driver: MadeUpDriver, url: str) -> None:
    page = await visit(f"{url}/settings")
    await page.get_by_role("button", name="Deutsch").click()
    await expect(page.get_by_role("heading", name="Einstellungen")).to_be_visible()
    assert driver.preference("a1.v1").language == "de"
    await page.get_by_text("Mich löschen").first.click()
    await page.get_by_label("Zum Bestätigen").fill("ja")
    await page.locator(".erase button").click()
    await expect(page.get_by_role("alert")).to_contain_text("Nichts wurde gelöscht")
    await page.get_by_label("Zum Bestätigen").fill("löschen")
    await page.locator(".erase button").click()
    await expect(page.get_by_role("heading", name="Du bist gelöscht")).to_be_visible()
    assert driver.read.cars(driver.name) == []
