"""A car as data: what it is, how it behaves, where it will be, and what its driver does at the car itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise

from oem_connectors.simulator.cloud.battery import Battery
from streams.contracts.command import Action


class Personality(StrEnum):
    """How a car misbehaves."""

    NORMAL = "normal"
    IGNORES_STOP = "ignores_stop"  # accepts a stop and goes on charging
    CANNOT_RESUME = "cannot_resume"  # after a remote stop it needs a new plug-in
    DEEP_SLEEPER = "deep_sleeper"  # sleeps soon and takes minutes to wake
    STALE_CACHE = "stale_cache"  # uploads twice an hour, while the cloud pretends to be fresh
    RANDOM_START = "random_start"  # starts again by itself, at most twice per stay
    AMBIGUOUS_PLUG = "ambiguous_plug"  # one word for "no cable" and "cable, no current"
    CLOCK_SKEW = "clock_skew"  # its clock is seven minutes fast
    DRIVER_TIMER = "driver_timer"  # the driver's own timer starts it at 00:30
    APP_FIGHTER = "app_fighter"  # another app undoes what we switch, up to six times per stay
    ACCEPTS_THEN_FAILS = "accepts_then_fails"  # the first two starts of a stay last two minutes
    DUPLICATE_REQUEST = "duplicate_request"  # for a minute after a command it refuses the next
    TOKEN_ROTATOR = "token_rotator"  # noqa: S105 - access tokens of its account live for twenty minutes
    FLICKERING_PLUG = "flickering_plug"  # now and then one reading says "unplugged", which is false


#: Commands about the car's own schedule.
ON_BOARD = frozenset({Action.SCHEDULE, Action.UNSCHEDULE})
READ_ONLY = "readonly"
NO_SCHEDULE = "-basic"
FAMILY_CAR = Battery(usable_kwh=60, power_kw=7.4, efficiency=0.9)


@dataclass(frozen=True, slots=True)
class Stay:
    """A stay with the cable in. Between stays the car is away, without a cable."""

    plug_in: datetime
    plug_out: datetime
    soc_at_plug_in: float
    at_home: bool = True


@dataclass(frozen=True, slots=True)
class DriverAction:
    """The driver starts or stops charging at the car itself."""

    at: datetime
    action: Action


@dataclass(frozen=True, slots=True, kw_only=True)
class SimCar:
    """One car. Its key is `<account>.<vehicle>`; stays are sorted and do not overlap."""

    account: str
    vehicle: str
    stays: Sequence[Stay]
    model: str = "sim-one"
    zone: str = "UTC"
    battery: Battery = FAMILY_CAR
    limit_pct: float = 90.0
    standby_kw: float = 0.0
    personality: Personality = Personality.NORMAL
    driver_actions: Sequence[DriverAction] = ()

    def __post_init__(self) -> None:
        edges = [edge for stay in self.stays for edge in (stay.plug_in, stay.plug_out)]
        if any(later <= earlier for earlier, later in pairwise(edges)):
            raise ValueError(f"the stays of {self.key} must be sorted, not empty and must not overlap")

    @property
    def key(self) -> str:
        """The car key."""
        return f"{self.account}.{self.vehicle}"

    def takes(self, action: Action) -> bool:
        """Whether its model has this command."""
        return self.model != READ_ONLY and not (action in ON_BOARD and self.model.endswith(NO_SCHEDULE))
