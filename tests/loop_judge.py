"""What must hold of control whatever happens, judged by the car's own truth."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from oem_connectors.simulator.cloud.car import Personality
from oem_connectors.simulator.cloud.log import What
from oem_connectors.simulator.cloud.states import Mode
from streams.contracts.command import Action
from streams.contracts.preference import Preference
from streams.domain.ready import ready_by
from tests.loop import Loop, by_us

#: Cars that charge when told to, however odd they are otherwise.
HONEST: Final = frozenset(Personality) - {
    Personality.CANNOT_RESUME,
    Personality.APP_FIGHTER,
    Personality.ACCEPTS_THEN_FAILS,
}
#: To notice the plug-in, and for commands to be repeated.
_SLACK: Final = timedelta(minutes=75)
_KNOWN_FOR: Final = timedelta(minutes=30)
#: Percents are told in whole numbers, and the last one may be rounding.
_ROUNDING_PCT: Final = 1.0


@dataclass(frozen=True, slots=True)
class Promise:
    """So full by then."""

    ready_by: datetime
    target_pct: float


@dataclass(frozen=True, slots=True)
class Hand:
    """The driver's own switch in a stay, seen by a reading."""

    stay: int
    action: Action
    at: datetime


class Judge:
    """Watches a loop; every method raises `AssertionError` with the story."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.at_home: list[bool] = []
        self.promise: Promise | None = None
        self.hands: list[Hand] = []
        self.boosted_at: list[datetime] = []
        self.known_gone: datetime | None = None
        self.reachable_since = loop.now

    @property
    def stay(self) -> int:
        """The number of the stay that goes on, or of the last one."""
        return len(self.at_home) - 1

    def may_promise(self, wish: Preference) -> None:
        """From now on the promise holds, if it can be kept at all."""
        loop, truth = self.loop, self.loop.cloud.truth
        self.promise = None
        if wish.mode == "paused" or truth.mode is Mode.AWAY or not self.at_home or not self.at_home[-1]:
            return
        ready = ready_by(wish, truth.car.zone, loop.now)
        soc_pct = truth.soc_at(loop.now)
        hours = truth.car.battery.hours(soc_pct, wish.target_soc_pct) if soc_pct < wish.target_soc_pct else 0.0
        margin = timedelta(minutes=wish.margin_minutes)
        honest = truth.car.personality in HONEST and len(loop.can) > 0
        if honest and loop.now + timedelta(hours=1.15 * hours) + margin + _SLACK <= ready:
            self.promise = Promise(ready, wish.target_soc_pct)

    def at_ready_by(self) -> None:
        """Call it at the promise's instant."""
        promise, truth = self.promise, self.loop.cloud.truth
        assert promise is not None
        self.promise = None
        soc_pct = truth.soc_at(self.loop.now)
        self._must(soc_pct >= promise.target_pct - _ROUNDING_PCT, f"{soc_pct:.1f} % of {promise.target_pct} % in time")

    def look(self) -> None:
        """All that must hold at any time."""
        log, policy = self.loop.cloud.log, self.loop.policy
        self._nothing_twice()
        self._must(self.loop.cloud.refused == 0, "never more calls than the quota")
        effective = log.effective()
        self._must(all(self.at_home[change.stay] for change in effective), "nothing effective away from home")
        stops = [change for change in effective if change.stay == self.stay and change.what is What.STOPPED]
        self._must(len(stops) <= policy.max_stops, "no more stops than the budget")
        self._driver_wins()
        self._nothing_left_behind()

    def _nothing_twice(self) -> None:
        """At most one effective start and stop per desired state of a plan, unless the car or its driver undid it."""
        orders = {command.id: command for command in self.loop.decisions}
        done: set[tuple[str, int, str, What]] = set()
        for change in self.loop.cloud.log.changes:
            order = orders.get(change.cause.command_id)
            if order is None or not by_us(change):
                done = done if change.what not in {What.STARTED, What.STOPPED} else set()
                continue
            key = order.session_id, order.plan_revision, order.serves or "", change.what
            self._must(key not in done, f"nothing effective twice: {key}")
            done.add(key)

    def _driver_wins(self) -> None:
        for hand in self.hands:
            opposite = What.STOPPED if hand.action is Action.START else What.STARTED
            until = min(
                (at for at in self.boosted_at if at > hand.at), default=datetime.max.replace(tzinfo=hand.at.tzinfo)
            )
            undone = [c for c in self.loop.effective(hand.stay) if c.what is opposite and hand.at < c.at < until]
            self._must(not undone, f"the driver's {hand.action} at {hand.at:%d %H:%M} stands")

    def _nothing_left_behind(self) -> None:
        """No start of ours in a car that is known to have left, half an hour on."""
        loop, state = self.loop, self.loop.control.state
        session = None if state is None else state.session
        here = self.loop.cloud.truth.mode is not Mode.AWAY and self.at_home and self.at_home[-1]
        gone = state is not None and (state.at_home is False or (session is not None and session.ended_at is not None))
        if here or not gone:
            self.known_gone = None
            return
        self.known_gone = self.known_gone or loop.now
        since = max(self.known_gone, self.reachable_since)
        ours = loop.cloud.car.personality is not Personality.DRIVER_TIMER
        left = loop.cloud.truth.sample(loop.now).scheduled_start is not None and not loop.cloud.truth.asleep
        self._must(not (ours and left and loop.now - since > _KNOWN_FOR), "no start of ours left in a car that left")

    def _must(self, holds: bool, promise: str) -> None:
        if not holds:
            raise AssertionError(f"{promise}\n{self.loop.cloud.car.personality}\n{self.loop.story()}")
