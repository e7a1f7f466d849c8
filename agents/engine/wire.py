"""Records in and out: raw ones decoded, effects turned into records to write. Runs per record, so it is lean."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from agents.engine.log import Outgoing
from agents.engine.stage import Effects, Record
from agents.sealing import Sealer
from streams import serde
from streams.contracts.dead_letter import DeadLetter
from streams.topics import BY_NAME, DEAD_LETTER


class Refused(Struct, frozen=True, gc=False):
    """A record that does not decode."""

    raw: Any
    cause: str


def decoded(topic: str, raws: Sequence[Any]) -> tuple[list[Record], list[Refused]]:
    """The records of one topic, and those of them that its contract refuses."""
    decode = serde.decoder(topic)
    records: list[Record] = []
    refused: list[Refused] = []
    for raw in raws:
        try:
            records.append(Record(topic, raw.key.decode(), decode(raw.value), raw.offset, raw))
        except Exception:
            # Tombstones and bad records come here: the careful way tells which, and why.
            item = _decoded_carefully(topic, raw)
            if isinstance(item, Record):
                records.append(item)
            else:
                refused.append(item)
    return records, refused


def _decoded_carefully(topic: str, raw: Any) -> Record | Refused:
    if raw.key is None:
        return Refused(raw, "the key is null")
    try:
        key = raw.key.decode()
        value = None if raw.value is None else serde.decode(topic, raw.value)
    except serde.Undecodable as error:
        return Refused(raw, str(error))
    except UnicodeDecodeError:
        return Refused(raw, "the key is not UTF-8")
    if value is None and not BY_NAME[topic].compacted:
        return Refused(raw, "the value is null")
    return Record(topic, key, value, raw.offset, raw)


def event_time(raw: Any) -> datetime:
    """When the event of a raw record happened."""
    return serde.event_time(raw.headers, raw.timestamp)


class Outbox:
    """Turns the effects of one stage in one partition into records to write."""

    def __init__(self, stage: str, partition: int, partitions: int) -> None:
        self._stage = stage
        self._partition = partition
        self._everywhere = range(partitions)

    def outputs(
        self, effects: Effects, clock: datetime, source: str | None, encoded: dict[int, bytes]
    ) -> list[Outgoing]:
        """The messages of `effects`, then its dead letters, as sent at `clock`. Notes in `encoded` what it encoded.

        A message is known by the record of the topic `source` it came of: however a replay cuts its chunks, it has
        the same id again.
        """
        shared: dict[str, serde.Headers] = {}
        outputs: list[Outgoing] = []
        prefix = f"{self._stage}-{source}-{self._partition}".encode()
        last: int | None = None
        told: dict[tuple[str, str], int] = {}
        for topic, key, message, everywhere, origin in effects.sends:
            name, key_bytes = topic.name, key.encode()
            value = None
            if message is not None:
                value = encoded[id(message)] = serde.encode(message)
            common = shared.get(name)
            if common is None:
                common = shared[name] = serde.headers(name, self._stage, clock)
            if origin is None:
                ce_id = serde.identity(value or key_bytes + clock.isoformat().encode())
            else:
                if origin != last:
                    last, told = origin, {}
                nth = told[name, key] = told.get((name, key), -1) + 1
                ce_id = b"%b-%d-%b-%d" % (prefix, origin, key_bytes, nth)
            headers = (*common, ("ce_id", ce_id))
            if everywhere:
                outputs += [Outgoing(name, target, key_bytes, value, headers) for target in self._everywhere]
            else:
                outputs.append(Outgoing(name, self._partition, key_bytes, value, headers))
        return outputs + self._letters(effects)

    def _letters(self, effects: Effects) -> list[Outgoing]:
        letters = []
        for letter in effects.dead:
            ce_id = f"{letter.topic}-{letter.partition}-{letter.offset}".encode()
            headers = (*serde.headers(DEAD_LETTER.name, self._stage, letter.at), ("ce_id", ce_id))
            letters.append(Outgoing(DEAD_LETTER.name, self._partition, None, serde.encode(letter), headers))
        return letters


def letter(raw: Any, stage: str, cause: str, sealer: Sealer) -> DeadLetter:
    """The dead letter of a record: where it was, why it was refused, and its original bytes, sealed."""
    context = f"{raw.topic}|{raw.partition}|{raw.offset}"
    return DeadLetter(
        stage=stage,
        topic=raw.topic,
        partition=raw.partition,
        offset=raw.offset,
        cause=cause,
        sealed_key=None if raw.key is None else sealer.seal(raw.key, context),
        sealed_value=None if raw.value is None else sealer.seal(raw.value, context),
        at=event_time(raw),
    )
