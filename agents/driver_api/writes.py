"""What drivers want, as records of the log: done once Kafka has them, and seen at once by who asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import count
from secrets import token_hex
from typing import Final, Literal, Protocol
from weakref import WeakValueDictionary

from agents.clock import Clock
from agents.driver_api.read_model import ReadModel
from agents.engine.log import Outgoing
from agents.envelope import push_context
from agents.partitions import home_partition
from agents.said import Said
from agents.sealing import Sealer
from streams import serde
from streams.contracts.answered import Answered
from streams.contracts.base import Contract, Language, account_of
from streams.contracts.preference import Preference
from streams.contracts.push_device import PushDevice
from streams.contracts.registration import Registration
from streams.domain.ids import stable_id
from streams.topics import ANSWERED, DEVICE, PREFERENCE, REGISTRATION, Topic

SOURCE: Final = "driver_api"
_TICK: Final = timedelta(milliseconds=1)


class Writes(Protocol):
    """A journal."""

    async def write(self, records: Sequence[Outgoing]) -> None:
        """Durable on return. Raises NotDurable."""


class Wishes:
    """Writes drivers' wishes. Every method returns when Kafka has them and raises NotDurable when it may not."""

    def __init__(self, read: ReadModel, journal: Writes, sealer: Sealer, clock: Clock, partitions: int) -> None:
        self._read, self._journal, self._sealer = read, journal, sealer
        self._clock, self._partitions = clock, partitions
        self._run, self._numbers = token_hex(8), count(1)
        self._changing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def changing(self, car: str) -> asyncio.Lock:
        """Held from reading a preference to writing it: two changes at once are both done."""
        return self._changing.setdefault(car, asyncio.Lock())

    async def prefer(self, driver: str, preference: Preference) -> None:
        """The preference as a whole. Of a car that is not the driver's: nothing."""
        known = self._read.preference(driver, preference.car)
        if known is None:
            return
        # Virtual time may stand still between two wishes, and the later one must win.
        at = max(self._clock.now(), known.updated_at + _TICK)
        await self._write([(PREFERENCE, preference.car, preference.model_copy(update={"updated_at": at}))])

    async def enrol(self, driver: str, registrations: Sequence[Registration], language: Language) -> None:
        """Linked cars of one account, with first wishes where there are none, and the driver's devices."""
        at, changes = self._clock.now(), list[tuple[Topic, str, Contract | None]]()
        for one in registrations:
            kept = self._read.book.of(driver, one.car)
            # Linked again without having been forgotten: what it did since the first time stays its history.
            since = one if kept is None or kept.registration is None else kept.registration
            changes.append((REGISTRATION, one.car, one.model_copy(update={"registered_at": since.registered_at})))
            if kept is None or kept.preference is None:
                changes.append((PREFERENCE, one.car, Preference(car=one.car, language=language, updated_at=at)))
        await self._write(changes)
        for account in {account_of(one.car) for one in registrations}:
            await self.devices_for(driver, account)

    async def unlink(self, driver: str, car: str) -> None:
        """Forget one car; with the last one of an account, the devices there."""
        if self._read.registration(driver, car) is None:
            return
        account = account_of(car)
        last = all(account_of(other) != account for other in self._read.book.cars_of(driver) if other != car)
        devices = [one.device for one in self._read.book.devices_of(driver) if account_of(one.device) == account]
        await self._forget([car], devices if last else [])

    async def erase(self, driver: str) -> None:
        """Forget the driver: cars, wishes and devices."""
        cars = self._read.book.cars_of(driver)
        devices = [one.device for one in self._read.book.devices_of(driver)]
        await self._forget(cars, devices)

    async def _forget(self, cars: Sequence[str], devices: Sequence[str]) -> None:
        # While the registrations stand, who failed half-way can try again: they name what is to be forgotten.
        await self._write([(PREFERENCE, car, None) for car in cars] + [(DEVICE, device, None) for device in devices])
        await self._write([(REGISTRATION, car, None) for car in cars])

    async def add_device(self, driver: str, kind: Literal["fcm", "webpush"], target: str) -> str | None:
        """Register a device with each of the driver's accounts; returns its id, None where there is no account."""
        accounts = sorted({account_of(car) for car in self._read.book.cars_of(driver)})
        device = stable_id(driver, kind, target)
        await self._write([self._device(driver, account, device, kind, target) for account in accounts])
        return device if accounts else None

    async def drop_device(self, driver: str, device: str) -> bool:
        """Unregister a device; False where the driver has none of that id."""
        keys = [one.device for one in self._read.book.devices_of(driver) if _id(one.device) == device]
        await self._write([(DEVICE, key, None) for key in keys])
        return bool(keys)

    async def devices_for(self, driver: str, account: str) -> None:
        """An account that was just linked learns of the driver's devices."""
        known = {_id(one.device): one for one in self._read.book.devices_of(driver)}
        there = {_id(one.device) for one in self._read.book.devices_of(driver) if account_of(one.device) == account}
        missing = [one for device, one in known.items() if device not in there]
        opened = [(one, self._sealer.open(one.target_sealed, push_context(account_of(one.device)))) for one in missing]
        await self._write(
            [self._device(driver, account, _id(one.device), one.kind, target.decode()) for one, target in opened]
        )

    async def answered(self, answer: Answered) -> None:
        """An answer that the same request gets again."""
        await self._write([(ANSWERED, answer.key, answer)])

    def _device(
        self, driver: str, account: str, device: str, kind: Literal["fcm", "webpush"], target: str
    ) -> tuple[Topic, str, Contract]:
        key = f"{account}.{device}"
        sealed = self._sealer.seal(target.encode(), push_context(account))
        made = PushDevice(device=key, driver=driver, kind=kind, target_sealed=sealed, since=self._clock.now())
        return DEVICE, key, made

    async def _write(self, changes: Iterable[tuple[Topic, str, Contract | None]]) -> None:
        now = self._clock.now()
        records = [self._record(topic, key, message, now) for topic, key, message in changes]
        if records:
            await self._journal.write(records)
            self._read.heard_ourselves([Said(one.topic, (one.key or b"").decode(), one.value) for one in records])

    def _record(self, topic: Topic, key: str, message: Contract | None, now: datetime) -> Outgoing:
        ce_id = f"{SOURCE}-{self._run}-{next(self._numbers)}".encode()
        headers = (*serde.headers(topic.name, SOURCE, now), ("ce_id", ce_id))
        value = None if message is None else serde.encode(message)
        return Outgoing(topic.name, home_partition(key, self._partitions), key.encode(), value, headers)


def _id(key: str) -> str:
    """The device of a key `<account>.<device>`."""
    return key.partition(".")[2]
