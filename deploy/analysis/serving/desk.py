"""Answers questions from a store that is brought up to date in between; never for longer than allowed."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from time import monotonic
from typing import Any, Final, NamedTuple

from agents.settings import Settings
from deploy.analysis import tables
from deploy.analysis.output import Format, plain, to_file
from deploy.analysis.views import queries
from deploy.brokers.errors import BrokerError
from deploy.reading import Reader
from streams.topics import SESSION
from tables.relations import Relation
from tables.store import BadQuery, Parameters, Store

#: What was read is told again for so long, or for ten times as long as the reading took.
FRESH_SECONDS: Final = 5.0
_WORTH: Final = 10.0
#: Longer answers are for `d2ev export`.
MOST_ROWS: Final = 100_000


class Answer(NamedTuple):
    """Columns and rows as JSON has them, and when they were so."""

    columns: tuple[tuple[str, str], ...]
    rows: list[tuple[Any, ...]]
    as_of: datetime


class _Read(NamedTuple):
    at: float
    took: float
    as_of: datetime

    def is_fresh(self, now: float) -> bool:
        return now - self.at < max(FRESH_SECONDS, _WORTH * self.took)


class Desk:
    """Takes questions from several threads."""

    def __init__(self, settings: Settings, seconds: float, most_rows: int = MOST_ROWS) -> None:
        self._settings, self._seconds, self._most = settings, seconds, most_rows
        self._folder = TemporaryDirectory(prefix="d2ev-queries-")
        self._store = Store(tables.pseudonyms(settings), queries(), out=Path(self._folder.name), memory="50%")
        self._reading = Lock()
        self._read: dict[str, _Read] = {}
        self._files = 0
        #: Whether Kafka answered when it was last asked.
        self.in_touch = False

    def close(self) -> None:
        """Forget everything."""
        self._store.close()
        self._folder.cleanup()

    def look(self) -> None:
        """See whether Kafka answers and has our topics."""
        try:
            with Reader(self._settings) as reader:
                reader.partitions(SESSION)
        except BrokerError:
            self.in_touch = False
        else:
            self.in_touch = True

    def ask(self, query: str, parameters: Parameters) -> Answer:
        """Raises BadQuery, TooSlow, BrokerError."""
        as_of = self._up_to_date(query, parameters)
        with self._store.ask(query, parameters, seconds=self._seconds) as found:
            rows = found.limit(self._most + 1).fetchall()
            if len(rows) > self._most:
                raise BadQuery(f"more than {self._most:,} rows: filter, count, or take `d2ev export`")
            kinds = tuple((name, str(kind)) for name, kind in zip(found.columns, found.types, strict=True))
            return Answer(kinds, [tuple(map(plain, row)) for row in rows], as_of)

    def file(self, query: str, parameters: Parameters, form: Format) -> bytes:
        """The whole answer as CSV or Parquet. Raises as `ask`."""
        self._up_to_date(query, parameters)
        with self._reading:
            self._files += 1
            path = Path(self._folder.name) / f"{self._files}.{form}"
        try:
            with self._store.ask(query, parameters, seconds=self._seconds) as found:
                most = found.limit(self._most + 1)
                if most.shape[0] > self._most:
                    raise BadQuery(f"more than {self._most:,} rows: filter, count, or take `d2ev export`")
                to_file(most, form, path)
            return path.read_bytes()
        finally:
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def _up_to_date(self, query: str, parameters: Parameters) -> datetime:
        """What the question needs is read; since when it has been so."""
        with self._store.ask(query, parameters, seconds=self._seconds) as found:  # nonsense is told before any reading
            if len(set(found.columns)) < len(found.columns):
                raise BadQuery("two columns have the same name; tell them apart with AS")
        needed = self._store.needs(query)
        with self._reading:
            self._refresh(needed)
            return min((self._read[one.full_name].as_of for one in needed), default=datetime.now(UTC))

    def _refresh(self, needed: Iterable[Relation]) -> None:
        now = monotonic()
        stale = [one for one in needed if not (known := self._read.get(one.full_name)) or not known.is_fresh(now)]
        if not stale:
            return
        as_of = datetime.now(UTC)
        try:
            tables.fill(self._store, self._settings, stale)
        except BrokerError:
            self.in_touch = False
            raise
        self.in_touch = True
        took = monotonic() - now
        self._read |= {one.full_name: _Read(monotonic(), took, as_of) for one in stale}


class _Open(NamedTuple):
    owner: str
    answer: Answer
    until: datetime


class Pages:
    """Answers that are being turned over: each is told from one state, however long its reader takes."""

    def __init__(self, most_rows: int = 4 * MOST_ROWS, keep: timedelta = timedelta(minutes=10)) -> None:
        self._most, self._keep = most_rows, keep
        self._open: dict[str, _Open] = {}

    def put(self, name: str, owner: str, answer: Answer, now: datetime) -> None:
        """Keep an answer; those kept for longest make room for it."""
        self._open[name] = _Open(owner, answer, now + self._keep)
        while sum(len(one.answer.rows) for one in self._open.values()) > self._most and len(self._open) > 1:
            self._open.pop(next(iter(self._open)))
        for gone in [name for name, one in self._open.items() if one.until <= now]:
            del self._open[gone]

    def get(self, name: str, owner: str, now: datetime) -> Answer | None:
        """The owner's answer; None when it is another's, or no more."""
        found = self._open.get(name)
        return found.answer if found is not None and found.owner == owner and now < found.until else None

    def __len__(self) -> int:
        return len(self._open)
