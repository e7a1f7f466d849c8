"""What a log says, as those take it in who follow it without a group: plain data, no Kafka."""

from __future__ import annotations

from typing import NamedTuple


class Said(NamedTuple):
    """One record: the topic or table it belongs to, its key, and its bytes or the tombstone."""

    source: str
    key: str
    value: bytes | None
