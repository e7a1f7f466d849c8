"""What a log says, as those take it in who follow it without a group: plain data, no Kafka."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple


class Said(NamedTuple):
    """One record: the topic or table it belongs to, its key, and its bytes or the tombstone with its time."""

    source: str
    key: str
    value: bytes | None
    erased_at: datetime | None = None
