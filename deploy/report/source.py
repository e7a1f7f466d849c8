"""Where a report's records are from: Kafka, lines of `d2ev tail --json`, or a folder that `d2ev export` filled."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from agents.settings import Settings
from deploy.analysis import tables
from deploy.analysis.progress import Bar
from deploy.analysis.views import queries
from deploy.kept import entries
from deploy.reading import Entry
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
    taken: dict[str, dict[tuple[int, int], Entry]] = defaultdict(dict)
    for entry in (entry for path in files for entry in entries(path)):
        if entry.topic.name in by_source:
            taken[entry.topic.name][entry.partition, entry.offset] = entry
    for source, one in by_source.items():
        made.load(one, _records(one, taken[source].values()))


def _records(one: Relation, taken: Iterable[Entry]) -> Records:
    """As they are on the log: the newest of every key where the topic is folded, else all."""
    ordered = sorted(taken, key=lambda entry: (entry.partition, entry.offset))
    if one.folded:
        newest = [entry for entry in {entry.key: entry for entry in ordered}.values() if entry.value is not None]
        return Records([entry.key for entry in newest], [(entry.value or b"").decode() for entry in newest])
    kept = [entry for entry in ordered if entry.value is not None]
    return Records(
        [entry.key for entry in kept],
        [(entry.value or b"").decode() for entry in kept],
        [entry.at.isoformat() for entry in kept],
        [entry.partition for entry in kept],
        [entry.offset for entry in kept],
    )
