"""The night of the drill: cars plugged in and stopped, and the registry that the workers left behind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from agents import envelope
from agents.engine.log import Outgoing
from agents.partitions import home_partition
from agents.sealing import Sealer
from agents.settings import Settings
from oem_connectors.simulator.cloud.battery import Battery
from oem_connectors.simulator.cloud.car import Personality, SimCar, Stay
from oem_connectors.simulator.cloud.chance import between, chance
from oem_connectors.simulator.cloud.log import Cause, Who
from oem_connectors.simulator.cloud.world import World
from streams import serde
from streams.contracts.account import Link
from streams.contracts.base import account_of
from streams.contracts.command import Action
from streams.contracts.held import HeldCar
from streams.domain.desired import ControlPolicy
from streams.domain.holding import LEASE
from streams.topics import HELD
from tables import ACCOUNTS, KEYS
from tables.rows import AccountRow

#: When all workers die.
DEATH: Final = datetime(2025, 1, 14, 23, tzinfo=UTC)
STOPPED: Final = DEATH - timedelta(minutes=10)
END: Final = datetime(2025, 1, 15, 9, tzinfo=UTC)
#: No car is held that has less time than this when the workers die.
LEAST_SLACK: Final = timedelta(minutes=40)
TARGET_PCT: Final = 80.0
POLICY: Final = ControlPolicy()
_BATTERIES: Final = (
    Battery(usable_kwh=40, power_kw=7.4, efficiency=0.88),
    Battery(usable_kwh=58, power_kw=7.4, efficiency=0.9),
    Battery(usable_kwh=77, power_kw=11.0, efficiency=0.91),
)
#: Cars that start late, say so late, or say what is not so. Those that no start can help are not held at all.
_DIFFICULT: Final = (
    Personality.DEEP_SLEEPER,
    Personality.STALE_CACHE,
    Personality.RANDOM_START,
    Personality.AMBIGUOUS_PLUG,
    Personality.CLOCK_SKEW,
    Personality.ACCEPTS_THEN_FAILS,
    Personality.DUPLICATE_REQUEST,
    Personality.FLICKERING_PLUG,
)


@dataclass(frozen=True, slots=True)
class Guest:
    """A car of the drill, with the promise made to its driver."""

    car: SimCar
    ready_by: datetime
    last_safe_start: datetime


def guests(count: int, seed: int) -> list[Guest]:
    """`count` cars, two to an account, every one able to keep its promise if started in time."""
    return [_guest(number, seed) for number in range(count)]


def _guest(number: int, seed: int) -> Guest:
    account, vehicle = f"drill{number // 2}", f"car{number % 2}"
    battery = _BATTERIES[int(between(0, len(_BATTERIES), seed, number, "battery"))]
    ready_by = DEATH + timedelta(hours=round(between(6.5, 9, seed, number, "ready"), 2))
    plug_in = STOPPED - timedelta(minutes=between(5, 20, seed, number, "home"))
    soc_pct = between(15, 70, seed, number, "soc")
    while (last := _last_safe_start(battery, soc_pct, ready_by)) < DEATH + LEAST_SLACK:
        soc_pct += 1
    odd = chance(seed, number, "odd") < 0.2
    car = SimCar(
        account=account,
        vehicle=vehicle,
        model="sim-one-basic" if chance(seed, number, "model") < 0.4 else "sim-one",
        battery=battery,
        limit_pct=TARGET_PCT,
        personality=_DIFFICULT[number % len(_DIFFICULT)] if odd else Personality.NORMAL,
        stays=[Stay(plug_in, ready_by + timedelta(minutes=15), soc_pct)],
    )
    return Guest(car, ready_by, last)


def _last_safe_start(battery: Battery, soc_pct: float, ready_by: datetime) -> datetime:
    return ready_by - timedelta(hours=battery.hours(soc_pct, TARGET_PCT) * POLICY.reserve)


def hold(world: World, every: Sequence[Guest]) -> list[HeldCar]:
    """Stop every car as control would have, write the start into those that take one, and say who is held."""
    return [_held(world, guest) for guest in every]


def _held(world: World, guest: Guest) -> HeldCar:
    car, truth = guest.car, world.cars[guest.car.key]
    truth.command(Action.STOP, STOPPED, Cause(Who.COMMAND, f"stop {car.key}", "held"))
    backstop = None
    if car.takes(Action.SCHEDULE):
        at = guest.last_safe_start - POLICY.release_margin
        backstop = at.replace(minute=at.minute // 5 * 5, second=0, microsecond=0)
        truth.command(
            Action.SCHEDULE, STOPPED + timedelta(minutes=2), Cause(Who.COMMAND, f"backstop {car.key}"), backstop
        )
    renewed = DEATH - timedelta(minutes=between(0, 10, world.seed, car.key, "renewed"))
    return HeldCar(
        car=car.key,
        oem="simulator",
        vehicle=car.vehicle,
        session_id=f"stay of {car.key}",
        since=STOPPED,
        lease_until=min(renewed + LEASE, guest.last_safe_start - POLICY.release_margin),
        last_safe_start=guest.last_safe_start,
        backstop_at=backstop,
    )


def left_behind(world: World, cars: Sequence[HeldCar], settings: Settings, sealer: Sealer) -> Iterator[Outgoing]:
    """The records that dead workers leave: the held cars, and their accounts' tokens and keys."""

    def record(topic: str, key: str, value: bytes) -> Outgoing:
        return Outgoing(topic, home_partition(key, settings.partitions), key.encode(), value)

    for car in cars:
        yield record(HELD.name, car.car, serde.encode(car))
    for account in dict.fromkeys(account_of(car.car) for car in cars):
        key = envelope.data_key(sealer, account, STOPPED)
        yield record(KEYS.changelog(settings.app_id), account, KEYS.encode(key))
        row = _custody(world, account, envelope.opened(sealer, key))
        yield record(ACCOUNTS.changelog(settings.app_id), account, ACCOUNTS.encode(row))


def _custody(world: World, account: str, sealer: Sealer) -> AccountRow:
    issued = world.tokens.rotate(world.tokens.consent(account), STOPPED)
    assert issued is not None
    return AccountRow(
        account=account,
        oem="simulator",
        sealed_token=None,
        sealed_access=sealer.seal(issued.access_token.encode(), envelope.access_context(account)),
        access_issued_at=STOPPED,
        access_expires_at=STOPPED + timedelta(seconds=issued.expires_in),
        link=Link.LINKED,
        since=STOPPED,
    )
