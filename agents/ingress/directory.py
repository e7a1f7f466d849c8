"""Whose news it is: from the maker's id of a vehicle to the car and the place of its home."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pydantic import SecretStr, ValidationError

from agents.envelope import seal_context
from agents.said import Said
from agents.sealing import Sealer, Unsealable
from oem_connectors.credential import unpack
from streams.contracts.base import account_of
from streams.contracts.registration import Registration

CONSENTED = "given"


class Vehicle(NamedTuple):
    """A car as its maker knows it."""

    oem: str
    id: str


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A car of ours. `home` is "latitude,longitude", where the account's grant tells it."""

    car: str
    home: str | None = field(repr=False)


class Directory:
    """Every enrolled car with consent. Of its grant only the home is kept. `unreadable` counts what made no sense."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._vehicles: dict[str, Vehicle] = {}
        self._cars: defaultdict[Vehicle, set[str]] = defaultdict(set)
        #: Homes by account: the cars of an account may share one grant, brought by any of them.
        self._homes: defaultdict[str, dict[str, str | None]] = defaultdict(dict)
        self.unreadable = 0

    def __len__(self) -> int:
        return len(self._vehicles)

    def find(self, oem: str, vehicle: str) -> Sequence[Enrolled]:
        """The cars that are this vehicle: none that we know, one, or one per account that enrolled it."""
        cars = self._cars.get(Vehicle(oem, vehicle), ())
        return [Enrolled(car, self._home(car)) for car in sorted(cars)]

    def hear(self, records: Iterable[Said]) -> None:
        """Take registrations in, in order. One that cannot be read leaves its car as it was."""
        for said in records:
            try:
                found = None if said.value is None else Registration.model_validate_json(said.value)
            except ValidationError:
                self.unreadable += 1
                continue
            self._forget(said.key)
            if found is not None and found.consent == CONSENTED:
                self._enrol(found)

    def _enrol(self, found: Registration) -> None:
        vehicle = Vehicle(found.oem, found.vehicle)
        self._vehicles[found.car] = vehicle
        self._cars[vehicle].add(found.car)
        self._homes[account_of(found.car)][found.car] = self._told_home(found)

    def _forget(self, car: str) -> None:
        vehicle, account = self._vehicles.pop(car, None), account_of(car)
        if vehicle is None:
            return
        self._cars[vehicle].discard(car)
        self._homes[account].pop(car, None)
        if not self._cars[vehicle]:
            del self._cars[vehicle]
        if not self._homes[account]:
            del self._homes[account]

    def _home(self, car: str) -> str | None:
        homes = self._homes[account_of(car)]
        return homes[car] or next(filter(None, homes.values()), None)

    def _told_home(self, found: Registration) -> str | None:
        if found.grant_sealed is None:
            return None
        try:
            token = self._sealer.open(found.grant_sealed, seal_context(account_of(found.car))).decode()
            return unpack(SecretStr(token)).details.get("home")
        except (Unsealable, ValueError, KeyError):
            self.unreadable += 1
            return None
