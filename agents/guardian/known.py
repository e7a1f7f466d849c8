"""What the guardian knows: who is held, and the sealed tokens that start them. Plain data, no clock, no Kafka."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from agents.said import Said
from streams.contracts.base import account_of
from streams.contracts.held import HeldCar
from streams.topics import HELD
from tables import ACCOUNTS, KEYS
from tables.rows import AccountRow, KeyRow, Row

#: Longer ago than tombstones stay on the log, so a car that the log no longer names may have been freed.
FORGOTTEN_AFTER: Final = timedelta(days=6)


class Access(Row):
    """An account's newest access token, sealed by the account's data key. The refresh token is never taken."""

    sealed: str
    expires_at: datetime


class Way(NamedTuple):
    """What opens an account: its token and the key that the token is sealed with."""

    access: Access
    key: KeyRow


@dataclass(slots=True)
class Known:
    """The newest word on every held car and on the accounts' tokens. `unreadable` counts records that made no sense."""

    cars: dict[str, HeldCar] = field(default_factory=dict)
    access: dict[str, Access] = field(default_factory=dict)
    keys: dict[str, KeyRow] = field(default_factory=dict)
    unreadable: int = 0
    version: int = 0

    def hear(self, records: Iterable[Said]) -> None:
        """Take records in, in order. What none of them names stays as it is: a log that lost records frees nobody."""
        for said in records:
            try:
                _TAKE[said.source](self, said.key, said.value)
            except ValueError:
                self.unreadable += 1
            self.version += 1

    def way(self, car: HeldCar, now: datetime) -> Way | None:
        """What opens the car's account, if it still does by our clock."""
        account = account_of(car.car)
        access, key = self.access.get(account), self.keys.get(account)
        return None if access is None or key is None or access.expires_at <= now else Way(access, key)

    def forget(self, before: datetime) -> None:
        """Drop cars whose lease lapsed before then."""
        self.cars = {key: car for key, car in self.cars.items() if car.lease_until >= before}


def _held(known: Known, key: str, value: bytes | None) -> None:
    _put(known.cars, key, None if value is None else HeldCar.model_validate_json(value))


def _account(known: Known, key: str, value: bytes | None) -> None:
    row: AccountRow | None = None if value is None else ACCOUNTS.decode(value)
    access = None
    if row is not None and row.sealed_access is not None and row.access_expires_at is not None:
        access = Access(sealed=row.sealed_access, expires_at=row.access_expires_at)
    _put(known.access, key, access)


def _key(known: Known, key: str, value: bytes | None) -> None:
    _put(known.keys, key, None if value is None else KEYS.decode(value))


def _put(rows: dict[str, Any], key: str, row: Any) -> None:
    if row is None:
        rows.pop(key, None)
    else:
        rows[key] = row


_TAKE: Final[Mapping[str, Callable[[Known, str, bytes | None], None]]] = {
    HELD.name: _held,
    ACCOUNTS.name: _account,
    KEYS.name: _key,
}
