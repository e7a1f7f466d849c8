"""Where a report's records are from: Kafka, lines of `d2ev tail --json`, or a folder that `d2ev export` filled."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from agents.settings import Settings
from deploy.analysis import tables
from deploy.analysis.progress import Bar
from deploy.analysis.views import queries
from tables.projection import Records
from tables.relations import Relation, relation
from tables.store import Store

#: What the report is made of.
RELATIONS: Final = ("registration.state", "session.event", "command.event", "forecast.price", "forecast.carbon")
_LINES: Final = (".jsonl", ".jsonl.gz")


@contextmanager
def store(settings: Settings, place: Path | None) -> Iterator[Store]:
    """The report's relations, to ask. Raises BrokerError, or ValueError for files that make no sense."""
    wanted = [relation(name) for name in RELATIONS]
    if place is None:
        with tables.opened(settings) as opened, Bar() as progress:
            tables.fill(opened, settings, wanted, progress)
            yield opened
        return
    if not place.exists():
        raise ValueError(f"--from {place}: there is no such file or folder")
    lake = place.resolve() / "topics" if place.is_dir() else None
    made = Store(tables.pseudonyms(settings), queries(), out=place.resolve() if lake else None)
    try:
        if lake is not None and lake.is_dir():
            _adopt(made, wanted, lake)
        else:
            load_lines(made, wanted, place)
        yield made
    finally:
        made.close()


def _adopt(made: Store, wanted: Iterable[Relation], lake: Path) -> None:
    found = {one: sorted((lake / one.name).rglob("*.parquet")) for one in wanted}
    if not any(found.values()):
        raise ValueError(f"--from {lake.parent}: no topic of a report was exported there ({', '.join(RELATIONS)})")
    for one, files in found.items():
        if files:
            made.adopt(one, files)


def load_lines(made: Store, wanted: Iterable[Relation], place: Path) -> None:
    """Fill these relations from a file, or from all files of a folder. ValueError names a line that is none."""
    files = sorted(path for path in place.iterdir() if path.name.endswith(_LINES)) if place.is_dir() else [place]
    if not files:
        raise ValueError(f"--from {place}: no {' or '.join(_LINES)} file and no export is in it")
    by_source = {one.source: one for one in wanted}
    taken: dict[str, dict[tuple[int, int], _Line]] = defaultdict(dict)
    for path in files:
        for line in _lines(path, by_source):
            taken[line.topic][line.partition, line.offset] = line
    for source, one in by_source.items():
        made.load(one, _records(one, taken[source].values()))


class _Line(NamedTuple):
    topic: str
    partition: int
    offset: int
    key: str | None
    time: str
    value: str | None


def _lines(path: Path, wanted: Mapping[str, Any]) -> Iterator[_Line]:
    """The lines of these topics. ValueError names a line that is none."""
    number = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
            for text in lines:
                number += 1
                row = json.loads(text)
                if row["topic"] in wanted:
                    value = None if row["value"] is None else json.dumps(row["value"])
                    yield _Line(row["topic"], int(row["partition"]), int(row["offset"]), row["key"], row["time"], value)
    except (ValueError, KeyError, TypeError, EOFError, gzip.BadGzipFile):
        raise ValueError(f"{path}:{number}: not a line of `d2ev tail --json`") from None


def _records(one: Relation, lines: Iterable[_Line]) -> Records:
    """As they are on the log: the newest of every key where the topic is folded, else all."""
    ordered = sorted(lines, key=lambda line: (line.partition, line.offset))
    if one.folded:
        newest = {line.key: line for line in ordered}
        kept = [line for line in newest.values() if line.value is not None]
        return Records([line.key for line in kept], [line.value or "" for line in kept])
    kept = [line for line in ordered if line.value is not None]
    return Records(
        [line.key for line in kept],
        [line.value or "" for line in kept],
        [line.time for line in kept],
        [line.partition for line in kept],
        [line.offset for line in kept],
    )
