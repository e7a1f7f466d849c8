"""Stores are restored from their changelogs in chunks: record by record, as Faust does it, is most of a take-over."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from rocksdict import WriteBatch

from agents.engine.chunk import Chunk


def in_chunks(bound: Any) -> None:
    """Let the Faust table `bound` take chunks of its changelog."""
    bound.recovery_buffer_size = bound.standby_buffer_size = 1
    bound.apply_changelog_batch = partial(_apply, bound)


def _apply(bound: Any, events: Iterable[Any]) -> None:
    """Put chunks into the store, each in one batch with the offset that it reaches."""
    for event in events:
        chunk: Chunk = event.value
        if chunk.topic != bound.changelog_topic_name:
            continue  # of an assignment that is over: Faust takes it for one of the table before
        batch = WriteBatch(raw_mode=True)
        for record in chunk.records:
            if record.value is None:
                batch.delete(record.key)
            else:
                batch.put(record.key, record.value)
        batch.put(bound.data.offset_key, str(chunk.next - 1).encode())
        bound.data._db_for_partition(chunk.partition).write(batch)
