"""Speaking to cars on behalf of a partition: with tokens from custody, through the gate of their OEM."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TypeVar
from zoneinfo import ZoneInfo

from agents.clock import Clock
from agents.engine.stage import Lane
from agents.gate import Gate
from agents.grants import Grants, Use
from agents.metrics import Metrics
from agents.sealing import Sealer
from oem_connectors.base import Grant
from oem_connectors.errors import NeedsConsent, Unauthorised, Unsupported
from oem_connectors.http import OemClient
from streams.contracts.base import account_of
from streams.contracts.command import Action, CommandEvent
from streams.contracts.registration import Registration
from streams.contracts.telemetry import Telemetry

R = TypeVar("R")
#: What lets a car charge. Such a command goes first as a probe, and is still sent when consent is lost.
RELEASES = frozenset({Action.START, Action.WAKE})
#: What keeps it from charging, or from starting by itself. Not sent while it is in doubt that a start could follow.
_HOLDS = frozenset({Action.STOP, Action.UNSCHEDULE})


class Cars:
    """All cars of a worker. `custody(partition)` is the lane that owns the grants of a partition.

    `may_hold(partition, car)` tells whether a stop of ours may keep the car from charging.
    """

    def __init__(
        self,
        clients: Mapping[str, OemClient],
        custody: Callable[[int], Lane],
        may_hold: Callable[[int, str], bool],
        sealer: Sealer,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._clients = clients
        self._clock = clock
        self._gates = {oem: Gate(oem, clock, metrics) for oem in clients}
        self._grants = Grants(clients, self._gates, custody, may_hold, sealer, clock, metrics)
        self.settle = self._grants.settle
        self.resume = self._grants.resume

    async def renew(self, partition: int, account: str) -> None:
        """Renew the account's access token if it is time, though nobody uses it now. Raises OemError."""
        await self._grants.get(partition, account)

    async def read(self, partition: int, car: Registration) -> Telemetry:
        """One reading. Raises OemError."""
        client = self._client(car)

        async def call(grant: Grant) -> Telemetry:
            return await client.read(grant, car.car, car.vehicle, self._clock.now(), car.model)

        return await self._with_grant(partition, car, "read", call)

    async def command(
        self, partition: int, car: Registration, command: CommandEvent, last_look: Callable[[], None]
    ) -> str | None:
        """Send a command; the OEM's word on it, such as "already". Raises OemError.

        `last_look` is called right before the request leaves, after all waiting; it raises to hold it back.
        """
        client = self._client(car)
        plan = f"{command.session_id}/{command.plan_revision}/{command.serves}"

        async def call(grant: Grant) -> str | None:
            last_look()
            return await client.command(
                grant, car.vehicle, command.action, command.id, plan, command.start_at,
                model=car.model, zone=ZoneInfo(car.home_zone),
            )  # fmt: skip

        return await self._with_grant(partition, car, command.action.value, call, _use(command.action))

    def _client(self, car: Registration) -> OemClient:
        client = self._clients.get(car.oem)
        if client is None:
            raise Unsupported(f"no connector for {car.oem}")
        return client

    async def _with_grant(
        self,
        partition: int,
        car: Registration,
        endpoint: str,
        call: Callable[[Grant], Awaitable[R]],
        use: Use = Use.OTHER,
    ) -> R:
        account, gate, release = account_of(car.car), self._gates[car.oem], use is Use.RELEASE
        grant = await self._grants.get(partition, account, use)
        try:
            return await gate.call(account, endpoint, partial(call, grant), release=release)
        except NeedsConsent as error:
            await self._grants.lost(partition, account, str(error))
            raise
        except Unauthorised:
            await self._grants.refused(partition, account, grant)
        grant = await self._grants.get(partition, account, use)
        return await gate.call(account, endpoint, partial(call, grant), release=release)


def _use(action: Action) -> Use:
    return Use.RELEASE if action in RELEASES else Use.HOLD if action in _HOLDS else Use.OTHER
