"""A partition's rows: decoded once and kept, written as one RocksDB batch with the changelog offset it covers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from rocksdict import WriteBatch

from agents.engine.log import Outgoing
from agents.engine.stage import StoreDamaged
from tables.table import Table

V = TypeVar("V")
MAX_DECODED = 200_000
_MISSING = object()


class PartitionRows:
    """All tables of one stage in one partition. `bound` are the Faust tables by name."""

    def __init__(self, tables: tuple[Table[Any], ...], bound: Mapping[str, Any], partition: int) -> None:
        self._tables = {table.name: table for table in tables}
        self._bound = bound
        self._partition = partition
        self._changelogs = {table.name: bound[table.name].changelog_topic_name for table in tables}
        self._decoded: dict[tuple[str, str], Any] = {}

    def get(self, table: Table[V], key: str) -> V | None:
        """The row of `key`, or None. Raises StoreDamaged: state is never guessed."""
        row: Any = self._decoded.get((table.name, key), _MISSING)
        if row is _MISSING:
            row = self._read(table, key)
            self._remember({(table.name, key): row})
        return row  # type: ignore[no-any-return]

    def _read(self, table: Table[V], key: str) -> V | None:
        try:
            raw = self._db(table.name).get(key.encode())
            return None if raw is None else table.decode(raw)
        except Exception as error:
            raise StoreDamaged(f"{table.name}[{self._partition}]: {type(error).__name__}") from error

    def items(self, table: Table[V]) -> Iterator[tuple[str, V]]:
        """All rows, in key order."""
        offset_key = self._bound[table.name].data.offset_key
        try:
            found = [
                (raw_key.decode(), table.decode(raw))
                for raw_key, raw in self._db(table.name).items()
                if raw_key != offset_key
            ]
        except Exception as error:
            raise StoreDamaged(f"{table.name}[{self._partition}]: {type(error).__name__}") from error
        yield from found

    def changelog(self, puts: Mapping[tuple[str, str], Any], encoded: Mapping[int, bytes]) -> list[Outgoing]:
        """The changelog records of `puts`; a None row is a tombstone. `encoded`: JSON already made, by object id."""
        records = []
        for (name, key), row in puts.items():
            value = None if row is None else encoded.get(id(row)) or self._tables[name].encode(row)
            records.append(Outgoing(self._changelogs[name], self._partition, key.encode(), value))
        return records

    def apply(
        self, records: list[Outgoing], puts: Mapping[tuple[str, str], Any], offsets: Mapping[tuple[str, int], int]
    ) -> None:
        """Put durable changelog `records` into the store, with the offset they reach, in one batch per table."""
        batches: dict[str, Any] = {}
        for record in records:
            batch = batches.get(record.topic)
            if batch is None:
                batch = batches[record.topic] = WriteBatch(raw_mode=True)
            if record.value is None:
                batch.delete(record.key)
            else:
                batch.put(record.key, record.value)
        for name, topic in self._changelogs.items():
            if (batch := batches.get(topic)) is not None:
                offset = offsets[topic, self._partition]
                batch.put(self._bound[name].data.offset_key, str(offset).encode())
                self._db(name).write(batch)
        self._remember(puts)

    def _remember(self, rows: Mapping[tuple[str, str], Any]) -> None:
        if len(self._decoded) + len(rows) > MAX_DECODED:
            self._decoded.clear()
        self._decoded.update(rows)

    def _db(self, name: str) -> Any:
        return self._bound[name].data._db_for_partition(self._partition)
