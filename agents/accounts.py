"""registrations -> account link health, and custody of the OEM grants: one owner per account, written before used."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from hashlib import blake2b

import structlog

from agents import custody, envelope
from agents.engine.stage import Lane, Stage, Work
from agents.envelope import seal_context
from agents.metrics import Metrics
from agents.sealing import Sealer, Unsealable
from oem_connectors.errors import OemError
from streams.contracts.account import Link
from streams.contracts.base import account_of
from streams.contracts.internal import Tick, TickPhase
from streams.contracts.registration import Registration
from streams.topics import ACCOUNT, REGISTRATION, TICK
from tables import ACCOUNTS, KEYS
from tables.rows import AccountRow

LOG = structlog.get_logger("d2ev")
#: An account whose last car has gone keeps its keys this long, so that cars we hold can be started.
FAREWELL = timedelta(seconds=30)
#: A renewal that failed is tried again after this.
AGAIN = timedelta(minutes=1)
#: Renews the access token of an account of a partition if it is time. Raises OemError.
Renew = Callable[[int, str], Awaitable[None]]


def stage(sealer: Sealer, renew: Renew, metrics: Metrics) -> Stage:
    """The stage; `sealer` holds the seal keys, `renew` keeps access tokens fresh even while nobody uses them."""
    keeper = Keeper(sealer, renew, metrics)
    return Stage(
        "accounts",
        reads=(REGISTRATION, TICK),
        writes=(ACCOUNT,),
        tables=(ACCOUNTS, KEYS),
        step=keeper.step,
        restore=keeper.restore,
    )


class Keeper:
    """Takes grants into custody under a key of the account's own, renews what comes of them, and forgets both."""

    def __init__(self, sealer: Sealer, renew: Renew, metrics: Metrics) -> None:
        self._sealer = sealer
        self._renew = renew
        self._metrics = metrics

    def step(self, work: Work) -> None:
        for record in work:
            match record.value:
                case Tick(phase=TickPhase.READ):
                    work.attend(partial(self._attend, work))
                case Registration() as registration:
                    self._enrol(work, registration)
                case None:
                    _leave(work, record.key)

    def restore(self, work: Work) -> None:
        """After a take-over: every data key under the seal key of today, every account looked at in its time."""
        behind = 0
        for account, key in work.items(KEYS):
            try:
                current = envelope.rewrapped(self._sealer, key)
            except Unsealable:
                behind += 1
            else:
                if current is not key:
                    work.put(KEYS, account, current)
        if behind:
            LOG.error("data keys that no seal key opens", partition=work.partition, keys=behind)
        self._metrics.keys_not_current.inc(behind)
        for account, row in work.items(ACCOUNTS):
            work.due.set(account, _due(row))

    def _enrol(self, work: Work, registration: Registration) -> None:
        account = account_of(registration.car)
        row = work.get(ACCOUNTS, account)
        cars = tuple(sorted({*(row.cars if row else ()), registration.car}))
        if registration.grant_sealed is None:
            if row is not None:
                _joined(work, row, cars)
            return
        try:
            token = self._sealer.open(registration.grant_sealed, seal_context(account))
        except Unsealable:
            _unreadable(work, registration, row, cars)
            return
        origin = blake2b(token, digest_size=12, person=b"d2ev grant").hexdigest()
        if row is not None and origin in row.origins and not self._half_taken(work, row):
            _joined(work, row, cars)
            return
        self._adopt(work, registration, row, token, origin, cars)

    def _adopt(
        self,
        work: Work,
        registration: Registration,
        row: AccountRow | None,
        token: bytes,
        origin: str,
        cars: tuple[str, ...],
    ) -> None:
        account = account_of(registration.car)
        key = work.get(KEYS, account)
        if key is None:
            key = envelope.data_key(self._sealer, account, work.now)
            work.put(KEYS, account, key)
        sealed = envelope.opened(self._sealer, key).seal(token, seal_context(account))
        origins = (*(row.origins if row else ()), origin)[-8:]
        fresh = AccountRow(
            account=account, oem=registration.oem, sealed_token=sealed, origins=origins, cars=cars, since=work.now
        )
        work.put(ACCOUNTS, account, fresh)
        custody.tell(work, fresh, "linked by the driver")

    def _half_taken(self, work: Work, row: AccountRow) -> bool:
        """A crash while the grant was adopted may have left the row without its key; unused, it is adopted anew."""
        return work.get(KEYS, row.account) is None and row.rotations == 0 and row.refreshing_since is None

    def _attend(self, work: Work, account: str) -> None:
        row = work.get(ACCOUNTS, account)
        if row is None:
            return
        if row.link is Link.REVOKED:
            work.delete(ACCOUNTS, account)
            work.delete(KEYS, account)
        elif row.link not in custody.LOST:
            work.spawn(account, partial(self._keep_fresh, account=account))

    async def _keep_fresh(self, lane: Lane, account: str) -> None:
        with suppress(OemError):
            await self._renew(lane.partition, account)
        await lane.commit(partial(_attend_later, account=account))


def _attend_later(work: Work, account: str) -> None:
    row = work.get(ACCOUNTS, account)
    at = None if row is None else _due(row)
    work.due.set(account, None if at is None else max(at, work.memory.clock + AGAIN))


def _due(row: AccountRow) -> datetime | None:
    return row.since + FAREWELL if row.link is Link.REVOKED else custody.renew_at(row)


def _joined(work: Work, row: AccountRow, cars: tuple[str, ...]) -> None:
    """A car of an account that is in custody already, perhaps back within the farewell."""
    if row.link is Link.REVOKED:
        back = row.model_copy(update={"cars": cars, "link": Link.LINKED, "since": work.now})
        work.put(ACCOUNTS, row.account, back)
        custody.tell(work, back, "linked by the driver")
    elif cars != row.cars:
        work.put(ACCOUNTS, row.account, row.model_copy(update={"cars": cars}))


def _unreadable(work: Work, registration: Registration, row: AccountRow | None, cars: tuple[str, ...]) -> None:
    """A grant that works is not given up for one that cannot be read, and a loss is told once."""
    if row is not None:
        _joined(work, row, cars)
        return
    account = account_of(registration.car)
    lost = AccountRow(
        account=account,
        oem=registration.oem,
        sealed_token=None,
        cars=cars,
        link=Link.NEEDS_CONSENT,
        since=work.now,
    )
    work.put(ACCOUNTS, account, lost)
    custody.tell(work, lost, "the grant cannot be opened")


def _leave(work: Work, car: str) -> None:
    """The last car of an account takes grant and data key with it, after a moment in which held cars are started."""
    account = account_of(car)
    row = work.get(ACCOUNTS, account)
    if row is None or car not in row.cars:
        return
    cars = tuple(other for other in row.cars if other != car)
    update: dict[str, object] = {"cars": cars}
    if not cars:
        update |= {"link": Link.REVOKED, "since": work.now}
        work.due.set(account, work.now + FAREWELL)
        work.send(ACCOUNT, account, None)
    work.put(ACCOUNTS, account, row.model_copy(update=update))
