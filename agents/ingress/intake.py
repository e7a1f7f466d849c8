"""From deliveries to the log: every event judged, its readings and refusals durable before anything is remembered."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple, Protocol

import structlog

from agents.clock import Clock
from agents.engine.log import Outgoing
from agents.engine.wire import letter
from agents.ingress.directory import Enrolled
from agents.ingress.metrics import IngressMetrics
from agents.ingress.news import Outcome, Verdict, judge
from agents.ingress.seen import Seen, fingerprint
from agents.partitions import home_partition
from agents.sealing import Sealer
from oem_connectors.base import Connector
from oem_connectors.push import Event
from streams import serde
from streams.contracts.telemetry import Telemetry
from streams.topics import DEAD_LETTER, TELEMETRY

LOG = structlog.get_logger("d2ev")
SOURCE: Final = "ingress"
#: The cars that are a maker's vehicle.
Find = Callable[[str, str], Sequence[Enrolled]]
#: Remembered whatever it led to, but for cars that we do not know: they may be enrolled when it comes again.
_FORGOTTEN: Final = frozenset({Outcome.UNKNOWN, Outcome.DUPLICATE})


class Origin(NamedTuple):
    """Where bytes came from, as a record tells it. A hook has neither partitions nor offsets."""

    topic: str
    partition: int = 0
    offset: int = -1
    key: bytes | None = None


class Refused(NamedTuple):
    """What a dead letter is made of."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    timestamp: int


class Writes(Protocol):
    """The log, as far as the intake needs it."""

    async def write(self, records: Sequence[Outgoing]) -> None:
        """Durable on return. Raises NotDurable."""


class Parcel(NamedTuple):
    """Bytes of a maker who is proven, with the news in them, or `cause`: why there are none to be had."""

    origin: Origin
    body: bytes
    events: Sequence[Event] = ()
    cause: str = ""


class Judged(NamedTuple):
    """A piece of news with its mark, what became of it, and the bytes to keep if it is refused."""

    mark: bytes
    verdict: Verdict
    origin: Origin
    body: Callable[[], bytes]


class Intake:
    """Takes the events of all makers."""

    def __init__(
        self,
        find: Find,
        journal: Writes,
        sealer: Sealer,
        clock: Clock,
        metrics: IngressMetrics,
        partitions: int,
    ) -> None:
        self._find = find
        self._journal = journal
        self._sealer = sealer
        self._clock = clock
        self._metrics = metrics
        self._partitions = partitions
        self._seen = Seen()

    async def take(self, connector: Connector, parcels: Iterable[Parcel]) -> None:
        """Take parcels of one maker. Durable on return. Raises NotDurable; then nothing counts as taken."""
        now = self._clock.now()
        judged = self._judged(connector, parcels, now)
        records = [record for one in judged for record in self._records(connector.name, one, now)]
        await self._journal.write(records)
        self._seen.add(one.mark for one in judged if one.verdict.outcome not in _FORGOTTEN)
        for one in judged:
            self._metrics.events.labels(connector.name, one.verdict.outcome.value).inc()
            if one.verdict.outcome is Outcome.CONSENT_LOST:
                LOG.warning("a maker says that consent is lost", oem=connector.name)

    def _judged(self, connector: Connector, parcels: Iterable[Parcel], now: datetime) -> list[Judged]:
        judged, here = [], set[bytes]()
        for parcel in parcels:
            for one in self._opened(connector, parcel, now):
                again = one.mark in here or one.mark in self._seen
                judged.append(one._replace(verdict=Verdict(Outcome.DUPLICATE)) if again else one)
                here.add(one.mark)
        return judged

    def _opened(self, connector: Connector, parcel: Parcel, now: datetime) -> Iterable[Judged]:
        oem, origin = connector.name, parcel.origin
        if parcel.cause:
            mark = fingerprint(oem, parcel.body.hex())
            yield Judged(mark, Verdict(Outcome.REFUSED, cause=parcel.cause), origin, lambda: parcel.body)
        for event in parcel.events:
            verdict = judge(connector, event, self._find(oem, event.vehicle), now)
            yield Judged(fingerprint(oem, event.id), verdict, origin, partial(_told, event))

    def _records(self, oem: str, one: Judged, now: datetime) -> Iterable[Outgoing]:
        if one.verdict.outcome is Outcome.REFUSED:
            yield self._letter(oem, one, now)
        for reading in one.verdict.readings:
            yield self._telemetry(reading, one.mark, now)

    def _telemetry(self, reading: Telemetry, mark: bytes, now: datetime) -> Outgoing:
        key = reading.car
        ce_id = f"{SOURCE}-{mark.hex()}-{key}".encode()
        headers = (*serde.headers(TELEMETRY.name, SOURCE, now), ("ce_id", ce_id))
        where = home_partition(key, self._partitions)
        return Outgoing(TELEMETRY.name, where, key.encode(), serde.encode(reading), headers)

    def _letter(self, oem: str, one: Judged, now: datetime) -> Outgoing:
        refused = Refused(*one.origin, value=one.body(), headers=(), timestamp=int(now.timestamp() * 1000))
        message = letter(refused, SOURCE, one.verdict.cause, self._sealer)
        ce_id = f"{SOURCE}-{one.mark.hex()}".encode()
        headers = (*serde.headers(DEAD_LETTER.name, SOURCE, now), ("ce_id", ce_id))
        return Outgoing(DEAD_LETTER.name, home_partition(oem, self._partitions), None, serde.encode(message), headers)


def _told(event: Event) -> bytes:
    return json.dumps({"kind": event.kind, "raw": event.raw}, default=str).encode()
