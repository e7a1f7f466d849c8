"""Answers as text or Parquet; a file is there whole or not at all."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal, TextIO

import duckdb

from streams.serde import rfc3339
from tables.frames import flat
from tables.store import BadQuery

Format = Literal["table", "csv", "json", "parquet"]
#: Rows of a table for people; the other formats give all.
TABLE_ROWS: Final = 200
_WIDEST: Final = 60


def write(found: duckdb.DuckDBPyRelation, form: Format, out: TextIO) -> None:
    """The answer as text."""
    match form:
        case "json":
            out.writelines(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows(found))
        case "csv":
            told = flat(found)
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(told.columns)
            writer.writerows([_cell(value) for value in row] for row in told.iter_rows())
        case "table":
            out.write(_table(flat(found)))
        case "parquet":
            raise ValueError("--format parquet: say where to with --out FILE.parquet")


def to_file(found: duckdb.DuckDBPyRelation, form: Format, path: Path) -> None:
    """The answer as a file."""
    with whole(path) as part:
        if form == "parquet":
            found.write_parquet(str(part), compression="zstd")
            return
        with part.open("w", encoding="utf-8", newline="") as out:
            write(found, form, out)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A file to write beside `path`; it takes its place once all is in it."""
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def rows(found: duckdb.DuckDBPyRelation) -> Iterator[dict[str, Any]]:
    """The answer row by row, as JSON has it."""
    if len(set(found.columns)) < len(found.columns):
        raise BadQuery("two columns have the same name; tell them apart with AS")
    for row in found.iter_rows():
        yield {name: plain(value) for name, value in zip(found.columns, row, strict=True)}


def plain(value: Any) -> Any:
    """A value as JSON has it: RFC 3339 in UTC, no NaN."""
    if isinstance(value, dict):
        return {str(name): plain(below) for name, below in value.items()}
    if isinstance(value, list | tuple):
        return [plain(below) for below in value]
    if isinstance(value, float | Decimal):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    return _word(value)


def _word(value: Any) -> Any:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return rfc3339(value)
    if isinstance(value, date | time):
        return value.isoformat()
    return value.total_seconds() if isinstance(value, timedelta) else str(value)


def _cell(value: Any) -> Any:
    told = plain(value)
    if isinstance(told, dict | list):
        return json.dumps(told, ensure_ascii=False)
    return str(told).lower() if isinstance(told, bool) else told


def _table(found: duckdb.DuckDBPyRelation) -> str:
    """Columns under each other; long texts are cut."""
    some = list(islice(found.iter_rows(), TABLE_ROWS + 1))
    cells = [[_short(value) for value in row] for row in some[:TABLE_ROWS]]
    widths = [max(map(len, column)) for column in zip(found.columns, *cells, strict=True)]
    right = [
        all(isinstance(value, int | float | Decimal | None) for value in column) for column in zip(*some, strict=True)
    ]
    right = right or [False] * len(widths)
    out = StringIO()
    for row in (found.columns, ["─" * width for width in widths], *cells):
        aligned = [
            cell.rjust(width) if by_right else cell.ljust(width)
            for cell, width, by_right in zip(row, widths, right, strict=True)
        ]
        out.write("  ".join(aligned).rstrip() + "\n")
    if len(some) > TABLE_ROWS:
        out.write(f"… more than {TABLE_ROWS} rows; --format csv or json gives all\n")
    return out.getvalue()


def _short(value: Any) -> str:
    told = _cell(value)
    if told is None:
        return "-"
    text = f"{told:.6g}" if isinstance(told, float) else " ".join(str(told).split())
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"
