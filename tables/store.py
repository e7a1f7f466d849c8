"""A DuckDB of its own in memory: records go in projected, questions are answered, and nothing else is possible."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import Any, Final

import duckdb
import numpy as np

from tables.projection import Pseudonyms, Records, create, fill
from tables.relations import Relation, relations

#: Kinds of statement that only look.
_LOOKS: Final = frozenset({duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN})
_SEARCH: Final = "SET search_path = 'main,tables,topics'"
_SHUT: Final = (
    "SET GLOBAL TimeZone = 'UTC'",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET python_enable_replacements = false",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)


_WORD: Final = re.compile(r"[a-z_][a-z0-9_]*")
Parameters = Sequence[Any] | Mapping[str, Any] | None


class BadQuery(ValueError):
    """A question that has no answer; one line says why."""


class TooSlow(BadQuery):
    """A question whose answer took too long."""


class Store:
    """Tables and topics to ask. `out`: a folder that results may be written to."""

    def __init__(
        self, pseudonyms: Pseudonyms, views: Mapping[str, str], *, out: Path | None = None, memory: str = "75%"
    ) -> None:
        self._salt = pseudonyms.salt
        self._views = views
        #: Records that were no rows, by relation.
        self.unreadable: dict[str, int] = {}
        self._db = duckdb.connect(":memory:")
        self._db.execute("CREATE SCHEMA tables; CREATE SCHEMA topics")
        for relation in relations().values():
            self._db.execute(create(relation))
        for name, query in views.items():
            self._db.execute(f'CREATE VIEW main."{name}" AS {query}')
        self._db.execute(f"SET memory_limit = '{memory}'")
        if out is not None:
            self._db.execute("SET allowed_directories = [" + _quoted(str(out)) + "]")
        for setting in _SHUT:
            self._db.execute(setting)

    def close(self) -> None:
        """Forget everything."""
        self._db.close()

    def load(self, relation: Relation, records: Records) -> None:
        """What the relation holds is this, and nothing else."""
        raw: dict[str, Any] = {"k": _objects(records.keys), "v": _objects(records.values)}
        if records.times:
            raw |= {"t": _objects(records.times), "o": np.array(records.offsets)}
        if records.partitions:
            raw["p"] = np.array(records.partitions)
        cursor = self._db.cursor()
        cursor.begin()
        cursor.execute(create(relation))
        if records.values:
            cursor.register("raw_records", raw)
            sql = fill(relation, "raw_records")
            cursor.execute(sql, {"salt": self._salt} if "$salt" in sql else None)
            cursor.unregister("raw_records")
        counted = cursor.execute(f'SELECT count(*) FROM {relation.schema}."{relation.name}"').fetchone()  # noqa: S608
        cursor.commit()
        self.unreadable[relation.full_name] = len(records.values) - (counted[0] if counted else 0)

    def adopt(self, relation: Relation, files: Sequence[Path]) -> None:
        """What the relation holds is what was exported of it, by day and maker. Raises BadQuery."""
        name = f'{relation.schema}."{relation.name}"'
        listed = ", ".join(_quoted(str(file)) for file in files)
        source = f"read_parquet([{listed}], hive_partitioning = true, union_by_name = true)"
        with self._cursor() as cursor:
            there = set(cursor.sql(f"SELECT * FROM {source} LIMIT 0").columns)  # noqa: S608 - our own files
            shown = ", ".join(f'"{column.name}"' for column in relation.shown if column.name in there)
            cursor.execute(create(relation))
            cursor.execute(f"INSERT INTO {name} BY NAME SELECT {shown} FROM {source}")  # noqa: S608

    def needs(self, query: str) -> list[Relation]:
        """The relations that a question, or a view in it, names; also one whose name stands there by chance."""
        words = set(_WORD.findall(query.lower()))
        inside = [self.needs(text) for name, text in self._views.items() if name in words]
        named = [one for one in relations().values() if one.name in words]
        return list(dict.fromkeys([*named, *(one for several in inside for one in several)]))

    @contextmanager
    def ask(
        self, query: str, parameters: Parameters = None, *, seconds: float | None = None
    ) -> Iterator[duckdb.DuckDBPyRelation]:
        """The answer, to be fetched inside the block, from one state of the store. Raises BadQuery."""
        with self._cursor() as cursor:
            cursor.execute("BEGIN TRANSACTION READ ONLY")
            timer = None if seconds is None else Timer(seconds, cursor.interrupt)
            try:
                if timer is not None:
                    timer.start()
                yield cursor.sql(_one_look(cursor, query), params=parameters)
            except duckdb.InterruptException:
                raise TooSlow(f"it took longer than {seconds:g} s and was cancelled") from None
            finally:
                if timer is not None:
                    timer.cancel()

    @contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        cursor = self._db.cursor()
        try:
            cursor.execute(_SEARCH)
            yield cursor
        except duckdb.InterruptException:
            raise
        except duckdb.Error as error:
            raise BadQuery(_line(error)) from None
        finally:
            cursor.close()


def _one_look(cursor: duckdb.DuckDBPyConnection, query: str) -> str:
    """The one question in it. Raises BadQuery for anything else."""
    statements = cursor.extract_statements(query)
    if len(statements) != 1 or statements[0].type not in _LOOKS:
        raise BadQuery("give one SELECT: nothing can be changed here")
    return statements[0].query


def _line(error: Exception) -> str:
    """What DuckDB says, in one line."""
    said = str(error).split("\n\nLINE ", maxsplit=1)[0]
    return " ".join(said.split())[:500]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _objects(values: Sequence[str | None]) -> Any:
    held = np.empty(len(values), dtype=object)
    held[:] = values
    return held
