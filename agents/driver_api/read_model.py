"""The read model: follows the log and answers for any car of any driver, and wakes those who watch one."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Final, TypeVar

from pydantic import ValidationError

from agents.clock import Clock, LogClock, SystemClock
from agents.driver_api.answers import (
    block_views,
    car_view,
    first_status,
    history_view,
    outlook_view,
    preference_view,
)
from agents.driver_api.book import SOURCES, Book, Kept, News
from agents.driver_api.views import CarView, HistoryView, MessageView, OutlookView, PreferenceView
from agents.follow import LogReader
from agents.said import Said
from agents.settings import Settings
from streams.contracts.base import Contract, account_of
from streams.contracts.driver_status import DriverStatus
from streams.contracts.preference import Preference
from streams.contracts.registration import Registration
from streams.contracts.schedule import Schedule

_MESSAGES_WAITING: Final = 50

C = TypeVar("C", bound=Contract)


class Watcher:
    """Someone who looks at one driver's cars. What changed meanwhile is remembered once, however often it changes.

    `turns` is shared by all who look.
    """

    def __init__(self, turns: asyncio.Lock) -> None:
        self._turns = turns
        self._cars: set[str] = set()
        self._messages: list[MessageView] = []
        self._woken = asyncio.Event()

    def tell(self, cars: set[str], messages: Sequence[MessageView] = ()) -> None:
        """Something changed."""
        self._cars |= cars
        self._messages = [*self._messages, *messages][-_MESSAGES_WAITING:]
        self._woken.set()

    async def news(self, seconds: float) -> tuple[set[str], list[MessageView]]:
        """What changed since asked last; nothing if nothing does for so long."""
        try:
            await asyncio.wait_for(self._woken.wait(), seconds)
        except TimeoutError:
            return set(), []
        # A beat changes every car at once: who asks is answered between two who look, not after all of them.
        async with self._turns:
            await asyncio.sleep(0)
        self._woken.clear()
        cars, self._cars = self._cars, set()
        messages, self._messages = self._messages, []
        return cars, messages


class ReadModel(LogReader):
    """What drivers may see.

    Whenever the log is read anew, so is a book of its own, and it takes the place of the other at the end.
    """

    def __init__(self, settings: Settings) -> None:
        ticks = LogClock() if settings.clock == "log" else None
        super().__init__(settings, {topic.name: topic.name for topic in SOURCES}, ticks)
        self.clock: Clock = ticks or SystemClock()
        self.book = self._filling = Book()
        #: Read to its end at least once.
        self.known = False
        self._watchers: defaultdict[str, set[Watcher]] = defaultdict(set)
        self._turns = asyncio.Lock()

    @property
    def watchers(self) -> int:
        """How many look at their cars just now."""
        return sum(map(len, self._watchers.values()))

    @contextmanager
    def watching(self, driver: str) -> Iterator[Watcher]:
        """Be told what changes about the driver's cars."""
        watcher = Watcher(self._turns)
        self._watchers[driver].add(watcher)
        try:
            yield watcher
        finally:
            self._watchers[driver].discard(watcher)
            if not self._watchers[driver]:
                del self._watchers[driver]

    def watched_by(self, driver: str) -> int:
        """How many look at this driver's cars."""
        return len(self._watchers.get(driver, ()))

    # What drivers ask

    def cars(self, driver: str) -> list[CarView]:
        """The driver's cars."""
        views = (self.car(driver, car) for car in self.book.cars_of(driver))
        return [view for view in views if view is not None]

    def car(self, driver: str, car: str) -> CarView | None:
        """One of the driver's cars; None for another's."""
        kept = self.book.of(driver, car)
        if kept is None or kept.registration is None:
            return None
        now = self.clock.now()
        last = max(kept.history(), key=lambda one: one.ended_at, default=None)
        told = self._told(kept, kept.registration, now)
        return car_view(kept.registration, told, _schedule(kept), _preference(kept), last, now)

    def outlook(self, driver: str, car: str) -> OutlookView | None:
        """Price and carbon ahead, with the plan."""
        kept = self.book.of(driver, car)
        if kept is None or kept.registration is None:
            return None
        view, schedule = self.car(driver, car), _schedule(kept)
        blocks = () if view is None or view.plan is None or schedule is None else block_views(schedule)
        price = self.book.forecasts.get(("price", kept.registration.tariff))
        carbon = self.book.forecasts.get(("carbon", kept.registration.region))
        return outlook_view(kept.registration, price, carbon, blocks, self.clock.now())

    def history(self, driver: str, car: str, before: datetime | None = None) -> HistoryView | None:
        """Settled sessions and what they saved."""
        kept = self.book.of(driver, car)
        if kept is None or kept.registration is None:
            return None
        return history_view(kept.history(), kept.registration.home_zone, before)

    def preference(self, driver: str, car: str) -> Preference | None:
        """The preference as it stands, its defaults where nothing was chosen; None for another's car."""
        kept = self.book.of(driver, car)
        if kept is None:
            return None
        return _preference(kept) or Preference(car=car, updated_at=self.clock.now())

    def preference_view(self, driver: str, car: str) -> PreferenceView | None:
        """The preference as drivers read it."""
        kept = self.book.of(driver, car)
        return None if kept is None else preference_view(_preference(kept), car)

    def registration(self, driver: str, car: str) -> Registration | None:
        """How the driver's car is enrolled."""
        kept = self.book.of(driver, car)
        return None if kept is None else kept.registration

    def messages(self, driver: str) -> list[MessageView]:
        """What the driver was told about the cars that are still there, newest first."""
        cars = {car: self.registration(driver, car) for car in self.book.cars_of(driver)}
        since = {car: one.registered_at for car, one in cars.items() if one is not None}
        return [one for one in self.book.messages_of(driver) if one.car in since and one.at >= since[one.car]]

    # What the log says

    def began(self) -> None:
        self._filling = Book()

    def took(self, said: list[Said]) -> None:
        news = self._filling.hear(said)
        if self._filling is self.book:
            self._wake(news)

    def reached(self) -> None:
        if self._filling is not self.book:
            before, self.book = self.book, self._filling
            for driver, watchers in self._watchers.items():
                for watcher in watchers:
                    watcher.tell({*before.cars_of(driver), *self.book.cars_of(driver)})
        self.known = True

    def heard_ourselves(self, said: list[Said]) -> None:
        """What we wrote and Kafka has, before it comes back to us by the log."""
        self._wake(self.book.hear(said))

    def _wake(self, news: News) -> None:
        for driver, cars in news.cars.items():
            for watcher in self._watchers.get(driver, ()):
                watcher.tell(cars)
        for driver, message in news.messages:
            for watcher in self._watchers.get(driver, ()):
                watcher.tell(set(), [message])

    def _told(self, kept: Kept, registration: Registration, now: datetime) -> DriverStatus:
        status = _read(DriverStatus, kept.status)
        if status is None:
            account = self.book.accounts.get(account_of(registration.car))
            return first_status(registration, account, _preference(kept), now)
        return status


def _schedule(kept: Kept) -> Schedule | None:
    return _read(Schedule, kept.schedule)


def _preference(kept: Kept) -> Preference | None:
    return _read(Preference, kept.preference)


def _read(model: type[C], value: bytes | None) -> C | None:
    """What a kept record says; one without sense says nothing, and takes nothing else from its driver."""
    with suppress(ValidationError):
        return None if value is None else model.model_validate_json(value)
    return None
