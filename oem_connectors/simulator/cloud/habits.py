"""What makes a car odd: what it will not do, what it does by itself, and what another app does to it."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from oem_connectors.simulator.cloud.car import Personality, SimCar
from oem_connectors.simulator.cloud.log import BY_APP, BY_CAR, Cause, What, Who
from streams.contracts.command import Action

_OWN_TIMER: Final = time(0, 30)
_BUSY: Final = timedelta(minutes=1)
#: How often in a stay it happens.
_MOST: Final = {Personality.RANDOM_START: 2, Personality.APP_FIGHTER: 6, Personality.ACCEPTS_THEN_FAILS: 2}


class Reaction(NamedTuple):
    """What follows a switch by itself, between so many seconds later, unless another switch comes first."""

    action: Action
    cause: Cause
    low_s: float
    high_s: float


class Habits:
    """The oddities of one car in the stay that is going on."""

    def __init__(self, car: SimCar) -> None:
        self._car, self._reactions = car, 0
        self._busy_until: datetime | None = None
        #: It does not start any more until it is plugged in anew.
        self.jammed = False

    @property
    def deep_sleeper(self) -> bool:
        """Sleeps soon and wakes late."""
        return self._car.personality is Personality.DEEP_SLEEPER

    @property
    def uploads_rarely(self) -> bool:
        """The cloud knows only what it uploads twice an hour."""
        return self._car.personality is Personality.STALE_CACHE

    def arrive(self, at: datetime) -> datetime | None:
        """A new stay begins. Returns when the driver's own timer starts it, if there is one."""
        self._reactions, self._busy_until, self.jammed = 0, None, False
        if self._car.personality is not Personality.DRIVER_TIMER:
            return None
        local = at.astimezone(ZoneInfo(self._car.zone))
        tonight = datetime.combine(local.date(), _OWN_TIMER, local.tzinfo)
        return (tonight if tonight > local else tonight + timedelta(days=1)).astimezone(at.tzinfo)

    def ignores(self, action: Action) -> bool:
        """It says yes and does nothing."""
        return action is Action.STOP and self._car.personality is Personality.IGNORES_STOP

    def busy(self, now: datetime) -> bool:
        """Another request is still in flight."""
        return self._busy_until is not None and now < self._busy_until

    def accepted(self, now: datetime) -> None:
        """It took a command."""
        if self._car.personality is Personality.DUPLICATE_REQUEST:
            self._busy_until = now + _BUSY

    def react(self, what: What, cause: Cause) -> Reaction | None:
        """What follows a start or stop."""
        personality = self._car.personality
        ours = cause.who is Who.COMMAND
        if personality is Personality.CANNOT_RESUME and what is What.STOPPED:
            self.jammed = ours
        if self._reactions >= _MOST.get(personality, 0):
            return None
        if personality is Personality.RANDOM_START and what is What.STOPPED:
            return Reaction(Action.START, BY_CAR, 20 * 60, 60 * 60)
        if personality is Personality.APP_FIGHTER and ours:
            return Reaction(Action.STOP if what is What.STARTED else Action.START, BY_APP, 60, 240)
        if personality is Personality.ACCEPTS_THEN_FAILS and ours and what is What.STARTED:
            return Reaction(Action.STOP, BY_CAR, 120, 120)
        return None

    def reacted(self) -> None:
        """It did what `react` said."""
        self._reactions += 1
