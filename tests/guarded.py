"""Held cars, sealed accounts and a simulated cloud for tests of the guardian; time is what the test says."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from agents import envelope
from agents.guardian.guard import Guard
from agents.guardian.known import Known
from agents.guardian.metrics import GuardianMetrics
from agents.guardian.process import make_guard
from agents.guardian.rules import GRACE, lapsed
from agents.said import Said
from agents.sealing import Sealer
from agents.settings import Settings, load
from oem_connectors.http import make_http
from oem_connectors.simulator.cloud.car import Personality, SimCar, Stay
from oem_connectors.simulator.cloud.faults import FaultScript
from oem_connectors.simulator.cloud.log import Cause, Change, What, Who
from oem_connectors.simulator.cloud.run import serve
from oem_connectors.simulator.cloud.world import World
from streams import serde
from streams.contracts.account import Link
from streams.contracts.base import account_of
from streams.contracts.command import Action
from streams.contracts.held import HeldCar
from streams.topics import HELD
from tables import ACCOUNTS, KEYS
from tables.rows import AccountRow

NOW = datetime(2025, 1, 14, 23, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
STOPPED = NOW - 5 * MINUTE
#: Long enough ago that whoever sees it starts the car now.
LAPSED = NOW - GRACE


class Time:
    """A clock that stands until it is moved."""

    def __init__(self, at: datetime = NOW) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


def held_car(
    car: str = "a.b", lease: datetime = LAPSED, last: datetime = NOW + HOUR, oem: str = "simulator"
) -> HeldCar:
    vehicle, session = car.split(".")[1], f"stay of {car}"
    return HeldCar(
        car=car, oem=oem, vehicle=vehicle, session_id=session, since=STOPPED, lease_until=lease, last_safe_start=last
    )


def held(car: HeldCar) -> Said:
    """The registry's record of a car."""
    return Said(HELD.name, car.car, serde.encode(car))


def freed(car: str = "a.b") -> Said:
    """The tombstone that says a car is free."""
    return Said(HELD.name, car, None)


def account(name: str, token: str, sealer: Sealer, expires: datetime = NOW + 8 * HOUR) -> Iterator[Said]:
    """The records of an account's key and of its newest token."""
    key = envelope.data_key(sealer, name, STOPPED)
    access = envelope.opened(sealer, key).seal(token.encode(), envelope.access_context(name))
    refresh = envelope.opened(sealer, key).seal(b"rt-secret", envelope.seal_context(name))
    row = AccountRow(
        account=name, oem="simulator", sealed_token=refresh, sealed_access=access, access_issued_at=STOPPED,
        access_expires_at=expires, link=Link.LINKED, since=STOPPED,
    )  # fmt: skip
    yield Said(KEYS.name, name, KEYS.encode(key))
    yield Said(ACCOUNTS.name, name, ACCOUNTS.encode(row))


def sim_car(car: str, personality: Personality = Personality.NORMAL) -> SimCar:
    """Plugged in an hour ago, home until the morning."""
    account_name, vehicle = car.split(".")
    stay = Stay(NOW - HOUR, NOW + 9 * HOUR, 30)
    return SimCar(account=account_name, vehicle=vehicle, stays=[stay], personality=personality)


class Scene(NamedTuple):
    """A guard before a cloud whose cars are stopped, and what the guard knows."""

    guard: Guard
    known: Known
    world: World
    time: Time
    settings: Settings
    metrics: GuardianMetrics

    async def live(self, span: timedelta, step: timedelta = SECOND) -> None:
        """Guard for so long."""
        end = self.time.at + span
        while self.time.at < end:
            self.guard.begin(self.known, lambda: lapsed(self.known, self.time.at))
            await self.guard.at_rest()
            self.time.at += step

    def calls(self) -> list[str]:
        """What the cloud was asked, in order."""
        return [call.endpoint for call in self.world.log.calls]

    def starts(self) -> list[Change]:
        """Starts that the guard caused."""
        self.world.settle(self.time.at)
        return [one for one in self.world.log.effective() if one.what is What.STARTED]

    def token(self, name: str) -> str:
        """A fresh access token of the cloud."""
        issued = self.world.tokens.rotate(self.world.tokens.consent(name), self.time.at)
        assert issued is not None
        return issued.access_token


@asynccontextmanager
async def scene(
    cars: Sequence[SimCar], faults: FaultScript | None = None, per_minute: int = 600
) -> AsyncIterator[Scene]:
    """A cloud on loopback; every car was stopped five minutes ago, and its lease ends now."""
    time = Time()
    world = World(cars, time.now, faults=faults)
    runner, url = await serve(world)
    settings = load({}, env="demo", oem_urls={"simulator": url}, releases_per_minute=per_minute)
    http, metrics, known = make_http(), GuardianMetrics(), Known()
    guard = make_guard(settings, per_minute, http, time, metrics)
    staged = Scene(guard, known, world, time, settings, metrics)
    for car in cars:
        world.cars[car.key].command(Action.STOP, STOPPED, Cause(Who.COMMAND, f"stop {car.key}", "held"))
        known.hear([held(held_car(car.key))])
    for name in {account_of(car.key) for car in cars}:
        known.hear(account(name, staged.token(name), settings.sealer()))
    try:
        yield staged
    finally:
        await http.aclose()
        await runner.cleanup()
