"""Tables and topics as Parquet: one file, or a folder by day and maker that every run states anew.

Files are written beside the folder first and then take their places, each whole. A run that is killed leaves what was
there before, or some of what it wrote; the next run puts it right.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final, NamedTuple

from agents.settings import Settings
from deploy.analysis import tables
from deploy.analysis.output import to_file
from deploy.analysis.progress import Bar
from tables.columns import Privacy
from tables.relations import Relation, relation
from tables.store import Store

_CARS: Final = "registration.state"


class Exported(NamedTuple):
    """What a run has written."""

    rows: int
    files: int
    #: Days whose files stay as they were: they hold more than the log still has.
    kept_days: int = 0


def export(name: str, to: Path, since: datetime | None, settings: Settings) -> Exported:
    """Write a table or topic to a .parquet file or a folder. Raises ValueError, BrokerError, OSError."""
    one = relation(name)
    if since is not None and one.when is None:
        raise ValueError(f"--since: rows of {one.full_name} have no time; leave it out")
    to.resolve().parent.mkdir(parents=True, exist_ok=True)
    wanted = dict.fromkeys((one, relation(_CARS)) if _by_car(one) else (one,))
    with _staging(to) as staging, tables.opened(settings, out=staging.parent) as store:
        with Bar() as progress:
            tables.fill(store, settings, wanted, progress)
        if to.suffix == ".parquet":
            return _file(store, one, to.resolve(), since)
        return _folder(store, one, to.resolve() / one.schema / one.name, staging, since)


def _file(store: Store, one: Relation, path: Path, since: datetime | None) -> Exported:
    query = f"SELECT * FROM {_name(one)}" + ("" if since is None else f' WHERE "{one.when}" >= $since')  # noqa: S608
    given = None if since is None else {"since": since}
    with store.ask(query, given) as found:
        to_file(found, "parquet", path)
    with store.ask(f"SELECT count(*) FROM ({query})", given) as found:  # noqa: S608
        return Exported(found.fetchall()[0][0], 1)


def _folder(store: Store, one: Relation, folder: Path, staging: Path, since: datetime | None) -> Exported:
    """Every day from that of `since` on is stated anew, but for those of which the log has lost a part."""
    first = None if one.folded or since is None else since.astimezone(UTC).date()
    kept = set() if one.folded else _fuller(store, one, folder)
    chosen = f"SELECT * FROM ({_dated(one)})"  # noqa: S608
    rules = [f"date >= DATE '{first}'"] if first is not None else []
    rules += [f"date <> DATE '{day}'" for day in sorted(kept)]
    chosen += f" WHERE {' AND '.join(rules)}" if rules else ""
    parts = (["date"] if not one.folded else []) + (["oem"] if _has_maker(one) else [])
    with store.ask(f"SELECT count(*) FROM ({chosen})") as found:  # noqa: S608
        rows = int(found.fetchall()[0][0])
    if rows:
        with store.ask(chosen) as found:
            if not parts:
                staging.mkdir()
            path = staging if parts else staging / "data_0.parquet"
            found.write_parquet(str(path), compression="zstd", partition_by=parts or None)
    written = _take_places(staging, folder)
    _clear(folder, written, by_day=not one.folded)
    return Exported(rows, len(written), len(kept if first is None else {day for day in kept if day >= first}))


def _fuller(store: Store, one: Relation, folder: Path) -> set[date]:
    """Days of which there are more rows than the log still has: Kafka deletes what is old."""
    if not any(folder.glob("date=*/**/*.parquet")):
        return set()
    files = str(folder / "date=*" / "**" / "*.parquet").replace("'", "''")
    there = f"FROM read_parquet('{files}', hive_partitioning = true, union_by_name = true) GROUP BY ALL"
    now = f"SELECT date, count(*) AS rows_now FROM ({_dated(one)}) GROUP BY date"  # noqa: S608
    query = f"""SELECT there.date FROM (SELECT CAST(date AS DATE) AS date, count(*) AS rows_there {there}) AS there
        LEFT JOIN ({now}) AS now USING (date) WHERE rows_there > coalesce(rows_now, 0)"""  # noqa: S608
    with store.ask(query) as found:
        return {row[0] for row in found.fetchall()}


def _dated(one: Relation) -> str:
    """The rows with the columns that folders are named by."""
    told = f"{_name(one)} AS rows_of"
    when = "" if one.folded else f', CAST("{one.when}" AS DATE) AS date'
    if any(column.name == "oem" for column in one.columns):
        return f"SELECT * REPLACE (coalesce(oem, 'unknown') AS oem){when} FROM {told}"  # noqa: S608
    if not _by_car(one):
        return f"SELECT *{when} FROM {told}"  # noqa: S608
    cars = _name(relation(_CARS))
    maker = f"coalesce((SELECT oem FROM {cars} AS cars WHERE cars.car = rows_of.car), 'unknown') AS oem"  # noqa: S608
    return f"SELECT *, {maker}{when} FROM {told}"  # noqa: S608


def _take_places(staging: Path, folder: Path) -> set[Path]:
    written = set()
    for path in sorted(staging.rglob("*.parquet")):
        place = folder / path.relative_to(staging)
        place.parent.mkdir(parents=True, exist_ok=True)
        path.replace(place)
        written.add(place)
    return written


def _clear(folder: Path, written: set[Path], *, by_day: bool) -> None:
    """Files of what was stated anew and is no more: of the same days, or of all that was."""
    days = {path.relative_to(folder).parts[0] for path in written}
    for path in sorted(folder.rglob("*.parquet")):
        if path not in written and (not by_day or path.relative_to(folder).parts[0] in days):
            path.unlink()


@contextmanager
def _staging(to: Path) -> Iterator[Path]:
    """A folder beside `to`, on the same disk; what a killed run left there goes first."""
    place = to.resolve()
    staging = place.with_name(f".{place.name}.parts")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _by_car(one: Relation) -> bool:
    return one.key.name == "car"


def _has_maker(one: Relation) -> bool:
    return _by_car(one) or any(column.name == "oem" and column.privacy is Privacy.OPEN for column in one.columns)


def _name(one: Relation) -> str:
    return f'{one.schema}."{one.name}"'
