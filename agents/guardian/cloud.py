"""The guardian's side of the OEM clouds: it can read, wake and start a car. A stop is not among its calls."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Final, NamedTuple

import httpx
from pydantic import SecretStr

from agents import envelope
from agents.clock import Clock
from agents.gate import Gate, Suspended
from agents.guardian.known import Way
from agents.guardian.rules import Answer, Outcome, Progress, Step, release_id, seen
from agents.metrics import Metrics
from agents.sealing import Sealer, Unsealable
from oem_connectors.base import Call, Connector, Grant
from oem_connectors.errors import (
    Asleep,
    NeedsConsent,
    OemError,
    OutcomeUnknown,
    Rejected,
    Throttled,
    Unauthorised,
    Unavailable,
    Unreadable,
    Unsupported,
)
from oem_connectors.http import OemClient
from oem_connectors.wire import hosts_of
from streams.contracts.base import account_of
from streams.contracts.command import Action
from streams.contracts.held import HeldCar
from streams.contracts.telemetry import Telemetry

#: All that a guardian ever asks of a car.
RELEASING: Final = frozenset({Action.START, Action.WAKE})
_MEANING: Final[Mapping[type[OemError], Outcome]] = {
    Suspended: Outcome.THROTTLED,  # held back by ourselves: nothing was asked
    Throttled: Outcome.THROTTLED,
    Unavailable: Outcome.UNAVAILABLE,
    Asleep: Outcome.ASLEEP,
    Unauthorised: Outcome.LOCKED,
    NeedsConsent: Outcome.LOCKED,
    Unreadable: Outcome.RESTS,
    Rejected: Outcome.REFUSED,
    OutcomeUnknown: Outcome.UNKNOWN,
    Unsupported: Outcome.UNSUPPORTED,
}


def releasing_only(connector: Connector) -> Connector:
    """The same maker without any command but those that let a car charge."""

    def by_model(model: str) -> Mapping[Action | None, Call]:
        return {action: call for action, call in connector.by_model(model).items() if action in {None, *RELEASING}}

    commands = {action: call for action, call in connector.commands.items() if action in RELEASING}
    return replace(connector, commands=commands, by_model=by_model)


class Cloud:
    """Makes one call about one car at a time, whatever the maker. Raises nothing that a maker can cause."""

    def __init__(
        self,
        connectors: Mapping[str, Connector],
        urls: Mapping[str, str],
        apps: Mapping[str, Mapping[str, SecretStr]],
        http: httpx.AsyncClient,
        sealer: Sealer,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._clients = {
            name: OemClient(releasing_only(connector), http, hosts_of(connector, urls), apps.get(name))
            for name, connector in connectors.items()
        }
        self._gates = {name: Gate(name, clock, metrics) for name in connectors}
        self._sealer = sealer
        self._clock = clock

    def sleeps_after(self, oem: str) -> timedelta | None:
        """How long a car of this maker must be left alone to fall asleep, if it does and can be woken."""
        client = self._clients.get(oem)
        wakes = client is not None and Action.WAKE in client.connector.commands
        return client.connector.pace.sleeps_after if client is not None and wakes else None

    async def ask(self, car: HeldCar, tried: Progress, way: Way, step: Step) -> Answer:
        """Take one step with one car."""
        client = self._clients.get(car.oem)
        if client is None:
            return Answer(Outcome.UNSUPPORTED)
        try:
            call = _Call(client, self._gates[car.oem], self._grant(way), car, tried, self._clock)
            return Answer(await _TAKE[step](call))
        except Unsealable:
            return Answer(Outcome.LOCKED)
        except OemError as error:
            return Answer(_outcome(error), _retry_after(error))

    def _grant(self, way: Way) -> Grant:
        """What the calls need; the refresh token stays with control, which alone may spend it."""
        sealer = envelope.opened(self._sealer, way.key)
        token = sealer.open(way.access.sealed, envelope.access_context(way.key.account)).decode()
        return Grant(SecretStr(token), SecretStr(""), way.access.expires_at)


class _Call(NamedTuple):
    """All that a step needs."""

    client: OemClient
    gate: Gate
    grant: Grant
    car: HeldCar
    tried: Progress
    clock: Clock

    async def look(self) -> Outcome:
        def read() -> Awaitable[Telemetry]:
            return self.client.read(self.grant, self.car.car, self.car.vehicle, self.clock.now(), self.car.model)

        return seen(await self.gate.call(account_of(self.car.car), "read", read, release=True), self.car, self.tried)

    async def wake(self) -> Outcome:
        with suppress(Unsupported):  # it may wake by itself
            await self._command(Action.WAKE)
        return Outcome.WOKEN

    async def start(self) -> Outcome:
        await self._command(Action.START)
        return Outcome.STARTED

    async def _command(self, action: Action) -> None:
        name = release_id(self.car, self.tried.tries)

        def send() -> Awaitable[str | None]:
            return self.client.command(self.grant, self.car.vehicle, action, name, model=self.car.model)

        await self.gate.call(account_of(self.car.car), action, send, release=True)


_TAKE: Final = {Step.LOOK: _Call.look, Step.WAKE: _Call.wake, Step.START: _Call.start}


def _outcome(error: OemError) -> Outcome:
    return next(outcome for kind, outcome in _MEANING.items() if isinstance(error, kind))


def _retry_after(error: OemError) -> timedelta | None:
    return error.retry_after if isinstance(error, Throttled | Suspended) else None
