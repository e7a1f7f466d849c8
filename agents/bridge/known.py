"""Who is enrolled and what drivers want, as the log says: what a change of a document is held against."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple, TypeVar

from agents.follow import LogReader
from agents.said import Said
from agents.settings import Settings
from streams import serde
from streams.contracts.base import account_of
from streams.contracts.preference import Preference
from streams.contracts.registration import Registration
from streams.topics import PREFERENCE, REGISTRATION

_Key = TypeVar("_Key")


class Enrolled(NamedTuple):
    """A car; `vehicle` is its maker and the maker's id."""

    driver: str
    vehicle: tuple[str, str]
    at: datetime


class Known:
    """Cars with their drivers, and since when what is known of them holds. `unreadable` counts what made no sense."""

    def __init__(self) -> None:
        self.cars: dict[str, Enrolled] = {}
        self.gone: dict[str, datetime] = {}
        self.wished: dict[str, datetime] = {}
        self.unreadable = 0
        self._accounts: defaultdict[str, set[str]] = defaultdict(set)
        self._vehicles: defaultdict[tuple[str, str], set[str]] = defaultdict(set)

    def owners(self, car: str, vehicle: tuple[str, str] | None = None) -> set[str]:
        """Whose the car, its account and its maker's vehicle are."""
        cars = self._accounts.get(account_of(car), set()) | (self._vehicles.get(vehicle, set()) if vehicle else set())
        return {self.cars[one].driver for one in cars}

    def hear(self, records: Iterable[Said]) -> None:
        """Take records in, in order. One that cannot be read leaves its car as it was."""
        for said in records:
            try:
                message = None if said.value is None else serde.decode(said.source, said.value)
            except serde.Undecodable:
                self.unreadable += 1
                continue
            match message:
                case Registration():
                    self._enrol(said.key, message)
                case Preference():
                    self.wished[said.key] = message.updated_at
                case None if said.source == REGISTRATION.name:
                    self._erase(said)

    def _enrol(self, car: str, found: Registration) -> None:
        self._forget(car)
        self.gone.pop(car, None)
        self.cars[car] = Enrolled(found.driver, (found.oem, found.vehicle), found.registered_at)
        self._accounts[account_of(car)].add(car)
        self._vehicles[found.oem, found.vehicle].add(car)

    def _erase(self, said: Said) -> None:
        self._forget(said.key)
        self.wished.pop(said.key, None)
        if said.erased_at is not None:
            self.gone[said.key] = said.erased_at

    def _forget(self, car: str) -> None:
        known = self.cars.pop(car, None)
        if known is None:
            return
        _drop(self._accounts, account_of(car), car)
        _drop(self._vehicles, known.vehicle, car)


class KnownReader(LogReader):
    """Follows both topics. Whenever the log is read anew, what is known is made anew and takes its place at the end."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, {topic.name: topic.name for topic in (REGISTRATION, PREFERENCE)})
        self._filling = self.known = Known()
        #: Read to its end at least once.
        self.read_once = False

    def began(self) -> None:
        self._filling = Known()

    def took(self, said: list[Said]) -> None:
        self._filling.hear(said)

    def reached(self) -> None:
        self.known, self.read_once = self._filling, True


def _drop(index: defaultdict[_Key, set[str]], key: _Key, car: str) -> None:
    index[key].discard(car)
    if not index[key]:
        del index[key]
