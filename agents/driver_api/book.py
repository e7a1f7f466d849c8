"""Everything the log says that a driver may see, in memory: by car, by driver, and the forecasts."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple, TypeVar

from pydantic import ValidationError

from agents.driver_api.answers import message_view, session_view
from agents.driver_api.views import MessageView, SessionView
from agents.said import Said
from streams.contracts.account import AccountState
from streams.contracts.answered import Answered
from streams.contracts.base import Contract, account_of
from streams.contracts.forecast import Forecast
from streams.contracts.notification import NotificationEvent
from streams.contracts.preference import Preference
from streams.contracts.push_device import PushDevice
from streams.contracts.registration import Registration
from streams.contracts.session import SessionSettled
from streams.domain.forecasts import merge
from streams.topics import (
    ACCOUNT,
    ANSWERED,
    CARBON,
    DEVICE,
    NOTIFICATION,
    PREFERENCE,
    PRICE,
    REGISTRATION,
    SCHEDULE,
    SESSION,
    STATUS,
)

#: The topics a book is made of.
SOURCES: Final = (
    REGISTRATION, PREFERENCE, ACCOUNT, STATUS, SCHEDULE, SESSION, NOTIFICATION, DEVICE, ANSWERED, PRICE, CARBON,
)  # fmt: skip
SESSIONS_KEPT: Final = 400
MESSAGES_KEPT: Final = 50
ANSWERS_KEPT: Final = 100_000

_Known = TypeVar("_Known", bound=Contract)
_Place = TypeVar("_Place", str, tuple[str, str])
#: Topics of which the newest record per car is kept as it is, and read when somebody asks.
_RAW: Final = {PREFERENCE.name: "preference", STATUS.name: "status", SCHEDULE.name: "schedule"}


@dataclass(slots=True)
class Kept:
    """What is known of one car. Records of a car that is not enrolled wait for its registration."""

    registration: Registration | None = None
    preference: bytes | None = None
    status: bytes | None = None
    schedule: bytes | None = None
    sessions: dict[str, tuple[int, SessionView]] = field(default_factory=dict)

    def history(self) -> list[SessionView]:
        """Sessions since the car was linked; what was before is shown to nobody, in whatever order topics are read."""
        if self.registration is None:
            return []
        since = self.registration.registered_at
        return [view for _, view in self.sessions.values() if view.ended_at >= since]


class News(NamedTuple):
    """What some records changed: cars by driver, and new messages."""

    cars: Mapping[str, set[str]]
    messages: tuple[tuple[str, MessageView], ...]


class Book:
    """Takes records in, in order per key; the same record again changes nothing. `unreadable` counts senseless ones."""

    def __init__(self) -> None:
        self.cars: dict[str, Kept] = {}
        self.accounts: dict[str, AccountState] = {}
        self.forecasts: dict[tuple[str, str], Forecast] = {}
        self.answered: OrderedDict[str, Answered] = OrderedDict()
        self.unreadable = 0
        self._by_driver: defaultdict[str, set[str]] = defaultdict(set)
        self._by_account: defaultdict[str, set[str]] = defaultdict(set)
        self._by_vehicle: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self._messages: defaultdict[str, dict[str, MessageView]] = defaultdict(dict)
        self._devices: defaultdict[str, dict[str, PushDevice]] = defaultdict(dict)
        self._device_of: dict[str, str] = {}

    def cars_of(self, driver: str) -> list[str]:
        """The driver's cars, in order."""
        return sorted(self._by_driver.get(driver, ()))

    def of(self, driver: str, car: str) -> Kept | None:
        """What is known of the driver's car; None for another's, as for one that does not exist."""
        return self.cars.get(car) if car in self._by_driver.get(driver, ()) else None

    def holders(self, oem: str, vehicle: str) -> set[str]:
        """The cars that are this vehicle of the maker's."""
        return set(self._by_vehicle.get((oem, vehicle), ()))

    def messages_of(self, driver: str) -> list[MessageView]:
        """What the driver was told, newest first: accounts lie in partitions that are read one after the other."""
        return sorted(self._messages.get(driver, {}).values(), key=lambda one: one.at, reverse=True)

    def devices_of(self, driver: str) -> list[PushDevice]:
        """The driver's devices, one record for each of the accounts."""
        return list(self._devices.get(driver, {}).values())

    def hear(self, records: Iterable[Said]) -> News:
        """Take records in."""
        cars: defaultdict[str, set[str]] = defaultdict(set)
        messages: list[tuple[str, MessageView]] = []
        for said in records:
            left = self._driver_of(said.key)
            try:
                for car in self._take(said, messages):
                    for driver in {left, self._driver_of(car)} - {None}:
                        cars[str(driver)].add(car)
            except ValidationError:
                self.unreadable += 1
        return News(cars, tuple(messages))

    def _driver_of(self, car: str) -> str | None:
        kept = self.cars.get(car)
        return None if kept is None or kept.registration is None else kept.registration.driver

    def _take(self, said: Said, messages: list[tuple[str, MessageView]]) -> Iterable[str]:
        """Take one record in; returns the cars that it is about."""
        topic, key, value = said.source, said.key, said.value
        if topic in _RAW:
            return self._keep(key, _RAW[topic], value)
        if topic == REGISTRATION.name:
            return self._enrol(key, value, said.erased_at)
        if topic == SESSION.name and value is not None:
            return self._settle(SessionSettled.model_validate_json(value))
        if topic == ACCOUNT.name:
            _keep_or_drop(self.accounts, key, AccountState, value)
            return set(self._by_account.get(key, ()))
        if topic == NOTIFICATION.name and value is not None:
            self._tell(NotificationEvent.model_validate_json(value), messages)
        elif topic == DEVICE.name:
            self._device(key, value)
        elif topic == ANSWERED.name and value is not None:
            self.remember(Answered.model_validate_json(value))
        elif topic in {PRICE.name, CARBON.name} and value is not None:
            self._forecast(Forecast.model_validate_json(value))
        return ()

    def remember(self, answer: Answered) -> None:
        """An answered write; the oldest make room."""
        self.answered[answer.key] = answer
        while len(self.answered) > ANSWERS_KEPT:
            self.answered.popitem(last=False)

    def _keep(self, car: str, name: str, value: bytes | None) -> Iterable[str]:
        if value is None and car not in self.cars:
            return ()
        kept = self.cars.setdefault(car, Kept())
        if name == "preference" and _is_older(value, kept.preference):
            return ()
        setattr(kept, name, value)
        self._sweep(car)
        return (car,)

    def _enrol(self, car: str, value: bytes | None, erased_at: datetime | None) -> Iterable[str]:
        found = None if value is None else Registration.model_validate_json(value)
        kept = self.cars.setdefault(car, Kept())
        self._strike(car, kept.registration)
        if found is None:
            # Other topics may have been read before, and tell of a later enrolment already: what is older goes.
            past = [name for name, (_, one) in kept.sessions.items() if erased_at is None or one.ended_at <= erased_at]
            for name in past:
                del kept.sessions[name]
        elif found.consent == "given":
            kept.registration = found
            self._by_driver[found.driver].add(car)
            self._by_account[account_of(car)].add(car)
            self._by_vehicle[found.oem, found.vehicle].add(car)
        self._sweep(car)
        return (car,)

    def _strike(self, car: str, known: Registration | None) -> None:
        if known is None:
            return
        self.cars[car].registration = None
        _discard(self._by_driver, known.driver, car)
        _discard(self._by_account, account_of(car), car)
        _discard(self._by_vehicle, (known.oem, known.vehicle), car)

    def _sweep(self, car: str) -> None:
        if self.cars[car] == Kept():
            del self.cars[car]

    def _settle(self, settled: SessionSettled) -> Iterable[str]:
        sessions = self.cars.setdefault(settled.car, Kept()).sessions
        known = sessions.get(settled.session_id)
        if known is None or known[0] < settled.revision:
            sessions[settled.session_id] = settled.revision, session_view(settled)
        while len(sessions) > SESSIONS_KEPT:
            del sessions[min(sessions, key=lambda one: sessions[one][1].ended_at)]
        return (settled.car,)

    def _tell(self, event: NotificationEvent, messages: list[tuple[str, MessageView]]) -> None:
        told = self._messages[event.driver]
        if event.id in told:
            return
        told[event.id] = view = message_view(event)
        while len(told) > MESSAGES_KEPT:
            del told[min(told, key=lambda one: told[one].at)]
        if event.id in told:
            messages.append((event.driver, view))

    def _device(self, key: str, value: bytes | None) -> None:
        known = self._device_of.pop(key, None)
        if known is not None:
            del self._devices[known][key]
            if not self._devices[known]:
                del self._devices[known]
        if value is not None:
            device = PushDevice.model_validate_json(value)
            self._devices[device.driver][key] = device
            self._device_of[key] = device.driver

    def _forecast(self, vintage: Forecast) -> None:
        where = vintage.kind.value, vintage.key
        self.forecasts[where] = merge(self.forecasts.get(where), vintage)


def _is_older(value: bytes | None, known: bytes | None) -> bool:
    """Whether a wish is older than the known one: the log may still bring what came before our own last word."""
    if value is None:
        return False
    wish = Preference.model_validate_json(value)
    return known is not None and wish.updated_at < Preference.model_validate_json(known).updated_at


def _discard(index: dict[_Place, set[str]], place: _Place, car: str) -> None:
    index[place].discard(car)
    if not index[place]:
        del index[place]


def _keep_or_drop(known: dict[str, _Known], key: str, model: type[_Known], value: bytes | None) -> None:
    if value is None:
        known.pop(key, None)
    else:
        known[key] = model.model_validate_json(value)
