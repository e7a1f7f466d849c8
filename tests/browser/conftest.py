"""A real Chromium with a fresh profile and no conversations of its own, far from the home's time zone."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Literal

import pytest
from playwright.async_api import Page, async_playwright

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
)
SIZES = {"desktop": (1360, 900), "phone": (390, 844)}

Open = Callable[[str, str, Literal["light", "dark"]], Awaitable[Page]]


@pytest.fixture
def complaints() -> list[str]:
    """What pages logged as errors; a test that ends a connection on purpose takes its own out."""
    return []


@pytest.fixture
async def look_at(tmp_path: Path, complaints: list[str]) -> AsyncIterator[Open]:
    """`await look_at(url, "desktop" | "phone", "light" | "dark")` gives a page that has shown data once.

    The test fails when the page logs an error (a refused script or style is one) or an exception goes uncaught.
    """
    async with AsyncExitStack() as stack:
        playwright = await stack.enter_async_context(async_playwright())

        async def look(url: str, size: str, scheme: Literal["light", "dark"]) -> Page:
            width, height = SIZES[size]
            context = await playwright.chromium.launch_persistent_context(
                tmp_path / f"{size}-{scheme}",
                executable_path=shutil.which("chromium"),
                args=list(FLAGS),
                viewport={"width": width, "height": height},
                device_scale_factor=2 if size == "phone" else 1,
                color_scheme=scheme,
                timezone_id="America/New_York",
                locale="en-US",
            )
            stack.push_async_callback(context.close)
            page = context.pages[0]
            page.on(
                "console",
                lambda said: complaints.append(f"{said.text} {said.location['url']}") if said.type == "error" else None,
            )
            page.on("pageerror", lambda error: complaints.append(str(error)))
            await page.goto(url)
            await page.wait_for_selector("html[data-ready]")
            return page

        yield look
    assert complaints == []
