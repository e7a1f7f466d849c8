"""The page in a real Chromium: seen, used by keyboard, followed while time goes on; its pictures go to docs/images."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from io import StringIO
from pathlib import Path
from typing import Literal

import pytest
from playwright.async_api import Page, expect
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

from deploy.demo.live import Live
from deploy.demo.page import serve
from deploy.demo.picture import picture
from tests.browser.made_up_night import NIGHT, made_up_live

IMAGES = Path(__file__).parents[2] / "docs" / "images"
Look = Callable[[str, str, Literal["light", "dark"]], Awaitable[Page]]


@pytest.fixture
def live() -> Live:
    return made_up_live()


@pytest.fixture
async def url(live: Live) -> AsyncIterator[str]:
    runner, address = await serve(live)
    live.page_url = "http://127.0.0.1:8300/"
    yield address
    await runner.cleanup()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["desktop", "phone"])
async def test_fleet_and_car_fit_the_screen(
    look_at: Look, url: str, size: str, scheme: Literal["light", "dark"]
) -> None:
    page = await look_at(url, size, scheme)
    await expect(page.locator("#strips canvas")).to_have_count(3)
    await page.screenshot(path=IMAGES / f"fleet-{size}-{scheme}.png")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await page.locator("#rows .car-name").first.click()
    await expect(page.locator("#car-body canvas")).to_have_count(2)
    await page.screenshot(path=IMAGES / f"car-{size}-{scheme}.png")
    assert await page.evaluate("document.getElementById('car').scrollWidth <= innerWidth")


async def test_times_are_the_homes_also_across_the_clock_change(look_at: Look, url: str) -> None:
    page = await look_at(url, "desktop", "light")
    await expect(page.locator("#clock")).to_have_text("Sun 26 Mar, 04:20 BST")
    await page.get_by_text("The same as a table").click()
    rows = page.locator("#curves-table tbody th")
    await expect(rows).to_have_count(71)  # they come with the curves, a moment after the cars
    hours = await rows.all_text_contents()
    first = hours.index("Sun 00:00")
    assert hours[first : first + 3] == ["Sun 00:00", "Sun 02:00", "Sun 03:00"]
    await expect(page.locator("#curves-table caption")).to_contain_text("forward 1 h: Sun 26 Mar, 02:00 BST")


async def test_cars_are_found_by_state_and_by_name(look_at: Look, url: str, live: Live) -> None:
    page = await look_at(url, "desktop", "light")
    await expect(page.locator("#rows tr")).to_have_count(len(live.cars))
    await page.locator("#chips [data-state=waiting]").click()
    states = await page.locator("#rows .state b").all_text_contents()
    assert states
    assert set(states) == {"waiting"}
    await page.get_by_label("Find a model or car").fill("no such model")
    await expect(page.locator("#more")).to_have_text("No car matches.")


async def test_a_car_opens_and_closes_by_keyboard_and_has_an_address(look_at: Look, url: str) -> None:
    page = await look_at(url, "desktop", "light")
    await page.locator("#rows .car-name").first.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_be_visible()
    await expect(page.locator("#car-body")).to_contain_text("Why this plan")
    address = page.url
    assert "#acct-" in address
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await expect(page).not_to_have_url(re.compile("#"))
    await expect(page.locator("#rows .car-name").first).to_be_focused()


async def test_what_is_new_appears_by_itself_and_at_the_end_the_books(look_at: Look, url: str, live: Live) -> None:
    page = await look_at(url, "desktop", "light")
    later = made_up_live(NIGHT.replace(hour=5))
    live.now, live.cars, live.pushes = later.now, later.cars, later.pushes
    await expect(page.locator("#clock")).to_have_text("Sun 26 Mar, 06:20 BST")
    four = {"managed": 41.2, "unmanaged": 70.1, "timer": 49.0, "oracle": 39.9}
    live.summary = {
        "vehicles": 40,
        "sessions": 61,
        "energy_kwh": 520.0,
        "currency": "EUR",
        "cost": four,
        "carbon_kg": four,
    }
    await expect(page.locator("#books-table")).to_contain_text("-41.2 %")


async def test_names_from_outside_stay_text(look_at: Look, url: str, live: Live) -> None:
    car = next(iter(live.cars.values()))
    car.model = "<img src=x onerror=alert(1)>"
    page = await look_at(url, "desktop", "light")
    await expect(page.locator("#rows .car-name", has_text=car.model)).to_be_visible()
    assert await page.locator("img[src=x]").count() == 0


def test_the_terminal_has_its_picture_without_foreign_fonts(live: Live) -> None:
    console = Console(file=StringIO(), record=True, width=112, height=30, force_terminal=True)
    live.page_url = "http://127.0.0.1:8300/"
    console.print(picture(live, 28))
    plain = re.sub(r"@font-face {{.*?}}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    drawn = console.export_svg(title="d2ev demo", code_format=plain, unique_id="d2ev")
    (IMAGES / "terminal.svg").write_text(drawn, encoding="utf-8")
    assert "Next" in drawn
    assert "cdnjs" not in drawn
