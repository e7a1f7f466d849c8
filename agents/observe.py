"""Joins by message type: which fold of a rule takes which message."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

S = TypeVar("S")


def observer(folds: Mapping[type[Any], Callable[..., S]]) -> Callable[[S, object], S]:
    """A fold over messages of several types; one that nobody asked about leaves the state as it is."""

    def observe(state: S, message: object) -> S:
        fold = folds.get(type(message))
        return state if fold is None else fold(state, message)

    return observe
