"""The pages by HTTP: who may see what, what a form may bring, and what no answer ever holds."""

import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest

from agents.driver_api.page import shell
from streams.contracts.account import Link
from tests.browser.made_up_driver import MadeUpDriver

BASE = "http://127.0.0.1:8302"
CAR = "/cars/a1.v1"
PAGES = (
    "/", "/?all", CAR, f"{CAR}/history", "/messages", "/settings", "/link", "/link?oem=simulator", "/link?oem=skoda",
    "/offline", "/cars/no.car", "/link/simulator?error=access_denied",
)  # fmt: skip
FORMS = {
    f"{CAR}/ready-by": {"ready_by": "06:30", "day": ""},
    f"{CAR}/terms": {"target": "80", "least": "20", "balance": "both"},
    f"{CAR}/mode": {"mode": "boost"},
    f"{CAR}/unlink": {},
    "/settings/language": {"language": "de"},
    "/settings/erase": {"word": "ERASE"},
    "/link": {"oem": "simulator"},
    "/link/skoda/code": {"ticket": "x"},
}
SAME_SITE = {"Origin": BASE, "Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def driver() -> MadeUpDriver:
    made = MadeUpDriver()
    made.car()
    made.charged(count=4)
    return made


@pytest.fixture
async def browser(driver: MadeUpDriver) -> AsyncIterator[httpx.AsyncClient]:
    """Signed in."""
    transport = httpx.ASGITransport(driver.api(BASE))
    async with httpx.AsyncClient(transport=transport, base_url=BASE, headers=SAME_SITE) as client:
        cookie = driver.cookie(BASE)
        client.cookies.set(cookie["name"], cookie["value"])
        yield client


@pytest.mark.parametrize("path", [path for path in PAGES if path not in {"/", "/offline", "/?all"}])
async def test_who_is_not_signed_in_is_sent_there_and_back(browser: httpx.AsyncClient, path: str) -> None:
    browser.cookies.clear()
    answer = await browser.get(path)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/signin?goal=")
    part = await browser.get(path, headers={"HX-Request": "true"})
    if not path.startswith("/link/"):
        assert (part.status_code, part.headers["hx-redirect"]) == (401, answer.headers["location"])


@pytest.mark.parametrize("path", FORMS)
async def test_no_form_is_taken_from_nobody_nor_from_another_site(
    browser: httpx.AsyncClient, driver: MadeUpDriver, path: str
) -> None:
    strange = await browser.post(
        path, data=FORMS[path], headers={"Origin": "http://evil.test", "Sec-Fetch-Site": "cross-site"}
    )
    assert strange.status_code == 403
    browser.cookies.clear()
    assert (await browser.post(path, data=FORMS[path])).status_code == 303
    assert driver.journal.records == []


@pytest.mark.parametrize("path", [CAR, f"{CAR}/history", *(path for path in FORMS if path.startswith(CAR))])
async def test_anothers_car_is_not_there_as_one_that_does_not_exist(
    browser: httpx.AsyncClient, driver: MadeUpDriver, path: str
) -> None:
    cookie = driver.cookie(BASE, "ben")
    browser.cookies.set(cookie["name"], cookie["value"])

    async def ask(address: str) -> tuple[int, str]:
        data = FORMS.get(path)
        answer = await (browser.get(address) if data is None else browser.post(address, data=data))
        return answer.status_code, answer.text

    theirs = await ask(path)
    assert theirs == await ask(path.replace("a1.v1", "no.car"))
    assert theirs[0] == 404
    assert driver.journal.records == []


BAD: list[tuple[str, dict[str, str]]] = [
    (f"{CAR}/ready-by", {"ready_by": "25:00"}),
    (f"{CAR}/ready-by", {"ready_by": "06:30", "day": "someday"}),
    (f"{CAR}/terms", {"target": "40", "least": "50", "balance": "both"}),
    (f"{CAR}/terms", {"target": "120", "least": "20", "balance": "both"}),
    (f"{CAR}/terms", {"target": "nan", "least": "20", "balance": "both"}),
    (f"{CAR}/terms", {"target": "80", "least": "20", "balance": "cheap"}),
    (f"{CAR}/terms", {"target": "80", "least": "20", "balance": "both", "mon": "noon"}),
    (f"{CAR}/mode", {"mode": "fast"}),
    (f"{CAR}/mode", {"mode": "smart", "driver": "ben"}),
    ("/settings/language", {"language": "fr"}),
    ("/settings/erase", {"word": "yes"}),
]


@pytest.mark.parametrize(("path", "data"), BAD)
async def test_what_cannot_be_is_refused_and_nothing_is_written(
    browser: httpx.AsyncClient, driver: MadeUpDriver, path: str, data: dict[str, str]
) -> None:
    assert (await browser.post(path, data=data)).status_code == 422
    assert driver.journal.records == []


@pytest.mark.parametrize("path", [path for path in FORMS if not path.startswith("/link")])
async def test_what_kafka_has_not_is_not_said_to_be_done(
    browser: httpx.AsyncClient, driver: MadeUpDriver, path: str
) -> None:
    driver.journal.away = True
    answer = await browser.post(path, data=FORMS[path])
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


async def test_while_the_log_is_read_nobody_is_told_that_he_has_no_car(
    browser: httpx.AsyncClient, driver: MadeUpDriver
) -> None:
    driver.read.known = False
    for path in ("/", CAR, "/settings"):
        assert (await browser.get(path)).status_code == 503


class _Inline(HTMLParser):
    """Finds what the policy would refuse, and references to other hosts."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.found += [f"{tag} {name}" for name in told if name == "style" or name.startswith(("on", "hx-on"))]
        if tag == "style" or (tag == "script" and "src" not in told):
            self.found.append(tag)
        self.found += [
            f"{tag} {told[name]}" for name in ("src", "href", "action") if (told.get(name) or "/")[:1] not in "/#"
        ]


@pytest.mark.parametrize("path", PAGES)
async def test_pages_hold_nothing_inline_and_nothing_from_elsewhere(browser: httpx.AsyncClient, path: str) -> None:
    answer = await browser.get(path, follow_redirects=True)
    inline = _Inline()
    inline.feed(answer.text)
    assert inline.found == []
    assert answer.headers["cache-control"] == "no-store"


async def test_linking_goes_on_at_the_makers_page_and_the_home_stays_out_of_addresses(
    browser: httpx.AsyncClient, driver: MadeUpDriver
) -> None:
    home = {
        "home_zone": "Europe/London",
        "region": "home",
        "tariff": "home",
        "usable_kwh": "64",
        "power_kw": "7.4",
        "home": "51.5007,-0.1246",
    }
    answer = await browser.post("/link", data={"oem": "simulator", **home})
    assert answer.status_code == 200
    onward = re.search(r'id="onward" href="([^"]+)"', answer.text)
    assert onward is not None
    assert "state=" in onward[1]
    assert "51.5" not in answer.text
    assert "HttpOnly" in answer.headers["set-cookie"]


@pytest.mark.parametrize("wrong", ["home_zone", "usable_kwh", "home"])
async def test_a_home_that_cannot_be_comes_back_with_what_was_filled_in(browser: httpx.AsyncClient, wrong: str) -> None:
    home = {"home_zone": "Europe/London", "region": "home", "tariff": "home", "usable_kwh": "64", "power_kw": "7.4"}
    answer = await browser.post("/link", data={"oem": "simulator", **home, wrong: "-1"})
    assert answer.status_code == 422
    assert re.search(rf'name="{wrong}"[^>]*aria-invalid="true"', answer.text)
    assert 'value="7.4"' in answer.text


async def test_a_consent_that_was_not_begun_here_is_told_in_words(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/link/simulator?code=x&state=y")
    assert answer.status_code == 422
    assert "Please begin again" in answer.text


@pytest.mark.parametrize("name", ["../card.py", "%2e%2e/card.py", "sw.js", "vendor/README.md", "", "nothing"])
async def test_only_the_pages_files_are_served(browser: httpx.AsyncClient, name: str) -> None:
    assert (await browser.get(f"/static/{name}")).status_code in {404, 422}


async def test_files_are_sent_once_and_the_worker_knows_them_all(browser: httpx.AsyncClient) -> None:
    worker = await browser.get("/sw.js")
    assert worker.headers["content-type"].startswith("text/javascript")
    for name in shell.files():
        file = await browser.get(f"/static/{name}")
        assert (file.status_code, f"/static/{name}" in worker.text) == (404, False) if name == "sw.js" else (200, True)
        if name != "sw.js":
            again = await browser.get(f"/static/{name}", headers={"If-None-Match": file.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
    manifest: Any = (await browser.get("/manifest.webmanifest")).json()
    for icon in manifest["icons"]:
        assert (await browser.get(icon["src"])).headers["content-type"] == "image/png"


async def test_a_car_that_lost_its_link_offers_that_makers_way(
    browser: httpx.AsyncClient, driver: MadeUpDriver
) -> None:
    driver.car(link=Link.REVOKED)
    page = await browser.get(CAR)
    assert "/link?oem=simulator" in page.text
    again = await browser.get("/link?oem=simulator")
    assert re.search(r'name="usable_kwh"[^>]*value="64"', again.text)


async def test_who_chooses_by_the_climate_waits_for_clean_hours(
    browser: httpx.AsyncClient, driver: MadeUpDriver
) -> None:
    assert "Waiting for cheap hours" in (await browser.get(CAR)).text
    driver.prefer(carbon_price_per_tonne=300)
    driver.car()
    page = (await browser.get(CAR)).text
    assert "Waiting for clean hours" in page
    assert "cleanest hours" in page
