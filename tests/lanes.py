"""A lane without Faust and Kafka: real RocksDB stores, a log in memory that can refuse, an epoch to turn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rocksdict import Options, Rdict

from agents.engine.chunk import Chunk
from agents.engine.lane import StageLane
from agents.engine.log import NotDurable, Outgoing
from agents.engine.runtime import Runtime
from agents.engine.stage import Stage
from agents.metrics import Metrics
from agents.sealing import Sealer
from streams import serde
from streams.contracts.dead_letter import DeadLetter
from streams.topics import DEAD_LETTER
from tables.table import Table

KEY = bytes(32)


class Store:
    """What Faust's table is to us: a name for the changelog, and a store per partition."""

    def __init__(self, table: Table[Any], directory: Path) -> None:
        self.changelog_topic_name = f"test-{table.name}-changelog"
        self.db = Rdict(str(directory / table.name), Options(raw_mode=True))
        self.data = SimpleNamespace(offset_key=b"__offset", _db_for_partition=lambda partition: self.db)


class Log:
    """Records in the order in which they became durable; topics in `refused` are not taken."""

    def __init__(self) -> None:
        self.written: list[Outgoing] = []
        self.refused: set[str] = set()

    async def write(self, records: Iterable[Outgoing]) -> dict[tuple[str, int], int]:
        records = list(records)
        for record in records:
            if record.topic in self.refused:
                raise NotDurable(f"{record.topic}: refused")
        self.written += records
        ends = Counter((r.topic, r.partition) for r in self.written)
        return {place: ends[place] - 1 for place in {(r.topic, r.partition) for r in records}}

    def of(self, topic: str) -> list[Outgoing]:
        return [record for record in self.written if record.topic == topic]

    def dead_letters(self) -> list[DeadLetter]:
        return [DeadLetter.model_validate_json(r.value or b"") for r in self.of(DEAD_LETTER.name)]


class Rig:
    """One stage in partition 0."""

    def __init__(self, stage: Stage, directory: Path) -> None:
        self.epoch = 1
        self.log = Log()
        self.sealer = Sealer(KEY)
        self.metrics = Metrics()
        self.crashes: list[BaseException] = []
        self.stage = stage
        self.stores = {table.name: Store(table, directory) for table in stage.tables}
        bound: dict[str, Any] = {**self.stores, "consumer": lambda: None}
        writer: Any = self.log
        self.runtime = Runtime((stage,), bound, 2, writer, self.sealer, self.metrics, self.crashes.append)
        self.runtime.epoch = lambda: self.epoch

    @property
    def lane(self) -> StageLane:
        return self.runtime.lane(self.stage, 0)

    @property
    def ledger(self) -> dict[str, int]:
        return self.metrics.ledger()[self.stage.name]

    async def give(self, *raws: Any) -> Chunk:
        """Hand the lane one chunk of these records and wait until it is through with it."""
        chunk = Chunk(raws[0].topic, 0, raws, self.epoch)
        chunk_message = SimpleNamespace(value=chunk, ack=lambda consumer: setattr(chunk, "done", not chunk.dropped))
        self.lane.put(chunk_message)
        await self.lane._queue.join()
        return chunk


def raw(topic: str, offset: int, key: bytes | None, value: bytes | None) -> Any:
    """A record as aiokafka gives it."""
    return SimpleNamespace(topic=topic, partition=0, offset=offset, key=key, value=value, headers=[], timestamp=0)


def raws(topic: str, messages: Sequence[tuple[str, Any]]) -> list[Any]:
    """Good records with offsets from 0."""
    return [raw(topic, n, key.encode(), serde.encode(message)) for n, (key, message) in enumerate(messages)]
