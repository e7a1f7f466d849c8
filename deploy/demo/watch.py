"""A subscriber like any other: reads the published topics for the views and counts what the summary tells."""

from __future__ import annotations

import asyncio
from hashlib import blake2b
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.engine.log import LogWriter, Outgoing
from deploy.demo.live import Live
from streams import serde
from streams.contracts.command import CommandEvent, CommandPhase
from streams.contracts.notification import NotificationEvent, NotificationPhase
from streams.contracts.plug_event import PlugEvent
from streams.contracts.schedule import Schedule
from streams.topics import COMMAND, DEAD_LETTER, NOTIFICATION, PLUG, SCHEDULE, SESSION, STATUS, TELEMETRY, VEHICLE

WATCHED = (VEHICLE, PLUG, SCHEDULE, COMMAND, SESSION, STATUS, NOTIFICATION, DEAD_LETTER)


class Watch:
    """Everything published, in memory: enough for one demo."""

    def __init__(self, bootstrap: str, partitions: int, live: Live, replay_telemetry: int, writer: LogWriter) -> None:
        self.schedules: list[Schedule] = []
        self.commands: dict[str, CommandEvent] = {}
        self.sendings: dict[str, CommandEvent] = {}
        self.outcomes: dict[str, set[CommandPhase]] = {}
        self.plugs: dict[str, PlugEvent] = {}
        self.notifications: list[NotificationEvent] = []
        self.dead_letters = 0
        self._live = live
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap, auto_offset_reset="earliest", fetch_max_wait_ms=20
        )
        topics = [topic.name for topic in WATCHED] + ([TELEMETRY.name] if replay_telemetry else [])
        self._places = [TopicPartition(topic, partition) for topic in topics for partition in range(partitions)]
        self._replays = replay_telemetry
        self._read: dict[TopicPartition, int] = {}
        self._pending: list[Outgoing] = []
        self._writer = writer
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._consumer.start()
        self._consumer.assign(self._places)
        await self._consumer.seek_to_beginning()

    async def stop(self) -> None:
        await self._consumer.stop()

    async def catch_up(self, ends: dict[str, int]) -> None:
        """Read up to the known ends of the log."""
        behind = {
            tp: end for tp in self._places if (end := ends.get(f"{tp.topic}/{tp.partition}", 0)) > self._read.get(tp, 0)
        }
        # By positions: what was trimmed off the end meanwhile is passed over and never read.
        while any([await self._consumer.position(tp) < end for tp, end in behind.items()]):
            self._take(await self._consumer.getmany(timeout_ms=50))

    async def repeat_telemetry(self) -> bool:
        """Write again, backwards, as often as the scenario wants, what was read of telemetry. True if there was any."""
        again = self._pending
        self._pending = []
        if again:
            await self._writer.write([copy for record in reversed(again) for copy in [record] * self._replays])
        return bool(again)

    def _take(self, batches: dict[TopicPartition, list[Any]]) -> None:
        for tp, records in batches.items():
            self._read[tp] = records[-1].offset + 1
            for record in records:
                if tp.topic == TELEMETRY.name:
                    self._note_telemetry(record)
                elif tp.topic == DEAD_LETTER.name:
                    self.dead_letters += 1
                elif record.value is not None:
                    message = serde.decode(tp.topic, record.value)
                    self._live.take(record.key.decode(), message)
                    self._count(message)

    def _note_telemetry(self, record: Any) -> None:
        if not any(name == "replayed" for name, _ in record.headers):
            headers = (*record.headers, ("replayed", b"1"))
            self._pending.append(Outgoing(record.topic, record.partition, record.key, record.value, headers))

    def _count(self, message: object) -> None:
        match message:
            case Schedule():
                self.schedules.append(message)
            case CommandEvent():
                self.commands[message.id] = message
                if message.phase is CommandPhase.SENDING:
                    self.sendings[message.id] = message
                self.outcomes.setdefault(message.id, set()).add(message.phase)
            case PlugEvent():
                self.plugs[message.id] = message
            case NotificationEvent() if message.phase is NotificationPhase.SENT:
                self.notifications.append(message)

    def plans_digest(self) -> str:
        """A fingerprint of every plan published, car by car in order: the same night gives the same one."""
        digest = blake2b(digest_size=16)
        for schedule in sorted(self.schedules, key=lambda s: (s.car, s.inputs.now, s.revision)):
            digest.update(schedule.model_dump_json().encode())
        return digest.hexdigest()
