"""Where the records of an account lie."""

from __future__ import annotations

from aiokafka.partitioner import murmur2

from streams.contracts.base import account_of


def home_partition(key: str, partitions: int) -> int:
    """The partition of all records of a car or an account: Kafka's own hash of the account part of the key."""
    return int((murmur2(account_of(key).encode()) & 0x7FFFFFFF) % partitions)
