"""A table of a page."""

from __future__ import annotations

from typing import NamedTuple


class Table(NamedTuple):
    """Cells as text. `own`: which row is ours."""

    head: list[str]
    rows: list[list[str]]
    own: int | None = None
