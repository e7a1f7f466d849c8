"""One run of consecutive records of one partition: the unit in which a stage reads, writes and acknowledges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Chunk:
    """Raw records of one topic partition, oldest first.

    `epoch` is the consumer's assignment epoch at delivery: a chunk of an older epoch is dropped unprocessed, because
    its records will be, or have been, fetched again. `dropped` says that a stage did so; `done`, that all its stages
    are through with it and every effect is durable.
    """

    __slots__ = ("decoded", "done", "dropped", "epoch", "first", "next", "partition", "records", "topic")

    def __init__(self, topic: str, partition: int, records: Sequence[Any], epoch: int) -> None:
        self.topic = topic
        self.partition = partition
        self.records = records
        self.epoch = epoch
        self.first: int = records[0].offset
        self.next: int = records[-1].offset + 1
        self.done = False
        self.dropped = False
        #: Good records and refused ones: decoded once, shared by all stages that read the topic: messages are frozen.
        self.decoded: tuple[list[Any], list[Any]] | None = None


class Progress:
    """Which offsets of one partition are done. Chunks finish in any order; the frontier moves only over finished ones.

    Offsets missing between chunks (compaction, transaction markers) are covered by the chunk that follows them.
    """

    __slots__ = ("frontier", "pending")

    def __init__(self, frontier: int) -> None:
        self.frontier = frontier
        self.pending: list[Chunk] = []

    def add(self, chunk: Chunk) -> None:
        """Note a delivered chunk."""
        self.pending.append(chunk)

    def advance(self) -> None:
        """Move the frontier over the finished chunks at the head."""
        while self.pending and self.pending[0].done:
            self.frontier = self.pending.pop(0).next
