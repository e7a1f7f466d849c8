"""The data dictionary: every column with its type, unit, meaning and what is shown of it, from the declarations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tables.columns import Column, Privacy
from tables.relations import Relation


class Entry(NamedTuple):
    """One column, or a field of one by its dotted name."""

    column: str
    type: str
    unit: str
    meaning: str
    privacy: Privacy


def entries(relation: Relation) -> list[Entry]:
    """All columns of a relation, those withheld included."""
    return [_entry(path, column) for one in relation.all_columns for path, column in one.walk()]


def kept(relation: Relation) -> str:
    """What one row is."""
    if relation.folded:
        return f"one row per {relation.key.name}: its newest" + (", in each partition" if relation.place else "")
    return "one row per event"


def summary(relation: Relation, log: str) -> Mapping[str, object]:
    """The dictionary of a relation as JSON."""
    return {
        "name": relation.full_name,
        "purpose": relation.purpose,
        "source": log,
        "rows": kept(relation),
        "columns": [{**entry._asdict(), "privacy": entry.privacy.value} for entry in entries(relation)],
    }


def aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table for a terminal."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    )
    return "\n".join(lines) + "\n"


def _entry(path: str, column: Column) -> Entry:
    base = "STRUCT" if column.fields else column.kind
    kind = base + ("[]" if column.is_list else "")
    if column.privacy is Privacy.WITHHELD:
        kind = "-"
    words = f"one of {', '.join(column.choices)}" if column.choices else ""
    return Entry(path, kind, column.unit, "; ".join(filter(None, (column.meaning, words))), column.privacy)
