"""Recorded tables as rows: which line of which file, and one clear sentence for what is wrong with it."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple


class BadFile(ValueError):
    """A recording that cannot be used; its text names file, line, trouble and remedy."""


class Row(NamedTuple):
    """One line of a CSV file with a header."""

    path: Path
    line: int
    cells: dict[str, str]

    def bad(self, what: str) -> BadFile:
        """The error to raise about this line."""
        return BadFile(f"{self.path}:{self.line}: {what}")

    def number(self, column: str) -> float:
        """A finite number; BadFile otherwise."""
        text = self.cells.get(column) or ""
        try:
            value = float(text)
        except ValueError:
            raise self.bad(f"{column} is {text!r}; write a number with a decimal point, or remove the line") from None
        if not abs(value) < 1e12:
            raise self.bad(f"{column} is {text!r}; write a finite number, or remove the line")
        return value

    def optional(self, column: str) -> float | None:
        """A finite number; None where the cell is empty or the column is not there."""
        return self.number(column) if self.cells.get(column) else None

    def time(self, column: str) -> datetime:
        """A time as written, with or without a zone; BadFile otherwise."""
        text = self.cells.get(column) or ""
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            raise self.bad(f"{column} is {text!r}; write a time like 2023-03-15T16:30Z") from None

    def instant(self, column: str) -> datetime:
        """A time in UTC; one without a zone is taken as UTC."""
        at = self.time(column)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def read(path: Path) -> tuple[frozenset[str], Iterator[Row]]:
    """The columns of a file and its rows, blank lines left out; BadFile when there is none to read."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            rows = [Row(path, reader.line_num, {k: v or "" for k, v in cells.items() if k}) for cells in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadFile(f"{path}: cannot be read as CSV in UTF-8 ({error})") from None
    if not rows:
        raise BadFile(f"{path}:1: no rows below the header; give a CSV file with a header and at least one row")
    return frozenset(reader.fieldnames or ()), iter(rows)


def unknown_columns(path: Path, found: frozenset[str], known: Sequence[str]) -> BadFile:
    """The error for a header that fits none of the known ones."""
    return BadFile(
        f"{path}:1: columns {', '.join(sorted(found))} are not known here; the header must have one of: "
        + "; ".join(known)
    )
