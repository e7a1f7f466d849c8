"""How far a long reading is, on a terminal; nothing elsewhere."""

from __future__ import annotations

import sys
from time import monotonic
from types import TracebackType
from typing import Final, Self

_AFTER_SECONDS: Final = 1.0
_EVERY_SECONDS: Final = 0.2


class Bar:
    """Call it with how many of how many; it shows after a second, and is gone at the end."""

    def __init__(self) -> None:
        self._shown_at = monotonic() + _AFTER_SECONDS - _EVERY_SECONDS
        self._is_shown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def __call__(self, done: int, total: int) -> None:
        """So far."""
        if not sys.stderr.isatty() or monotonic() - self._shown_at < _EVERY_SECONDS:
            return
        self._shown_at, self._is_shown = monotonic(), True
        sys.stderr.write(f"\r{done:,} of {total:,} records ({100 * done // max(1, total)} %)\x1b[K")
        sys.stderr.flush()
