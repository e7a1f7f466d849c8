"""What a stage is, and what it may do with a chunk of records: look up, put, send, spawn. It never awaits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from typing import Any, NamedTuple, Protocol, TypeVar, cast

from msgspec import Struct

from streams.contracts.dead_letter import DeadLetter
from streams.topics import Topic
from tables.table import Table

V = TypeVar("V")
DAWN = datetime(1970, 1, 1, tzinfo=UTC)
#: No honest event is this far ahead of the clock.
FAR = timedelta(days=1)
#: A car whose rule failed is looked at again after this.
PUT_OFF = timedelta(minutes=10)


class Record(Struct, frozen=True, gc=False):
    """One decoded record. `value` None is a tombstone."""

    topic: str
    key: str
    value: Any
    offset: int
    raw: Any


class Job(NamedTuple):
    """Slow work (an OEM call, a push) done off the partition once the chunk is durable.

    Jobs of the same `serial` run one after another; the others of the partition run beside them.
    """

    serial: str
    run: Callable[[Lane], Awaitable[None]]


class Send(NamedTuple):
    """A message to write, here or `everywhere`. `origin` is the offset of the record it came of, if any."""

    topic: Topic
    key: str
    message: Any
    everywhere: bool
    origin: int | None


class Effects(NamedTuple):
    """What a step wants done. Nothing of it has happened yet."""

    sends: list[Send]
    puts: dict[tuple[str, str], Any]
    jobs: list[Job]
    dead: list[DeadLetter]


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of the pipeline, as data plus one function.

    `step` is called with a `Work` over a chunk and is free of I/O; `restore` once per assignment of a partition.
    What a chunk writes to topics in `first` is durable before anything else of it is written.
    """

    name: str
    reads: tuple[Topic, ...]
    writes: tuple[Topic, ...]
    step: Callable[[Work], None]
    tables: tuple[Table[Any], ...] = ()
    restore: Callable[[Work], None] | None = None
    first: tuple[Topic, ...] = ()


class Lane(Protocol):
    """One (stage, partition) as its jobs see it: the place to commit their results."""

    partition: int

    def get(self, table: Table[V], key: str) -> V | None:
        """The row of `key` as last made durable."""

    def owned(self) -> bool:
        """Whether the partition is still this worker's, as far as it can know."""

    async def commit(self, change: Callable[[Work], None], *, last_word: bool = False) -> None:
        """Apply `change` as if it were a chunk of its own: durable when this returns.

        Raises `Revoked` when the partition has another owner by now. `last_word`: also while it is being given up,
        for what its next owner cannot do without.
        """


class Revoked(Exception):
    """The partition belongs to another worker: drop the work, its new owner does it."""


class StoreDamaged(RuntimeError):
    """A store does not give what was put into it. The changelog does: the store must be made anew from there."""


class Due:
    """Which keys want attention when. Rebuilt from the table at assignment, so it needs no log of its own."""

    def __init__(self) -> None:
        self._at: dict[str, datetime] = {}
        self._heap: list[tuple[datetime, str]] = []

    def set(self, key: str, at: datetime | None) -> None:
        """Attend to `key` at `at`; None forgets it."""
        if at is None:
            self._at.pop(key, None)
        elif self._at.get(key) != at:
            self._at[key] = at
            heappush(self._heap, (at, key))

    def pop(self, now: datetime) -> list[str]:
        """The keys due by `now`, oldest instant first, then by key; they are forgotten here."""
        due: list[str] = []
        while (first := self._head()) is not None and first[0] <= now:
            heappop(self._heap)
            del self._at[first[1]]
            due.append(first[1])
        return due

    def next(self) -> datetime | None:
        """The earliest instant at which anything is due."""
        first = self._head()
        return None if first is None else first[0]

    def _head(self) -> tuple[datetime, str] | None:
        while self._heap and self._at.get(self._heap[0][1]) != self._heap[0][0]:
            heappop(self._heap)
        return self._heap[0] if self._heap else None

    def __len__(self) -> int:
        return len(self._at)


@dataclass(slots=True)
class Memory:
    """What a lane keeps between chunks of one assignment: the clock, due instants, scratch of the stage."""

    clock: datetime = DAWN
    due: Due = field(default_factory=Due)
    scratch: dict[str, Any] = field(default_factory=dict)

    def seen(self, at: datetime) -> None:
        """An event that says when it happened. One that claims to be from the far future moves nothing."""
        if self.clock < at and (self.clock == DAWN or at - self.clock < FAR):
            self.clock = at

    def tick(self, at: datetime) -> None:
        """Ticks are the authority: they also bring back a clock that an event had led astray."""
        self.clock = at if self.clock - at > FAR else max(self.clock, at)


class Rows(Protocol):
    """Read access to a partition's share of the tables; writes go through Work.put."""

    def get(self, table: Table[V], key: str) -> V | None:
        """The row of `key`."""

    def items(self, table: Table[V]) -> Iterator[tuple[str, V]]:
        """All rows of the partition, in key order."""


class Work:
    """A chunk in the hands of a stage."""

    __slots__ = (
        "_at",
        "_current",
        "_event_time",
        "_marks",
        "_rows",
        "effects",
        "memory",
        "partition",
        "put_off",
        "records",
        "touched",
    )

    def __init__(
        self, partition: int, records: list[Record], rows: Rows, memory: Memory, event_time: Callable[[Any], datetime]
    ) -> None:
        self.partition = partition
        self.records = records
        self.memory = memory
        self.effects = Effects([], {}, [], [])
        #: How many records had any effect; the others were filtered.
        self.touched = 0
        self.put_off: list[Exception] = []
        self._marks = 0
        self._rows = rows
        self._event_time = event_time
        self._current: Record | None = None
        self._at = -1

    def __iter__(self) -> Iterator[Record]:
        for record in self.records:
            self._current = record
            before = self._marks
            yield record
            if self._marks != before:
                self.touched += 1

    @property
    def current(self) -> Record | None:
        """The record being taken, or the last one taken."""
        return self._current

    @property
    def now(self) -> datetime:
        """The newest event time this lane has seen: time comes from the log, so a replay decides the same."""
        current = self._current
        if current is not None and current.offset != self._at:
            self._at = current.offset
            self.memory.seen(self._event_time(current.raw))
        return self.memory.clock

    def attend(self, attend_to: Callable[[str], None]) -> None:
        """Call `attend_to` with every key due by now. One that fails is put off; it costs no other its turn."""
        now = self.now
        for key in self.memory.due.pop(now):
            try:
                attend_to(key)
            except StoreDamaged:
                raise
            except Exception as error:
                self.put_off.append(error)
                self.memory.due.set(key, now + PUT_OFF)

    @property
    def due(self) -> Due:
        return self.memory.due

    def get(self, table: Table[V], key: str) -> V | None:
        """The row of `key`, as changed by this chunk so far."""
        pending = self.effects.puts.get((table.name, key), self)
        return self._rows.get(table, key) if pending is self else cast("V | None", pending)

    def put(self, table: Table[V], key: str, row: V) -> None:
        """Set the row of `key`."""
        self._marks += 1
        self.effects.puts[table.name, key] = row

    def delete(self, table: Table[Any], key: str) -> None:
        """Remove the row of `key`."""
        self._marks += 1
        self.effects.puts[table.name, key] = None

    def items(self, table: Table[V]) -> Iterator[tuple[str, V]]:
        """All rows of this partition as they were before this chunk, in key order."""
        return self._rows.items(table)

    def send(self, topic: Topic, key: str, message: Any) -> None:
        """Write a message to the same partition of `topic`; None is a tombstone."""
        self._marks += 1
        current = self._current
        self.effects.sends.append(Send(topic, key, message, False, None if current is None else current.offset))

    def broadcast(self, topic: Topic, key: str, message: Any) -> None:
        """Write a message to every partition of `topic`."""
        self._marks += 1
        current = self._current
        self.effects.sends.append(Send(topic, key, message, True, None if current is None else current.offset))

    def spawn(self, serial: str, run: Callable[[Lane], Awaitable[None]]) -> None:
        """Do `run` off the partition once this chunk is durable."""
        self._marks += 1
        self.effects.jobs.append(Job(serial, run))
