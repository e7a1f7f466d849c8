"""`make picture`: runs the default demo and takes the README's screenshot from its page, four fifths through."""

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.async_api import async_playwright

from deploy.demo.night import Night, Options
from deploy.demo.page import serve

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "images" / "demo.png"
TAKEN_AT = 0.87
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run", "--disable-quic")  # fmt: skip


async def shoot(night: Night) -> None:
    """The page as it stands now, light, at desktop size."""
    night.live.now = night.now
    async with async_playwright() as playwright:
        with tempfile.TemporaryDirectory() as profile:
            context = await playwright.chromium.launch_persistent_context(
                profile,
                executable_path=shutil.which("chromium"),
                args=list(FLAGS),
                viewport={"width": 1360, "height": 900},
                color_scheme="light",
            )
            page = context.pages[0]
            await page.goto(night.live.page_url or "")
            await page.wait_for_selector("html[data-ready]")
            await page.screenshot(path=PICTURE)
            await context.close()


async def main() -> None:
    with tempfile.TemporaryDirectory() as run_dir:
        options = Options(partitions=1, run_dir=Path(run_dir) / "demo")
        night = Night(options)
        at = night.window.start + TAKEN_AT * (night.window.end - night.window.start)
        night.hooks[at] = shoot
        runner, night.live.page_url = await serve(night.live)
        try:
            await night.run()
        finally:
            await runner.cleanup()
    print(f"took {PICTURE}")


if __name__ == "__main__":
    if shutil.which("chromium") is None:
        sys.exit("chromium is missing; on Debian: apt-get install chromium")
    asyncio.run(main())
