"""Speaking to cars on behalf of a partition: tokens kept fresh, one refresh at a time per account, all calls timed."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from time import perf_counter
from typing import TypeVar

from pydantic import SecretStr

from agents import accounts
from agents.clock import Clock
from agents.engine.stage import Lane
from agents.failpoints import reach
from agents.metrics import Metrics
from agents.sealing import Sealer, Unsealable
from oem_connectors.base import Grant
from oem_connectors.errors import NeedsConsent, OemError, Unauthorised, Unsupported
from oem_connectors.http import OemClient
from streams.contracts.base import account_of
from streams.contracts.command import CommandEvent
from streams.contracts.registration import Registration
from streams.contracts.telemetry import Telemetry
from tables import ACCOUNTS

R = TypeVar("R")
#: Renew an access token this long before it expires: clocks drift.
EARLY = timedelta(minutes=1)
#: How long giving up a partition may wait for a refresh under way.
ROTATION_SECONDS = 10


class Cars:
    """All cars of a worker. `custody(partition)` is the lane that owns the grants of a partition."""

    def __init__(
        self,
        clients: Mapping[str, OemClient],
        custody: Callable[[int], Lane],
        sealer: Sealer,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._clients = clients
        self._custody = custody
        self._sealer = sealer
        self._clock = clock
        self._metrics = metrics
        self._grants: dict[str, Grant] = {}
        self._refreshing: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._rotations: set[asyncio.Task[Grant]] = set()

    async def settle(self) -> None:
        """Wait for refreshes under way: a spent token whose successor is not on the log loses the account."""
        if self._rotations:
            await asyncio.wait(self._rotations, timeout=ROTATION_SECONDS)

    def forget(self) -> None:
        """Drop all tokens from memory: another worker may own the accounts now."""
        self._grants.clear()

    async def read(self, partition: int, car: Registration) -> Telemetry:
        """One reading. Raises OemError."""
        client = self._client(car)
        return await self._with_grant(
            partition, car, "read", lambda grant: client.read(grant, car.car, car.vehicle, self._clock.now())
        )

    async def command(self, partition: int, car: Registration, command: CommandEvent) -> str | None:
        """Send a command; the OEM's word on it, such as "already". Raises OemError."""
        client = self._client(car)
        plan = f"{command.session_id}/{command.plan_revision}/{command.serves}"
        return await self._with_grant(
            partition,
            car,
            command.action.value,
            lambda grant: client.command(grant, car.vehicle, command.action, command.id, plan, command.start_at),
        )

    def _client(self, car: Registration) -> OemClient:
        client = self._clients.get(car.oem)
        if client is None:
            raise Unsupported(f"no connector for {car.oem}")
        return client

    async def _with_grant(
        self, partition: int, car: Registration, endpoint: str, call: Callable[[Grant], Awaitable[R]]
    ) -> R:
        started, outcome = perf_counter(), "ok"
        try:
            grant = await self._grant(partition, car)
            try:
                return await call(grant)
            except Unauthorised:
                self._drop(car, grant)
                return await call(await self._grant(partition, car))
        except OemError as error:
            outcome = type(error).__name__
            if isinstance(error, NeedsConsent):
                reason = str(error)
                account = account_of(car.car)
                await self._custody(partition).commit(lambda work: accounts.consent_lost(work, account, reason))
            raise
        finally:
            self._metrics.oem_requests.labels(car.oem, endpoint, outcome).observe(perf_counter() - started)

    def _drop(self, car: Registration, grant: Grant) -> None:
        account = account_of(car.car)
        if self._grants.get(account) is grant:
            del self._grants[account]

    async def _grant(self, partition: int, car: Registration) -> Grant:
        account = account_of(car.car)
        async with self._refreshing[account]:
            grant = self._grants.get(account)
            if grant is None or grant.expires_at - EARLY <= self._clock.now():
                grant = self._grants[account] = await self._refresh(partition, account, car)
            return grant

    async def _refresh(self, partition: int, account: str, car: Registration) -> Grant:
        """Spend the refresh token, and have its successor on the log before anyone uses what came with it."""
        lane = self._custody(partition)
        row = lane.get(ACCOUNTS, account)
        if row is None or row.sealed_token is None:
            raise NeedsConsent("no grant is held for the account")
        context = accounts.seal_context(account)
        try:
            token = self._sealer.open(row.sealed_token, context)
        except Unsealable as error:
            raise NeedsConsent(str(error)) from error
        await lane.commit(lambda work: accounts.refreshing(work, account))
        reach("refresh.marked")
        # A task of its own, so that it ends well even when the call that needed it is dropped.
        rotation = asyncio.create_task(self._rotate(lane, account, car, SecretStr(token.decode())))
        self._rotations.add(rotation)
        rotation.add_done_callback(self._rotations.discard)
        return await asyncio.shield(rotation)

    async def _rotate(self, lane: Lane, account: str, car: Registration, token: SecretStr) -> Grant:
        grant = await self._client(car).refresh(token, self._clock.now())
        reach("refresh.answered")
        sealed = self._sealer.seal(grant.refresh_token.get_secret_value().encode(), accounts.seal_context(account))
        await lane.commit(lambda work: accounts.rotated(work, account, sealed), last_word=True)
        reach("refresh.written")
        return grant
