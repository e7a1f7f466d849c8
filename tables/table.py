"""The declaration of a table: plain data, bound to Faust elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

V = TypeVar("V")
#: Longer than any worker is away: its store must hear of what was deleted meanwhile.
_TOMBSTONES_STAY = timedelta(days=7)


@dataclass(frozen=True, slots=True, eq=False)
class Table(Generic[V]):
    """A table: rows of `model` keyed by car unless `key` says otherwise, written by exactly one stage.

    `encode` and `decode` turn a row into the bytes of the store and of its changelog, and back.
    """

    name: str
    model: type[Any]
    written_by: str
    purpose: str
    encode: Callable[[V], bytes]
    decode: Callable[[bytes], V]
    key: str = "car"
    personal: bool = True
    #: Rows that were replaced or deleted are gone from the changelog after this; None: when Kafka gets round to it.
    forgets_within: timedelta | None = None

    def config(self) -> dict[str, str]:
        """Kafka configuration of the changelog."""
        compacted = {"cleanup.policy": "compact"}
        if self.forgets_within is None:
            return compacted
        return compacted | {
            "max.compaction.lag.ms": _ms(self.forgets_within),
            "delete.retention.ms": _ms(_TOMBSTONES_STAY),
        }

    def changelog(self, app_id: str) -> str:
        """The private topic from which the table is restored."""
        return f"{app_id}-{self.name}-changelog"


def model_table(
    name: str,
    model: type[Any],
    written_by: str,
    purpose: str,
    *,
    key: str = "car",
    personal: bool = True,
    forgets_within: timedelta | None = None,
) -> Table[Any]:
    """A table whose rows are pydantic models, kept as their JSON."""
    decode = model.model_validate_json
    return Table(name, model, written_by, purpose, _dump, decode, key, personal, forgets_within)


def _ms(span: timedelta) -> str:
    return str(int(span.total_seconds() * 1000))


def _dump(row: BaseModel) -> bytes:
    return row.model_dump_json().encode()
