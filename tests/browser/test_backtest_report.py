"""The report in a real Chromium: light and dark, desktop and phone, by keyboard, with nothing refused."""

from collections.abc import Awaitable, Callable
from typing import Literal

import pytest
from playwright.async_api import Page, expect

from deploy.backtest.job import Job, run
from deploy.backtest.report import write

Look = Callable[[str, str, Literal["light", "dark"]], Awaitable[Page]]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    summary = run(Job(most=60), lambda *_: None)
    return write(summary, tmp_path_factory.mktemp("backtest")).as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["desktop", "phone"])
async def test_it_fits_the_screen_and_its_colours_apply(
    look_at: Look, report: str, size: str, scheme: Literal["light", "dark"]
) -> None:
    page = await look_at(report, size, scheme)
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    ground = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(246, 247, 245)", "dark": "rgb(15, 20, 19)"}[scheme]
    bar = page.locator("svg rect.managed").first
    assert await bar.evaluate("bar => getComputedStyle(bar).fill") != "rgb(0, 0, 0)"


async def test_every_plot_can_be_read_as_a_table_by_keyboard(look_at: Look, report: str) -> None:
    page = await look_at(report, "desktop", "light")
    summaries = page.locator("details summary")
    assert await summaries.count() == 5
    for n in range(5):
        await summaries.nth(n).focus()
        await page.keyboard.press("Enter")
        await expect(page.locator("details").nth(n).locator("table")).to_be_visible()


async def test_the_words_of_plots_do_not_leave_their_drawing(look_at: Look, report: str) -> None:
    page = await look_at(report, "desktop", "light")
    outside = await page.evaluate(
        """() => [...document.querySelectorAll('svg text')].filter(text => {
            const own = text.getBoundingClientRect(), board = text.closest('svg').getBoundingClientRect();
            return own.left < board.left - 1 || own.right > board.right + 1 || own.bottom > board.bottom + 1;
        }).map(text => text.textContent)"""
    )
    assert outside == []
