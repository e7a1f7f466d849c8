"""The consumer groups of a version: who is in them, how far they have read, and where their successors begin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition

Read = dict[str, dict[int, int]]


def members(admin: Any, group: str) -> int:
    """How many are in the group."""
    return len(admin.describe_consumer_groups([group])[group].result(30).members)


def groups_of(admin: Any, app_id: str) -> list[str]:
    """The workers' group, and those of the processes beside them (`…-bridge`, …)."""
    known = {one.group_id for one in admin.list_consumer_groups().result(30).valid}
    return sorted(name for name in known if name == app_id or name in {f"{app_id}-bridge", f"{app_id}-ingress"})


def read_so_far(admin: Any, group: str) -> Read:
    """What the group has committed."""
    found: Read = {}
    offsets = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result(30)
    for place in offsets.topic_partitions:
        if place.offset >= 0:
            found.setdefault(place.topic, {})[place.partition] = place.offset
    return found


def begin_at(admin: Any, group: str, read: Mapping[str, Mapping[int, int]]) -> None:
    """Let the group read on from there."""
    places = [TopicPartition(topic, p, offset) for topic, at in read.items() for p, offset in at.items()]
    if places:
        admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, places)])[group].result(30)
