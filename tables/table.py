"""The declaration of a table: plain data, bound to Faust elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

V = TypeVar("V")


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

    def changelog(self, app_id: str) -> str:
        """The private topic from which the table is restored."""
        return f"{app_id}-{self.name}-changelog"


def model_table(
    name: str, model: type[Any], written_by: str, purpose: str, *, key: str = "car", personal: bool = True
) -> Table[Any]:
    """A table whose rows are pydantic models, kept as their JSON."""
    return Table(name, model, written_by, purpose, _dump, model.model_validate_json, key=key, personal=personal)


def _dump(row: BaseModel) -> bytes:
    return row.model_dump_json().encode()
