"""From records to columns, in DuckDB: what is not shown is never parsed, names become pseudonyms on the way in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from tables.columns import Column, Privacy
from tables.relations import Relation

#: Hex digits of a pseudonym: of 10 million names, two are told alike once in ten thousand.
_DIGITS: Final = 20
_PLACES: Final = {"_time": "TRY_CAST(t AS TIMESTAMPTZ)", "_partition": "p", "_offset": "o"}


@dataclass(slots=True)
class Records:
    """Records of one topic, column by column; tombstones and what they deleted are not among them.

    Only events have times and offsets; keys of a fold over all partitions have no partition either.
    """

    keys: list[str | None] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    times: list[str] = field(default_factory=list)
    partitions: list[int] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)


class Pseudonyms:
    """The same name always has the same pseudonym, and nobody finds it without the key."""

    def __init__(self, key: bytes) -> None:
        # A whole block of the hash, which is cut short: nothing can be appended to what it covered.
        self.salt = sha256(b"d2ev pseudonyms" + key).hexdigest()

    def of(self, name: str) -> str:
        """The pseudonym of a car, account, driver or session."""
        return sha256((self.salt + name).encode()).hexdigest()[:_DIGITS]


def create(relation: Relation) -> str:
    """SQL that makes the empty relation."""
    columns = ", ".join(f'"{column.name}" {column.type}' for column in relation.shown)
    return f'CREATE OR REPLACE TABLE {relation.schema}."{relation.name}" ({columns})'


def fill(relation: Relation, raw: str) -> str:
    """SQL that fills it from the relation `raw` (k, v, t, p, o), with $salt."""
    inside = [column for column in relation.columns if column.privacy is not Privacy.WITHHELD]
    parsed = f"TRY(json_transform(v, {_text(structure(inside))})) AS r"
    # Materialised, or the JSON is parsed again for the filter.
    source = f"WITH parsed AS MATERIALIZED (SELECT *, {parsed} FROM {raw})"  # noqa: S608 - names are declared
    picked = [_shown(column, f'r."{column.name}"') for column in inside]
    if relation.key.privacy is not Privacy.WITHHELD:
        picked.insert(0, _shown(relation.key, "k"))
    picked += [_PLACES[column.name] for column in relation.place]
    into = f'INSERT INTO {relation.schema}."{relation.name}" {source}'
    return f"{into} SELECT {', '.join(picked)} FROM parsed WHERE r IS NOT NULL"  # noqa: S608 - names are declared


def structure(columns: Sequence[Column]) -> str:
    """What is taken of the JSON, as json_transform wants it."""
    return json.dumps({column.name: _node(column) for column in columns})


def leaves(columns: Sequence[Column]) -> list[tuple[str, str, Column]]:
    """Columns with STRUCTs taken apart: dotted name, SQL, and the column. Lists stay whole."""
    found = []
    for column in columns:
        if column.fields and not column.is_list:
            for name, sql, leaf in leaves(column.shown):
                found.append((f"{column.name}.{name}", f'"{column.name}".{sql}', leaf))
        else:
            found.append((column.name, f'"{column.name}"', column))
    return found


def _node(column: Column) -> Any:
    node: Any = {below.name: _node(below) for below in column.shown} if column.fields else column.kind
    return [node] if column.is_list else node


def _shown(column: Column, sql: str) -> str:
    """The column as it is shown, from the SQL of its value."""
    if not _has_names(column):
        return sql
    if column.is_list:
        one = Column(column.name, column.kind, column.meaning, column.privacy, (), column.fields)
        return f"list_transform({sql}, lambda x: {_shown(one, 'x')})"
    if column.fields:
        packed = [f'"{below.name}" := {_shown(below, f"{sql}.{_quoted(below.name)}")}' for below in column.shown]
        return f"CASE WHEN {sql} IS NULL THEN NULL ELSE struct_pack({', '.join(packed)}) END"
    return f"left(sha256($salt || {sql}), {_DIGITS})"


def _has_names(column: Column) -> bool:
    return column.privacy is Privacy.PSEUDONYM or any(_has_names(below) for below in column.shown)


def _quoted(name: str) -> str:
    return f'"{name}"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
