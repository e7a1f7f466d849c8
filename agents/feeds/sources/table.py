"""A recorded CSV table, plain or gzipped: rows by column name, each cell with the line where it stands."""

from __future__ import annotations

import csv
import io
import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import NamedTuple

from agents.feeds.source import Refused
from agents.feeds.sources.reading import instant_of, number_of

_GZIP = b"\x1f\x8b"
_MOST_BYTES = 64 * 2**20
#: Nearly two years of five minutes.
_MOST_ROWS = 200_000


class Row(NamedTuple):
    """One line below the header."""

    line: int
    cells: dict[str, str]

    def instant(self, column: str) -> datetime:
        """A time in UTC; one without an offset is UTC in a recording."""
        return instant_of(self.cells[column], f"line {self.line}: {column}", UTC)

    def number(self, column: str) -> float:
        """A finite number."""
        return number_of(self.cells[column], f"line {self.line}: {column}")

    def number_or_none(self, column: str) -> float | None:
        """As `number`, or None where the cell is empty."""
        return self.number(column) if self.cells[column] else None


class Table(NamedTuple):
    """The columns of a file, and its rows."""

    columns: Sequence[str]
    rows: list[Row]

    def has(self, *columns: str) -> bool:
        """Whether the table has all these columns."""
        return set(columns) <= set(self.columns)


def table_of(body: bytes) -> Table:
    """The table in a file. Raises `Refused` with the line for what is no table, or has no rows."""
    try:
        text = _unpacked(body).decode("utf-8-sig")
        columns, *rest = islice(_lines(text), _MOST_ROWS + 2)
    except (UnicodeDecodeError, csv.Error, ValueError):
        raise Refused("the file is no CSV table in UTF-8") from None
    if len(rest) > _MOST_ROWS:
        raise Refused(f"the file has more than {_MOST_ROWS} rows")
    header = columns[1]
    if len(set(header)) != len(header):
        raise Refused("line 1: a column is there twice")
    for line, cells in rest:
        if len(cells) != len(header):
            raise Refused(f"line {line} has {len(cells)} cells, not {len(header)}")
    if not rest:
        raise Refused("the file has no rows below its header")
    return Table(header, [Row(line, dict(zip(header, cells, strict=True))) for line, cells in rest])


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    return ((reader.line_num, [cell.strip() for cell in cells]) for cells in reader if cells)


def _unpacked(body: bytes) -> bytes:
    if not body.startswith(_GZIP):
        return body
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        unpacked = unpacker.decompress(body, _MOST_BYTES)
    except zlib.error:
        raise Refused("the file is no whole gzip file") from None
    if not unpacker.eof:
        raise Refused(f"the file is cut off, or unpacks to more than {_MOST_BYTES >> 20} MiB")
    if unpacker.unused_data:
        raise Refused("the file goes on after its end")
    return unpacked
