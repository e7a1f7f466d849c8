"""A stage without a broker: messages in, effects out, rows kept as the bytes a store would hold."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from agents.engine.stage import Memory, Record, Send, Stage, Work
from streams.topics import Topic
from tables.table import Table


class Desk:
    """One stage in one partition; time is what the caller says."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.stored: dict[tuple[str, str], bytes] = {}
        self.offset = 0
        self.restart()

    def get(self, table: Table[Any], key: str) -> Any:
        found = self.stored.get((table.name, key))
        return None if found is None else table.decode(found)

    def items(self, table: Table[Any]) -> Iterator[tuple[str, Any]]:
        for name, key in sorted(self.stored):
            if name == table.name:
                yield key, self.get(table, key)

    def restart(self) -> None:
        """Another worker takes the partition over: the same rows, nothing in memory."""
        self.memory = Memory()
        if self.stage.restore is not None:
            self.stage.restore(self._work([]))

    def give(self, at: datetime, *messages: tuple[Topic, str, Any]) -> list[Send]:
        """What one chunk of messages makes the stage send at an instant."""
        self.memory.tick(at)
        records = []
        for topic, key, message in messages:
            self.offset += 1
            records.append(Record(topic.name, key, message, self.offset, at))
        work = self._work(records)
        self.stage.step(work)
        self._apply(work)
        return work.effects.sends

    def _apply(self, work: Work) -> None:
        tables = {table.name: table for table in self.stage.tables}
        for (name, key), row in work.effects.puts.items():
            if row is None:
                self.stored.pop((name, key), None)
            else:
                self.stored[name, key] = tables[name].encode(row)

    def _work(self, records: list[Record]) -> Work:
        return Work(0, records, self, self.memory, lambda at: at)
