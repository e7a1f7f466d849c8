"""Access tokens of the accounts in custody: taken from the log only, renewed early, by one refresh at a time.

A refresh token is good once. Before one is spent the log says so; its successor is on the log before anything that
came with it is used; a refresh that was not answered is tried again with the old token, which is all there is. Where
that token was spent, trying it may end every token of the account: cars that we hold are let go first.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import Enum, auto
from functools import partial
from typing import NamedTuple

from pydantic import SecretStr

from agents import custody, envelope
from agents.clock import Clock
from agents.engine.stage import Lane, Revoked
from agents.envelope import access_context, seal_context
from agents.failpoints import reach
from agents.gate import Gate, Suspended
from agents.metrics import Metrics
from agents.sealing import Sealer, Unsealable
from oem_connectors.base import Grant
from oem_connectors.errors import NeedsConsent, OemError, OutcomeUnknown, Throttled, Unavailable, Unsupported
from oem_connectors.http import OemClient
from tables import ACCOUNTS, KEYS
from tables.rows import AccountRow

#: How long giving up a partition may wait for a refresh under way.
ROTATION_SECONDS = 10
#: A refresh that failed for a reason of its own is not tried again sooner.
AGAIN = timedelta(seconds=30)
#: How long a refresh that may end the consent waits for cars to be let go: some makers forgive for half an hour only.
LET_GO = timedelta(minutes=20)


class Use(Enum):
    """What a call does with its car: lets it charge, keeps it from charging, or neither."""

    RELEASE = auto()
    HOLD = auto()
    OTHER = auto()


class Held(NamedTuple):
    """An account in custody: its row, its sealed refresh token, and what opens both tokens."""

    row: AccountRow
    token: str
    sealer: Sealer

    def refresh_token(self) -> SecretStr:
        """The refresh token. Raises Unavailable."""
        return self._open(self.token, seal_context(self.row.account))

    def grant(self) -> Grant:
        """What calls need; the refresh token stays in custody. Raises Unavailable."""
        row = self.row
        if row.sealed_access is None or row.access_expires_at is None:
            raise Unavailable("there is no access token")
        access = self._open(row.sealed_access, access_context(row.account))
        return Grant(access_token=access, refresh_token=SecretStr(""), expires_at=row.access_expires_at)

    def _open(self, sealed: str, context: str) -> SecretStr:
        try:
            return SecretStr(self.sealer.open(sealed, context).decode())
        except Unsealable as error:
            raise Unavailable(str(error)) from None


class Grants:
    """The grants of a worker's accounts. `lane_of(partition)` is the lane that has custody of a partition's.

    `may_hold(partition, car)` tells whether a stop of ours may keep the car from charging.
    """

    def __init__(
        self,
        clients: Mapping[str, OemClient],
        gates: Mapping[str, Gate],
        lane_of: Callable[[int], Lane],
        may_hold: Callable[[int, str], bool],
        sealer: Sealer,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._clients = clients
        self._gates = gates
        self._lane_of = lane_of
        self._may_hold = may_hold
        self._sealer = sealer
        self._clock = clock
        self._metrics = metrics
        self._flights: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._rotations: set[asyncio.Task[None]] = set()
        self._not_before: dict[str, datetime] = {}
        self._closing = False

    async def settle(self) -> None:
        """Begin no refresh any more, and wait for those under way: without its successor a spent token is lost."""
        self._closing = True
        if self._rotations:
            await asyncio.wait(self._rotations, timeout=ROTATION_SECONDS)

    def resume(self) -> None:
        """The partitions have been given up: what comes next is a new assignment."""
        self._closing = False
        self._not_before.clear()

    async def get(self, partition: int, account: str, use: Use = Use.OTHER) -> Grant:
        """A living access token, renewed if it is time. Raises OemError.

        Where consent is lost, one that still lives is given for a release only; where it is in doubt, not for a hold.
        """
        async with self._flights[account]:
            held = self._held(self._lane_of(partition), account)
            now, due = self._clock.now(), custody.renew_at(held.row)
            lives, lost = custody.lives(held.row, now), held.row.link in custody.LOST
            if lives and use is Use.RELEASE and (lost or custody.in_doubt(held.row)):
                return held.grant()
            if lost:
                raise NeedsConsent("the driver has to link the account again")
            if not lives or due is None or due <= now:
                held = await self._renewed(partition, held, lives=lives, release=use is Use.RELEASE)
            if use is Use.HOLD and custody.in_doubt(held.row):
                raise Suspended("a refresh was not answered", custody.RETRY)
            return held.grant()

    async def refused(self, partition: int, account: str, grant: Grant) -> None:
        """The OEM did not take the access token: it is not given out again, here or by a guardian."""
        lane = self._lane_of(partition)
        held = self._held(lane, account)
        access = held.row.sealed_access
        if access is not None and held.grant().access_token == grant.access_token:
            await lane.commit(partial(custody.access_refused, account=account, access=access))

    async def lost(self, partition: int, account: str, reason: str) -> None:
        """The OEM says that the driver's consent is gone."""
        lane = self._lane_of(partition)
        token = self._held(lane, account).token
        await lane.commit(partial(custody.consent_lost, account=account, spent=token, reason=reason))

    def _held(self, lane: Lane, account: str) -> Held:
        row, key = lane.get(ACCOUNTS, account), lane.get(KEYS, account)
        if row is None or row.sealed_token is None or key is None:
            raise NeedsConsent("no grant is held for the account")
        try:
            return Held(row, row.sealed_token, envelope.opened(self._sealer, key))
        except Unsealable as error:
            # A fault of this worker's settings, not of the driver's consent.
            raise Unavailable(str(error)) from None

    async def _renewed(self, partition: int, held: Held, *, lives: bool, release: bool) -> Held:
        """The account after a refresh; as it is, where that fails and the old access token still serves."""
        lane, account = self._lane_of(partition), held.row.account
        try:
            await self._refresh(lane, held, release=release)
        except NeedsConsent:
            if not (lives and release):
                raise
        except OemError:
            if not lives:
                raise
        return self._held(lane, account)

    async def _refresh(self, lane: Lane, held: Held, *, release: bool) -> None:
        row, now = held.row, self._clock.now()
        await self._let_go_first(lane, held, now)
        self._wait(row, now)
        if row.refreshing_since is not None:
            self._metrics.refreshes_lost.labels(row.oem).inc()
        gate = self._gates.get(row.oem)
        if gate is None:
            raise Unsupported(f"no connector for {row.oem}")
        # A task of its own, so that it ends well even when the call that needed it is dropped.
        spend = partial(self._rotate, lane, held)
        rotation = asyncio.create_task(gate.call(row.account, "refresh", spend, release=release))
        self._rotations.add(rotation)
        rotation.add_done_callback(self._rotated)
        try:
            await asyncio.shield(rotation)
        except NeedsConsent as error:
            await self._refused_grant(lane, held, str(error), release=release)
        except OutcomeUnknown:
            await self._doubted(lane, held, now)
        except (Throttled, Suspended):
            raise
        except OemError:
            self._not_before[row.account] = now + AGAIN
            raise

    async def _refused_grant(self, lane: Lane, held: Held, reason: str, *, release: bool) -> None:
        """The OEM refuses the refresh token. If the driver has linked anew meanwhile, there is another to try."""
        account = held.row.account
        current = self._held(lane, account)
        if current.token != held.token:
            await self._refresh(lane, current, release=release)
            return
        await lane.commit(partial(custody.consent_lost, account=account, spent=held.token, reason=reason))
        raise NeedsConsent(reason)

    async def _let_go_first(self, lane: Lane, held: Held, now: datetime) -> None:
        """Raises Suspended as long as the living access token is needed for cars that we may hold."""
        row = held.row
        if not custody.lives(row, now):
            return
        if custody.in_doubt(row):
            if now < row.since + LET_GO and any(self._may_hold(lane.partition, car) for car in row.cars):
                raise Suspended("cars are let go before the refresh is tried again", custody.RETRY)
        elif row.refreshing_since is not None:
            await self._doubted(lane, held, now)

    async def _doubted(self, lane: Lane, held: Held, now: datetime) -> None:
        """Say so where it has not been said, and wait."""
        await lane.commit(partial(custody.doubted, account=held.row.account, spent=held.token, at=now))
        raise Suspended("the refresh was not answered", custody.RETRY) from None

    def _rotated(self, rotation: asyncio.Task[None]) -> None:
        self._rotations.discard(rotation)
        if not rotation.cancelled():
            rotation.exception()  # the caller may have been dropped: nobody else asks

    def _wait(self, row: AccountRow, now: datetime) -> None:
        until = max(custody.retry_at(row) or now, self._not_before.get(row.account, now))
        if until > now:
            raise Suspended("the last refresh came to nothing", min(until - now, custody.LONGEST_RETRY))

    async def _rotate(self, lane: Lane, held: Held) -> None:
        account, spent, now = held.row.account, held.token, self._clock.now()
        token = held.refresh_token()
        if self._closing:
            raise Revoked
        await lane.commit(partial(custody.refreshing, account=account, spent=spent, at=now))
        reach("refresh.marked")
        if self._closing:
            await lane.commit(partial(custody.unspent, account=account, spent=spent), last_word=True)
            raise Revoked
        if self._held(lane, account).row.refreshing_since is None:
            raise NeedsConsent("the grant has gone meanwhile")
        try:
            grant = await self._clients[held.row.oem].refresh(token, now)
        except (NeedsConsent, OutcomeUnknown):
            raise
        except OemError:
            await lane.commit(partial(custody.unspent, account=account, spent=spent), last_word=True)
            raise
        reach("refresh.answered")
        await lane.commit(
            partial(custody.rotated, account=account, spent=spent, new=_sealed(held, grant, now)), last_word=True
        )
        reach("refresh.written")


def _sealed(held: Held, grant: Grant, now: datetime) -> custody.Tokens:
    account, seal = held.row.account, held.sealer.seal
    return custody.Tokens(
        seal(grant.refresh_token.get_secret_value().encode(), seal_context(account)),
        seal(grant.access_token.get_secret_value().encode(), access_context(account)),
        issued_at=now,
        expires_at=grant.expires_at,
    )
