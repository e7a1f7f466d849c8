"""Stores are restored from their changelogs in chunks: record by record, as Faust does it, is most of a take-over."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from faust.types import TP
from rocksdict import WriteBatch

from agents.engine.chunk import Chunk
from agents.engine.stage import StoreDamaged

#: Nothing is buffered: a chunk is enough for a batch. One would be a word of another meaning to Faust: the table is
#: global then, and what this worker itself writes to the changelog is read back into the store as long as it serves.
UNBUFFERED = 0


def in_chunks(bound: Any) -> None:
    """Let the Faust table `bound` take chunks of its changelog."""
    bound.recovery_buffer_size = bound.standby_buffer_size = UNBUFFERED
    bound.apply_changelog_batch = partial(_apply, bound)


def _apply(bound: Any, events: Iterable[Any]) -> None:
    """Put chunks into the store. One that it does not take ends the worker: Faust would warn and restore the next."""
    try:
        for event in events:
            _put(bound, event.value)
    except Exception as error:
        bound.app.fatal(StoreDamaged(f"{bound.changelog_topic_name}: {type(error).__name__}"))


def _put(bound: Any, chunk: Chunk) -> None:
    """Write a chunk in one batch with the offset that it reaches."""
    if chunk.topic != bound.changelog_topic_name or not _assigned(bound, chunk):
        return  # of an assignment that is over: Faust takes it for one of the table before
    batch = WriteBatch(raw_mode=True)
    for record in chunk.records:
        if record.value is None:
            batch.delete(record.key)
        else:
            batch.put(record.key, record.value)
    batch.put(bound.data.offset_key, str(chunk.next - 1).encode())
    bound.data._db_for_partition(chunk.partition).write(batch)


def _assigned(bound: Any, chunk: Chunk) -> bool:
    recovery, tp = bound.app.tables.recovery, TP(chunk.topic, chunk.partition)
    return tp in recovery.active_tps or tp in recovery.standby_tps
