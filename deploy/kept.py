"""Records that were kept as lines of `d2ev tail --json`."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from deploy.reading import Entry
from streams.topics import BY_NAME


def entries(path: Path) -> Iterator[Entry]:
    """The records of a file, perhaps gzipped, line by line. ValueError names a line that is none."""
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield _entry(path, number, line)
    except (OSError, EOFError, UnicodeError, zlib.error) as error:
        raise ValueError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None


def _entry(path: Path, number: int, line: str) -> Entry:
    try:
        row = json.loads(line)
        value = None if row["value"] is None else json.dumps(row["value"]).encode()
        headers = tuple((name, text.encode()) for name, text in row.get("headers", {}).items())
        at = datetime.fromisoformat(row["time"])
        return Entry(BY_NAME[row["topic"]], int(row["partition"]), int(row["offset"]), row["key"], at, value, headers)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{path}:{number}: not a line of `d2ev tail --json`") from None
