"""What analysts see: every table, and every published topic, as one relation each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from streams.topics import TOPICS, Topic
from tables import TABLES
from tables.columns import Column, Privacy, columns_of
from tables.table import Table

_PARTITION: Final = Column("_partition", "BIGINT", "of the log")
#: Where a record is.
_PLACE: Final = (
    Column("_time", "TIMESTAMPTZ", "when it was written down"),
    _PARTITION,
    Column("_offset", "BIGINT", "place in the partition"),
)
#: Keys that are told under another name; others are open where nothing personal is.
_NAMING_KEYS: Final = frozenset({"car", "account", "device"})
#: Columns that say when an event was, best first.
_WHEN: Final = ("at", "settled_at", "received_time", "issued_at", "received_at", "registered_at", "updated_at", "since")


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or a topic in SQL. `folded`: one row per key, its newest; else a row per record."""

    schema: str
    name: str
    source: str
    purpose: str
    key: Column
    columns: tuple[Column, ...]
    folded: bool

    @property
    def full_name(self) -> str:
        """Schema and name."""
        return f"{self.schema}.{self.name}"

    @property
    def when(self) -> str | None:
        """The column that says when a row was."""
        names = {column.name for column in self.columns if column.kind == "TIMESTAMPTZ"}
        return next((name for name in _WHEN if name in names), None)

    @property
    def place(self) -> tuple[Column, ...]:
        """Where on the log a row is from. What every partition needs to know, each of them has a row of."""
        if not self.folded:
            return _PLACE
        return (_PARTITION,) if self.schema == "tables" and self.key.privacy is Privacy.OPEN else ()

    @property
    def all_columns(self) -> tuple[Column, ...]:
        """Key, columns and place."""
        return (self.key, *self.columns, *self.place)

    @property
    def shown(self) -> tuple[Column, ...]:
        """All columns that are not withheld."""
        return tuple(column for column in self.all_columns if column.privacy is not Privacy.WITHHELD)

    def log(self, app_id: str) -> str:
        """The Kafka topic it is read from."""
        return f"{app_id}{self.source}" if self.source.startswith("-") else self.source


@cache
def relations() -> Mapping[str, Relation]:
    """Every relation by its full name."""
    every = (*(_of_table(table) for table in TABLES), *(_of_topic(topic) for topic in TOPICS if topic.public))
    return {one.full_name: one for one in every}


def relation(name: str) -> Relation:
    """The relation of this SQL name, or of a table's or topic's own. Raises ValueError listing the names."""
    wanted = name.replace('"', "").removeprefix("d2ev.").replace("-", "_")
    stem, _, version = wanted.rpartition(".v")
    wanted = stem if stem and version.isdigit() else wanted
    below = wanted.replace(".", "_")
    names = [wanted, f"tables.{below}", f"topics.{below}"]
    if "." in wanted:  # as topics are named
        names.reverse()
    found = next((relations()[one] for one in names if one in relations()), None)
    if found is None:
        raise ValueError(f"no table or topic {name!r}; there are {', '.join(relations())}")
    return found


def _of_table(table: Table[Any]) -> Relation:
    key = _key(table.key, personal=table.personal)
    return Relation(
        schema="tables",
        name=table.name.replace("-", "_"),
        source=table.changelog(""),
        purpose=table.purpose,
        key=key,
        columns=_without(columns_of(table.model), key.name),
        folded=True,
    )


def _of_topic(topic: Topic) -> Relation:
    key = _key(topic.key, personal=topic.personal)
    return Relation(
        schema="topics",
        name=topic.name.removeprefix("d2ev.").rpartition(".v")[0].replace(".", "_").replace("-", "_"),
        source=topic.name,
        purpose=topic.purpose,
        key=key,
        columns=_without(columns_of(topic.model), key.name),
        folded=topic.compacted,
    )


def _key(key: str, *, personal: bool) -> Column:
    if key in _NAMING_KEYS:
        return Column(key, "VARCHAR", f"the {key}", Privacy.PSEUDONYM)
    name = key if key.isidentifier() else "key"
    return Column(name, "VARCHAR", f"key: {key}", Privacy.WITHHELD if personal else Privacy.OPEN)


def _without(columns: tuple[Column, ...], name: str) -> tuple[Column, ...]:
    """The columns without those that only say the key again, here and below."""
    return tuple(
        Column(c.name, c.kind, c.meaning, c.privacy, c.choices, _without(c.fields, name), c.is_list)
        for c in columns
        if c.name != name
    )
