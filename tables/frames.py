"""Answers as pandas frames: instants in UTC, categories for words, units beside the numbers; STRUCTs taken apart."""

from __future__ import annotations

from typing import Any, Final

import duckdb
import numpy as np
import pandas as pd

from tables.columns import Column, Privacy
from tables.projection import leaves
from tables.relations import Relation
from tables.store import Store

_INSTANT: Final = "timestamp with time zone"


def snapshot(store: Store, relation: Relation) -> pd.DataFrame:
    """All rows of a relation as the store has them; `attrs` tells units, meanings, and what is a pseudonym."""
    columns = leaves(relation.shown)
    picked = ", ".join(f'{_code(sql, column)} AS "{name}"' for name, sql, column in columns)
    query = f'SELECT {picked} FROM {relation.schema}."{relation.name}"'  # noqa: S608 - names are declared
    with store.ask(query) as found:
        frame = to_frame(found)
    for name, _, column in columns:
        if _is_word(column):
            frame[name] = pd.Categorical.from_codes(frame[name], categories=pd.Index(list(column.choices)))
    frame.attrs = {
        "relation": relation.full_name,
        "units": {name: column.unit for name, _, column in columns if column.unit},
        "meanings": {name: column.meaning for name, _, column in columns if column.meaning},
        "pseudonyms": [name for name, _, column in columns if column.privacy is Privacy.PSEUDONYM],
    }
    return frame


def _is_word(column: Column) -> bool:
    return bool(column.choices) and not column.is_list


def _code(sql: str, column: Column) -> str:
    """Words as numbers: a million strings are not made only to be counted again."""
    if not _is_word(column):
        return sql
    words = ", ".join(f"'{choice}'" for choice in column.choices)
    return f"CAST(coalesce(list_position([{words}], {sql}), 0) - 1 AS TINYINT)"


def to_frame(found: duckdb.DuckDBPyRelation) -> pd.DataFrame:
    """An answer column by column."""
    kinds = dict(zip(found.columns, found.types, strict=True))
    values = found.fetchnumpy()
    return pd.DataFrame({name: _series(values[name], kinds[name].id) for name in found.columns}, copy=False)


def flat(found: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """The answer with STRUCTs taken apart: `cost.managed` is a column."""
    picked: list[str] = []
    for place, (name, kind) in enumerate(zip(found.columns, found.types, strict=True), start=1):
        again = found.columns[: place - 1].count(name)
        picked += _apart(f"{name}_{again}" if again else name, f"#{place}", kind)
    return found.project(", ".join(picked))


def _apart(name: str, sql: str, kind: Any) -> list[str]:
    if kind.id != "struct":
        return [f"{sql} AS {_quoted(name)}"]
    inside = [
        _apart(f"{name}.{below}", f"struct_extract({sql}, {_text(below)})", inner) for below, inner in kind.children
    ]
    return [one for several in inside for one in several]


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _series(values: Any, kind: str) -> Any:
    """Numpy's or pandas' own array of a column; masked values are missing."""
    if values.dtype.kind == "M":
        filled = values.filled(np.datetime64("NaT")) if isinstance(values, np.ma.MaskedArray) else values
        return pd.DatetimeIndex(filled).tz_localize("UTC") if kind == _INSTANT else pd.DatetimeIndex(filled)
    return _masked(values) if isinstance(values, np.ma.MaskedArray) else values


def _masked(values: np.ma.MaskedArray[Any, Any]) -> Any:
    missing = np.ma.getmaskarray(values)
    match values.dtype.kind:
        case "f":
            return values.filled(np.nan)
        case "i" | "u":
            return pd.arrays.IntegerArray(np.asarray(values.data, dtype=np.int64), missing)
        case "b":
            return pd.arrays.BooleanArray(np.asarray(values.data, dtype=bool), missing)
        case _:
            held = np.asarray(values.data, dtype=object)
            held[missing] = None
            return held
