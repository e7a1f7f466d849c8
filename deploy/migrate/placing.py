"""Where rows and records belong when there are more partitions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from agents.partitions import home_partition
from streams.topics import CAPPED, DEMAND, TOPICS, Topic
from tables import (
    CAPACITY_CURVES,
    CAPPED_REGIONS,
    CAPS,
    CURVES,
    DEMANDS,
    LEADS,
    LESSONS,
    SETTLEMENT_CURVES,
    TABLES,
    VINTAGES,
)

#: (key, partition it lies in, partitions before, partitions after) to the partitions it belongs to.
Place = Callable[[str, int, int, int], list[int]]


def home(key: str, here: int, before: int, after: int) -> list[int]:
    """Where its account lives."""
    del here, before
    return [home_partition(key, after)]


def everywhere(key: str, here: int, before: int, after: int) -> list[int]:
    """All partitions hold the same: each new one takes it over from one of the old."""
    del key
    return list(range(here, after, before))


def stays(key: str, here: int, before: int, after: int) -> list[int]:
    """What one partition has counted."""
    del key, before, after
    return [here]


def region(key: str, here: int, before: int, after: int) -> list[int]:
    """With the cap of its region; behind the region's name is a partition's number."""
    return home(key.rpartition("/")[0], here, before, after)


#: Rows by table, where they are not an account's.
_OTHERS: Final[Mapping[str, Place]] = MappingProxyType(
    {
        VINTAGES.name: everywhere,
        CURVES.name: everywhere,
        CAPPED_REGIONS.name: everywhere,
        CAPACITY_CURVES.name: everywhere,
        SETTLEMENT_CURVES.name: everywhere,
        LEADS.name: everywhere,
        CAPS.name: home,
        DEMANDS.name: region,
        LESSONS.name: stays,
    }
)


#: By table.
PLACES: Final[Mapping[str, Place]] = MappingProxyType(
    {table.name: home if table.key in {"car", "account"} else _OTHERS[table.name] for table in TABLES}
)


def rewritten() -> list[Topic]:
    """Topics that hold the newest word on every key: each is written again to where its readers then look."""
    homed = {"car", "account", "device"}
    return [topic for topic in TOPICS if topic.compacted and (topic.key in homed or _of_region(topic))]


def _of_region(topic: Topic) -> bool:
    return topic.key == "region" and topic not in {CAPPED, DEMAND}
