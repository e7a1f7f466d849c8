"""The demo in the terminal: one picture redrawn while it runs, or a line per virtual hour where no one looks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from time import monotonic
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.live import Live as Screen

from deploy.demo.closing import summary_table
from deploy.demo.live import Live
from deploy.demo.picture import hour_line, picture

__all__ = ["Terminal", "summary_table"]

_HEIGHT: Final = 28
_REDRAW_SECONDS: Final = 0.25


class Terminal:
    """Shows `live` between `start` and `stop`; between them only `refresh` draws."""

    def __init__(self, live: Live, console: Console | None = None, elapsed: Callable[[], float] = monotonic) -> None:
        """`elapsed` gives seconds: drawing more often than a person can read would only slow the demo."""
        self._live = live
        self._console = console or Console()
        self._elapsed = elapsed
        self._drawn_at = -_REDRAW_SECONDS
        self._printed: datetime | None = None
        self._screen = Screen(console=self._console, auto_refresh=False, vertical_overflow="crop")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to draw."""
        if self._console.is_terminal:
            self._screen.start()
            self._draw()

    def refresh(self) -> None:
        """Show what is known now, if that is due."""
        if not self._console.is_terminal:
            self._print_hour()
        elif self._elapsed() - self._drawn_at >= _REDRAW_SECONDS:
            self._draw()

    def stop(self) -> None:
        """Draw the last picture and leave it standing; harmless when repeated."""
        if self._screen.is_started:
            self._draw()
            self._screen.stop()

    def _draw(self) -> None:
        self._drawn_at = self._elapsed()
        height = min(_HEIGHT, self._console.height - 1)
        self._screen.update(picture(self._live, height), refresh=True)

    def _print_hour(self) -> None:
        hour = self._live.now.replace(minute=0, second=0, microsecond=0)
        if hour != self._printed:
            self._printed = hour
            self._console.print(hour_line(self._live), highlight=False, markup=False, soft_wrap=True)
