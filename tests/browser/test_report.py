"""The report in a real Chromium: light and dark, desktop and phone, by keyboard, with nothing refused."""

from collections.abc import Awaitable, Callable
from typing import Literal

import pytest
from playwright.async_api import Page, expect

from deploy.report.page import write
from tests import nights

Look = Callable[[str, str, Literal["light", "dark"]], Awaitable[Page]]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write(nights.report(), path)
    return path.as_uri()


@pytest.mark.parametrize(("size", "scheme"), [("desktop", "light"), ("phone", "dark")])
async def test_it_fits_the_screen_and_its_words_their_drawings(
    look_at: Look, report: str, size: str, scheme: Literal["light", "dark"]
) -> None:
    page = await look_at(report, size, scheme)
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    ground = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(246, 247, 245)", "dark": "rgb(15, 20, 19)"}[scheme]
    outside = await page.evaluate(
        """() => [...document.querySelectorAll('svg text')].filter(text => {
            const own = text.getBoundingClientRect(), board = text.closest('svg').getBoundingClientRect();
            return own.left < board.left - 1 || own.right > board.right + 1 || own.bottom > board.bottom + 1;
        }).map(text => text.textContent)"""
    )
    assert outside == []


async def test_every_plot_can_be_read_as_a_table_by_keyboard(look_at: Look, report: str) -> None:
    page = await look_at(report, "desktop", "light")
    tables = page.locator("details:has(table)")
    assert await tables.count() == 5
    for n in range(5):
        await tables.nth(n).locator("summary").focus()
        await page.keyboard.press("Enter")
        await expect(tables.nth(n).locator("table")).to_be_visible()
