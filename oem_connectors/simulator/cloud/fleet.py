"""A fleet of commuters: home in the evening, away in the morning, each in its own way, the same every run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from oem_connectors.simulator.cloud.battery import Battery
from oem_connectors.simulator.cloud.car import Personality, SimCar, Stay
from oem_connectors.simulator.cloud.chance import between

_BATTERIES = (
    Battery(usable_kwh=40, power_kw=7.4, efficiency=0.88),
    Battery(usable_kwh=58, power_kw=7.4, efficiency=0.9),
    Battery(usable_kwh=77, power_kw=11.0, efficiency=0.91),
)


def commuters(count: int, first_day: datetime, days: int, seed: int) -> Sequence[SimCar]:
    """`count` cars, one per account `sim<n>`, plugged in every evening of `days` days from `first_day`."""
    midnight = first_day.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return [_commuter(number, midnight, days, seed) for number in range(1, count + 1)]


def _commuter(number: int, midnight: datetime, days: int, seed: int) -> SimCar:
    account = f"sim{number}"
    return SimCar(
        account=account,
        vehicle="car1",
        standby_kw=0.01,
        battery=_BATTERIES[int(between(0, len(_BATTERIES), seed, account, "battery"))],
        personality=_personality(number),
        stays=list(_stays(account, midnight, days, seed)),
    )


def _personality(number: int) -> Personality:
    """One car in ten misbehaves, each kind in its turn."""
    odd = list(Personality)[1:]
    return odd[number // 10 % len(odd)] if number % 10 == 0 else Personality.NORMAL


def _stays(account: str, midnight: datetime, days: int, seed: int) -> Iterator[Stay]:
    for day in range(days):
        home = midnight + timedelta(days=day, hours=between(16.5, 20.5, seed, account, day, "home"))
        leave = midnight + timedelta(days=day + 1, hours=between(6.2, 8.5, seed, account, day, "leave"))
        yield Stay(home, leave, soc_at_plug_in=between(20, 65, seed, account, day, "soc"))
