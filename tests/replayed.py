"""A recorded day of four cars under a cap, and what else could lie on its log."""

import gzip
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from deploy.replay.log import Log, from_file

Row = dict[str, Any]
DAY = Path(__file__).parent / "data" / "replay" / "day.jsonl.gz"
LINES = gzip.decompress(DAY.read_bytes()).decode().splitlines()


def day_rows() -> list[Row]:
    """The day's lines as objects, fresh ones."""
    return [json.loads(line) for line in LINES]


def log_with(directory: Path, rows: Iterable[Row]) -> Log:
    """A log of these rows, read from a file."""
    file = directory / "day.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows))
    return from_file(file)


def log_of(directory: Path, change: Callable[[Row], Row | None] = lambda row: row) -> Log:
    """The day with every row changed, or left out."""
    changed = (change(row) for row in day_rows())
    return log_with(directory, (row for row in changed if row is not None))
