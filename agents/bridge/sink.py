"""Statuses -> documents, in the order of the log, once each: every commit moves a mark that says how far it is.

The mark of a partition is a document beside the statuses. It is written in the same commit as they are, and only if
nobody else has moved it: an instance that fell behind, or one that does not know that it was replaced, can overwrite
nothing, and what was erased does not come back. What a commit came to that nobody answered is read from the mark.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple

import structlog
from pydantic import TypeAdapter, ValidationError

from agents.bridge.firestore import Firestore, FirestoreError, Later, Refused
from agents.bridge.metrics import BridgeMetrics
from agents.bridge.values import NoValue, fields, plain_fields
from agents.engine.log import NotDurable
from streams import serde
from streams.contracts.base import CarKey
from streams.contracts.driver_status import DriverStatus
from streams.topics import STATUS

LOG = structlog.get_logger("d2ev")
#: Firestore takes 500 writes in a commit; a server's time counts like one.
MOST_CHANGES: Final = 249
_SERVER_TIME: Final = [{"fieldPath": "written_at", "setToServerValue": "REQUEST_TIME"}]
_CAR: Final = TypeAdapter(CarKey)


class Mark(NamedTuple):
    """How far a partition is written; `update_time` None: nothing ever was."""

    offset: int
    update_time: str | None


class Change(NamedTuple):
    """What a record makes of its car's document, or `cause`: why it makes nothing."""

    record: Any
    car: str
    write: dict[str, Any]
    cause: str = ""


class Sink:
    """Writes partitions of the status topic. `set_aside` keeps a record that is refused, durably."""

    def __init__(
        self,
        firestore: Firestore,
        collection: str,
        set_aside: Callable[[Any, str], Awaitable[None]],
        metrics: BridgeMetrics,
    ) -> None:
        self._firestore, self._collection = firestore, collection
        self._set_aside = set_aside
        self._metrics = metrics
        self._marks: dict[int, Mark] = {}
        #: Records beyond the marks that were set aside: what is tried again is not set aside again.
        self._aside: defaultdict[int, set[int]] = defaultdict(set)

    async def take(self, partition: int, records: Sequence[Any], end: int) -> int:
        """Write records of one partition, which ends at `end`, in order. Returns how many documents changed.

        Raises FirestoreError or NotDurable: then they are to be taken again.
        """
        try:
            return await self._take(partition, records, end)
        except (FirestoreError, NotDurable) as error:
            self._marks.pop(partition, None)  # how far it came is read again
            self._metrics.commits.labels(type(error).__name__.lower()).inc()
            raise

    async def _take(self, partition: int, records: Sequence[Any], end: int) -> int:
        mark = self._marks[partition] = self._marks.get(partition) or await self._read_mark(partition, end)
        changes = newest([self._change(record) for record in records if record.offset > mark.offset])
        for first in range(0, len(changes), MOST_CHANGES):
            part = changes[first : first + MOST_CHANGES]
            for one in part:
                if one.cause:
                    await self._refuse(partition, one, one.cause)
            await self._write(partition, [one for one in part if not one.cause], part[-1].record.offset)
        self._aside.pop(partition, None)
        return len(changes)

    async def _write(self, partition: int, changes: Sequence[Change], upto: int) -> None:
        """Write changes, and that all up to `upto` is written. Halves what is refused until one is left to blame."""
        try:
            await self._commit(partition, changes, upto)
        except Refused as error:
            if not changes:
                raise
            if len(changes) == 1:
                # Where not even a mark is taken, it is not the record's fault.
                await self._commit(partition, [], self._marks[partition].offset)
                await self._refuse(partition, changes[0], str(error))
                await self._commit(partition, [], upto)
                return
            half = len(changes) // 2
            await self._write(partition, changes[:half], changes[half - 1].record.offset)
            await self._write(partition, changes[half:], upto)

    async def _commit(self, partition: int, changes: Sequence[Change], upto: int) -> None:
        mark = self._marks[partition]
        moved = {
            "update": {"name": self._firestore.name(self._mark_path(partition)), "fields": fields({"offset": upto})},
            "currentDocument": {"exists": False} if mark.update_time is None else {"updateTime": mark.update_time},
        }
        *_, update_time = await self._firestore.commit([*(one.write for one in changes), moved])
        self._marks[partition] = Mark(upto, update_time)
        self._metrics.commits.labels("done").inc()
        for one in changes:
            self._metrics.statuses.labels("deleted" if "delete" in one.write else "written").inc()

    async def _refuse(self, partition: int, change: Change, cause: str) -> None:
        offset = change.record.offset
        if offset in self._aside[partition]:
            return
        LOG.error("a status is not taken", cause=cause, partition=partition, offset=offset)
        await self._set_aside(change.record, cause)
        self._aside[partition].add(offset)
        self._metrics.statuses.labels("refused").inc()

    async def _read_mark(self, partition: int, end: int) -> Mark:
        document = await self._firestore.read(self._mark_path(partition))
        if document is None:
            return Mark(-1, None)
        try:
            offset = plain_fields(document.fields).get("offset")
        except NoValue:
            offset = None
        if not isinstance(offset, int):
            raise Later("the mark makes no sense; delete it, and all is written anew")
        if offset >= end:
            LOG.warning("the log has begun anew; so do the documents", partition=partition)
            offset = -1
        return Mark(offset, document.update_time)

    def _mark_path(self, partition: int) -> str:
        return f"{self._collection}-log/{partition}"

    def _change(self, record: Any) -> Change:
        car = (record.key or b"").decode(errors="replace")
        try:
            name = self._firestore.name(f"{self._collection}/{_CAR.validate_python(car)}")
            return Change(record, car, _written(car, name, record.value))
        except ValidationError:
            return Change(record, car, {}, "the key is no car")
        except serde.Undecodable as error:
            return Change(record, car, {}, str(error))


def newest(changes: Sequence[Change]) -> list[Change]:
    """The last change of every car, and all that cannot be made, in the order of the log."""
    last = {one.car: one.record.offset for one in changes if not one.cause}
    return [one for one in changes if one.cause or last[one.car] == one.record.offset]


def _written(car: str, name: str, value: bytes | None) -> dict[str, Any]:
    """The write: the whole document anew, so that nothing stays of what is no longer so. Raises Undecodable."""
    if value is None:
        return {"delete": name}
    status = serde.decode(STATUS.name, value)
    if not isinstance(status, DriverStatus) or status.car != car:
        raise serde.Undecodable("the key is another car's")
    return {"update": {"name": name, "fields": fields(status.model_dump())}, "updateTransforms": _SERVER_TIME}
