"""One stage in one partition without broker and stores: messages in, effects out, rows as objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from agents.engine.stage import Memory, Record, Send, Stage, Work
from streams.topics import Topic
from tables.table import Table


class BareLane:
    """Time is what the caller says."""

    def __init__(self, stage: Stage, partition: int) -> None:
        self.stage = stage
        self.partition = partition
        self.rows: dict[tuple[str, str], Any] = {}
        self._memory = Memory()
        self._offset = 0

    def get(self, table: Table[Any], key: str) -> Any:
        return self.rows.get((table.name, key))

    def items(self, table: Table[Any]) -> Iterator[tuple[str, Any]]:
        return ((key, self.rows[name, key]) for name, key in sorted(self.rows) if name == table.name)

    def restart(self) -> None:
        """Another worker takes the partition over: the same rows, nothing in memory."""
        self._memory = Memory()
        if self.stage.restore is not None:
            self.stage.restore(self._work([]))

    def give(self, at: datetime, messages: Sequence[tuple[Topic, str, Any]]) -> list[Send]:
        """What one chunk of messages makes the stage send at an instant. Raises what its rules raise."""
        self._memory.tick(at)
        records = []
        for topic, key, message in messages:
            self._offset += 1
            records.append(Record(topic.name, key, message, self._offset, at))
        work = self._work(records)
        self.stage.step(work)
        if work.put_off:
            raise work.put_off[0]
        for place, row in work.effects.puts.items():
            if row is None:
                self.rows.pop(place, None)
            else:
                self.rows[place] = row
        return work.effects.sends

    def _work(self, records: list[Record]) -> Work:
        return Work(self.partition, records, self, self._memory, lambda at: at)
