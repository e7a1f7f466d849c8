"""Records that lie in another partition than their account's: written by the number of partitions that once was.

An account is served in its home partition alone, so that nobody commands its cars twice; a stray is sent on to there.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from agents.engine.log import Outgoing
from agents.engine.stage import Record
from agents.partitions import home_partition
from streams.contracts.base import account_of
from streams.topics import CAP, TOPICS

#: Topics whose records have a home: those of accounts, and the cap, which one partition owns.
HOMED: Final = frozenset(topic.name for topic in TOPICS if topic.key in {"car", "account", "device"} or topic is CAP)
_home = lru_cache(maxsize=1 << 18)(home_partition)


def parted(
    topic: str, records: Sequence[Record], partition: int, partitions: int
) -> tuple[list[Record], list[Outgoing]]:
    """The records that are at home in `partition`, and the others as they are to be written to their homes."""
    if topic not in HOMED:
        return list(records), []
    homes = [_home(account_of(record.key), partitions) for record in records]
    ours = [record for record, home in zip(records, homes, strict=True) if home == partition]
    strays = [
        Outgoing(topic, home, record.raw.key, record.raw.value, tuple(record.raw.headers))
        for record, home in zip(records, homes, strict=True)
        if home != partition
    ]
    return ours, strays
